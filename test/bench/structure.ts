/**
 * The score `structure` of pictures against their base: `node --import tsx test/bench/structure.ts BASE PICTURE…`. With the filters of
 * a medium as the pictures it says how much structure the medium itself leaves.
 */
import sharp from 'sharp';
import { type Gpu, openGpu } from '../../wgsl/core/index.ts';
import { correlation, Structure } from '../../wgsl/image/structure.ts';

interface Rgb {
  width: number;
  height: number;
  /** [H, W, 4] in 0–1. */
  data: Float32Array;
}

/** The correlation of each picture's luminance gradients with the base's; undefined if the base has no edge. */
export async function structureOf(
  gpu: Gpu,
  base: Rgb,
  pictures: readonly Rgb[],
): Promise<(number | undefined)[]> {
  const arena = gpu.arena('structure');
  try {
    const picture = arena.buffer('picture', 4 * base.data.length);
    const buffers = { picture, base: arena.upload('base', base.data, 'test') };
    const engine = await Structure.create(gpu, arena, { ...base, ...buffers });
    engine.set(base);
    const found: (number | undefined)[] = [];
    for (const { width, height, data } of pictures) {
      if (width !== base.width || height !== base.height)
        throw new Error(`a picture has ${width}×${height} pixels, and the base ${base.width}×${base.height}`);
      gpu.write(picture, data, 'test');
      gpu.run('structure', (recorder) => engine.record(recorder));
      found.push(correlation(await gpu.readFloats(engine.result, 'test')));
    }
    return found;
  } finally {
    arena.destroy();
  }
}

async function read(path: string): Promise<Rgb> {
  const { data, info } = await sharp(path).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: Float32Array.from(data, (level) => level / 255) };
}

if (import.meta.filename === process.argv[1]) {
  const [base, ...pictures] = process.argv.slice(2);
  if (!pictures.length) throw new Error('usage: structure.ts BASE PICTURE…');
  const gpu = await openGpu();
  const found = await structureOf(gpu, await read(base), await Promise.all(pictures.map(read)));
  pictures.forEach((path, i) => {
    console.log(`${found[i]?.toFixed(3) ?? 'no edge'}  ${path}`);
  });
  gpu.close();
}
