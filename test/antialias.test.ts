import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAt } from '../stages/artefacts/camera.ts';
import {
  emptyGaussians,
  type Gaussians,
  type HostGaussians,
  readGaussians,
  releaseGaussians,
  uploadGaussians,
} from '../stages/artefacts/gaussians.ts';
import { loadGaussians, saveGaussians } from '../stages/artefacts/gaussians-file.ts';
import { importGaussians } from '../stages/artefacts/gaussians-import.ts';
import { encodePly, exportPly } from '../stages/artefacts/gaussians-ply.ts';
import { readAntialias } from '../stages/artefacts/splat-model.ts';
import { openSource, splatTransform } from '../stages/artefacts/splat-transform.ts';
import { writeSplat } from '../stages/artefacts/splat-writer.ts';
import { stylize } from '../stages/stylize/stage.ts';
import { train } from '../stages/train/stage.ts';
import type { Gpu } from '../wgsl/core/index.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { withGpu } from './helpers/gpu.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';

const folder = scratchFolder();

/** An opaque ball of this radius (one standard deviation) at the origin. */
function ball(radius: number): HostGaussians {
  const host = emptyGaussians(1, 0);
  host.logScales.fill(Math.log(radius));
  host.quats[0] = 1;
  host.opacityLogits[0] = 3;
  host.sh.fill(1);
  return host;
}

/** Σ alpha · pixel area of a picture of side `size`, in units of the picture's area. */
async function coverage(gpu: Gpu, splat: Gaussians, size: number): Promise<number> {
  const viewmat = lookAt([0, 0, -4], [0, 0, 0], [0, -1, 0]);
  const camera = { width: size, height: size, fx: size, fy: size, cx: 0.53 * size, cy: 0.47 * size, viewmat };
  const arena = gpu.arena('test');
  const renderer = await SplatRenderer.create(gpu, 'test');
  try {
    const color = arena.buffer('color', 16 * size * size);
    await renderer.render(splat, camera, { color });
    const picture = await gpu.readFloats(color, 'test', 4 * size * size);
    return picture.reduce((sum, value, i) => sum + (i % 4 === 3 ? value : 0), 0) / (size * size);
  } finally {
    renderer.destroy();
    arena.destroy();
  }
}

test('a small Gaussian covers as much of a small picture as of a large one', () =>
  withGpu(async (gpu) => {
    // 1.25 pixels of the large picture, and 0.16 of the small one.
    const host = ball(0.04);
    const [plain, filtered] = [host, { ...host, antialias: true }].map((splat) =>
      uploadGaussians(gpu, 'ball', splat, 'test'),
    );
    const ratio = async (splat: Gaussians) =>
      (await coverage(gpu, splat, 16)) / (await coverage(gpu, splat, 128));
    assert.ok((await ratio(plain)) > 5, `without: ${await ratio(plain)}`);
    const found = await ratio(filtered);
    assert.ok(Math.abs(found - 1) < 0.2, `with: ${found}`);
  }));

test('the mark goes through training, restyling, saved splats and .ply', () =>
  withGpu(async (gpu, arena) => {
    const dataset = ringDataset();
    for (const view of dataset.views) view.image = arena.buffer(view.name, 4 * 1600);
    const start = balls(arena, 'start');
    const steps = { steps: 2, cap: 8 };
    const trained = await train(gpu, { dataset, gaussians: start }, { ...steps, antialias: true });
    const plain = await train(gpu, { dataset, gaussians: start }, steps);
    assert.equal([trained.antialias, plain.antialias], [true, undefined]);
    assert.not.equal(await readGaussians(gpu, trained, 'test'), {
      ...(await readGaussians(gpu, plain, 'test')),
      antialias: true,
    });
    const again = await train(gpu, { dataset, gaussians: trained }, steps);
    const off = await train(gpu, { dataset, gaussians: trained }, { ...steps, antialias: false });
    assert.equal([again.antialias, off.antialias], [true, undefined]);
    const styled = await stylize(gpu, { dataset, gaussians: trained }, { prompt: 'fire', steps: 1 });
    assert.is(styled.antialias, true);

    const host = await readGaussians(gpu, trained, 'test');
    const path = `${folder}/gaussians.safetensors`;
    await saveGaussians(gpu, trained, path);
    const loaded = await loadGaussians(gpu, path);
    assert.equal(await readGaussians(gpu, loaded, 'test'), host);
    const imported = await importGaussians(put(folder, 'trained.ply', await exportPly(gpu, trained)));
    assert.equal(imported.gaussians, host);
    for (const splat of [trained, plain, again, off, styled, loaded]) releaseGaussians(splat);
  }));

test('a compressed .ply and a .spz are marked, and nothing else of them changes', async () => {
  for (const format of ['compressed.ply', 'spz'] as const) {
    const read = async (antialias: boolean) => {
      const bytes = await writeSplat({ ...ball(1), antialias }, format);
      return (await importGaussians(put(folder, `marked-${antialias}.${format}`, bytes))).gaussians;
    };
    const [marked, plain] = [await read(true), await read(false)];
    assert.equal(marked, { ...plain, antialias: true }, format);
    assert.is(plain.antialias, undefined);
  }
});

test('the marks of other tools are read', async () => {
  const library = await splatTransform();
  const read = async (name: string, contents: string | Uint8Array) => {
    const source = await openSource(library, put(folder, name, contents));
    try {
      return await readAntialias(library, name, source);
    } finally {
      source.close();
    }
  };
  const marked = new TextDecoder('latin1').decode(await encodePly({ ...ball(1), antialias: true }));
  const plain = new TextDecoder('latin1').decode(await encodePly(ball(1)));
  assert.match(
    marked,
    /^ply\nformat binary_little_endian 1\.0\ncomment SplatRenderMode: mip\nelement vertex 1\n/,
  );
  assert.not.match(plain, 'comment');
  const comments = (...lines: string[]) =>
    plain.replace('\nelement', `${lines.map((line) => `\ncomment ${line}`).join('')}\nelement`);
  const cases: [string, boolean][] = [
    [plain, false],
    [comments('Exported from Brush', '  SplatRenderMode:  MIP  ', 'SH degree: 0'), true],
    [comments('SplatRenderMode: default'), false],
    [comments('antialiased 1'), true],
    [comments('postshot.anti_aliasing=1'), true],
    [comments('antialiased 0'), false],
    [comments('antialiased 1', 'SplatRenderMode: default'), false],
    [`${plain}comment SplatRenderMode: mip\n`, false],
  ];
  for (const [text, expected] of cases) {
    assert.is(await read('some.ply', Buffer.from(text, 'latin1')), expected, text.slice(0, 120));
  }

  const spz = (flags: number) => {
    const bytes = new Uint8Array(4000);
    bytes.set(Buffer.from('NGSP'));
    bytes[14] = flags;
    return bytes;
  };
  assert.equal([await read('a.spz', spz(1)), await read('a.spz', spz(2))], [true, false]);
  assert.equal([await read('b.spz', gzipSync(spz(3))), await read('b.spz', gzipSync(spz(0)))], [true, false]);
  assert.is(await read('c.spz', Uint8Array.of(0x1f, 0x8b, 0)), false);

  const meta = JSON.stringify({ version: 2, count: 1, model: 'antialiased' });
  assert.is(await read('meta.json', meta), true);
  assert.is(await read('meta.json', '{"count":1}'), false);
  assert.is(await read('meta.json', 'null'), false);
  assert.is(await read('bad.sog', 'no zip'), false);
  assert.is(await read('whole.sog', storedZip('meta.json', Buffer.from(meta))), true);
  assert.is(await read('other.splat', meta), false);
});

/** A zip with one stored file; readers of SOG check no checksum. */
function storedZip(name: string, contents: Buffer): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt32LE(contents.length, 14);
  fields.writeUInt32LE(contents.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), contents]);
  const entry = Buffer.concat([
    Buffer.from('PK\x01\x02\x14\x00'),
    fields,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, entry, end]);
}

test.run();
