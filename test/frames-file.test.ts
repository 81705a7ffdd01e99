import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAt } from '../stages/artefacts/camera.ts';
import {
  type Frame,
  type Frames,
  loadFrames,
  releaseFrames,
  saveFrames,
} from '../stages/artefacts/frames.ts';
import { type Arena, InputError, random4 } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';

const folders: string[] = [];
const folder = async () => {
  const path = await mkdtemp(join(tmpdir(), 'frames-'));
  folders.push(path);
  return path;
};
test.after(async () => {
  for (const path of folders) await rm(path, { recursive: true });
});

function frame(arena: Arena, index: number, width: number, height: number): Frame {
  const words = Uint32Array.from(
    { length: width * height },
    (_, i) => random4(1, 'noise', index, i)[0] * 2 ** 32,
  );
  const depth = Float32Array.from({ length: width * height }, (_, i) => 1 / (1 + i) + index);
  return {
    name: String(index).padStart(4, '0'),
    camera: {
      width,
      height,
      fx: 10.1 / 3,
      fy: 11,
      cx: width / 2,
      cy: height / 2,
      viewmat: lookAt([1 / 3, index, -4], [0, 0, 0], [0, -1, 0]),
    },
    color: arena.upload(`${index}/color`, words, 'test'),
    depth: arena.upload(`${index}/depth`, depth, 'test'),
  };
}

test('frames are loaded as they were saved, to the bit', () =>
  withGpu(async (gpu, arena) => {
    const frames: Frames = {
      fps: 24,
      frames: [frame(arena, 0, 7, 5), frame(arena, 1, 7, 5)],
      before: [frame(arena, 2, 7, 5), frame(arena, 3, 7, 5)],
    };
    const path = await folder();
    await saveFrames(gpu, frames, path);
    const loaded = await loadFrames(gpu, path);
    assert.is(loaded.fps, 24);
    for (const list of ['frames', 'before'] as const) {
      assert.is(loaded[list].length, frames[list].length);
      for (const [i, { name, camera, color, depth }] of frames[list].entries()) {
        assert.equal({ name, camera }, { name: loaded[list][i].name, camera: loaded[list][i].camera });
        assert.equal(
          await gpu.readWords(color, 'test', 35),
          await gpu.readWords(loaded[list][i].color, 'test', 35),
        );
        assert.equal(
          await gpu.readWords(depth, 'test', 35),
          await gpu.readWords(loaded[list][i].depth, 'test', 35),
        );
      }
    }
    releaseFrames(loaded);
    assert.is(loaded.unordered, undefined);
    const again = await folder();
    await saveFrames(gpu, { ...frames, unordered: true }, again);
    const views = await loadFrames(gpu, again);
    assert.is(views.unordered, true);
    releaseFrames(views);
    await saveFrames(gpu, frames, again);
    for (const file of ['frames.json', 'frames.bin', 'before.bin']) {
      assert.equal(await readFile(join(path, file)), await readFile(join(again, file)));
    }
  }));

test('damaged files are errors, and nothing stays allocated', () =>
  withGpu(async (gpu, arena) => {
    const frames: Frames = { fps: 24, frames: [frame(arena, 0, 6, 4), frame(arena, 1, 6, 4)], before: [] };
    const path = await folder();
    const live = gpu.liveBytes;
    const refuses = async (pattern: RegExp) => {
      const error = await loadFrames(gpu, path).then(
        () => new Error('it loaded'),
        (error: Error) => error,
      );
      assert.instance(error, InputError, error.message);
      assert.match(error.message, pattern);
      assert.match(error.message, /run again from the orbit stage/);
      assert.is(gpu.liveBytes, live);
    };
    await refuses(/frames\.json: cannot be read/);
    await saveFrames(gpu, frames, path);
    await truncate(join(path, 'frames.bin'), 191);
    await refuses(/frames\.bin: has 191 bytes, and its 2 frames take 384/);
    await saveFrames(gpu, frames, path);
    await rm(join(path, 'before.bin'));
    await refuses(/before\.bin: cannot be opened/);
    const head = await readFile(join(path, 'frames.json'), 'utf8');
    await writeFile(join(path, 'frames.json'), head.replace('"width": 6', '"width": 1e9'));
    await refuses(/frames\.0\.camera\.width/);
    await writeFile(join(path, 'frames.json'), head.replace('"0001"', '"../../etc"'));
    await refuses(/frames\.1\.name/);
    const changed = (changes: object) => JSON.stringify({ ...JSON.parse(head), ...changes });
    await writeFile(join(path, 'frames.json'), changed({ frames: [] }));
    await refuses(/frames: is empty/);
    await writeFile(join(path, 'frames.json'), changed({ before: JSON.parse(head).frames.slice(1) }));
    await refuses(/before: expected as many pictures as frames/);
    await writeFile(join(path, 'frames.json'), head.slice(0, -9));
    await refuses(/not JSON/);
  }));

test.run();
