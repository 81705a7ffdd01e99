import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { ToRgba8 } from '../../wgsl/image/to-rgba8.ts';
import { blendRows } from '../../wgsl/splat/edit/blend-rows.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import { SH_C0 } from '../../wgsl/splat/types.ts';
import type { Camera } from '../artefacts/camera.ts';
import { type Gaussians, parameterWidths } from '../artefacts/gaussians.ts';
import { encodePng } from '../artefacts/png.ts';

/** Colour of a region in its preview, and its share. */
const TINT = [1, 0.45, 0];
const SHARE = 0.7;

/** SH of Gaussians of one colour, f32 [N, K, 3]. */
export function colorRows(
  arena: Arena,
  color: readonly number[],
  { count, shDegree }: Pick<Gaussians, 'count' | 'shDegree'>,
): GPUBuffer {
  const width = parameterWidths(shDegree).sh;
  const row = new Float32Array(width);
  row.set(color.map((value) => (value - 0.5) / SH_C0));
  const rows = new Float32Array(width * Math.max(1, count));
  for (let i = 0; i < count; i++) rows.set(row, width * i);
  return arena.upload('color-rows', rows, 'parameters');
}

/** A picture of the splat in which a region is orange, as PNG. `weights`: f32 [N], the weight of each Gaussian in the region. */
export async function previewRegion(
  gpu: Gpu,
  gaussians: Gaussians,
  weights: GPUBuffer,
  camera: Camera,
): Promise<Uint8Array> {
  const { count, shDegree } = gaussians;
  const width = parameterWidths(shDegree).sh;
  const pixels = camera.width * camera.height;
  const arena = gpu.arena('region/preview');
  const renderer = await SplatRenderer.create(gpu, 'region/renderer');
  try {
    const sh = arena.buffer('sh', 4 * width * Math.max(1, count));
    const parts = { base: gaussians.sh, styled: colorRows(arena, TINT, gaussians), result: sh };
    await blendRows(arena, { ...parts, count, width, strength: SHARE, weights });
    const color = arena.buffer('color', 16 * pixels);
    const rgba8 = arena.buffer('rgba8', 4 * pixels);
    const convert = await ToRgba8.create(gpu, pixels);
    await renderer.render({ ...gaussians, sh }, camera, { color });
    gpu.run('region/preview', (recorder) => convert.record(recorder, convert.bind(color, rgba8)));
    const bytes = await gpu.read(rgba8, 'frames', 4 * pixels);
    return await encodePng(new Uint8Array(bytes), camera.width, camera.height);
  } finally {
    renderer.destroy();
    arena.destroy();
  }
}
