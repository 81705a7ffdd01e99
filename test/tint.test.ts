/** The tint that a restyling starts from: its kernel against double precision, the search against all colours, regions, resuming. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Gaussians, releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { openClip } from '../stages/clip/model.ts';
import { ClipScorer } from '../stages/clip/scorer.ts';
import { colorChange } from '../stages/losses/tint.ts';
import { type StylizeInput, stylize, stylizeStage } from '../stages/stylize/stage.ts';
import { trainStage } from '../stages/train/stage.ts';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { recolorSh } from '../wgsl/splat/edit/recolor-sh.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { bytesOf, differences, MemoryStore, stoppingAt, storeOf } from './helpers/checkpoints.ts';
import { withGpu, withWindows } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { hostRows } from './helpers/state.ts';
import { throwsInput } from './helpers/throws.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { recolorSh as reference } from './reference/recolor-sh.ts';

const TINT = { color: [0.9, 0.5, 0.2], gain: 0.5, lift: 0.45, mix: 0.6 } as const;
const PROMPT = 'a wooden toy';

test('a tint mixes a colour with its luminance in the colour of the tint', () => {
  const { matrix, offset } = colorChange(TINT);
  const color = [0.3, 0.6, 0.8];
  const luminance = 0.299 * 0.3 + 0.587 * 0.6 + 0.114 * 0.8;
  for (let channel = 0; channel < 3; channel++) {
    const found = matrix[channel].reduce((sum, factor, from) => sum + factor * color[from], offset[channel]);
    const expected = 0.4 * color[channel] + 0.6 * (0.5 * luminance + 0.45) * TINT.color[channel];
    assert.ok(Math.abs(found - expected) < 1e-12, `${found}, expected ${expected}`);
  }
});

for (const shDegree of [0, 1, 2, 3]) {
  const count = 700;
  const { sh } = hostRows(count, shDegree, 3);
  const weights = Float32Array.from({ length: count }, (_, i) => Math.max(0, Math.min(1, (i % 7) / 4 - 0.2)));
  const recolored = async (gpu: Gpu, arena: Arena) => {
    const [from, result] = [arena.upload('sh', sh, 'test'), arena.buffer('result', sh.byteLength)];
    const change = colorChange(TINT);
    const rows = { sh: from, result, count, shDegree, weights: arena.upload('w', weights, 'test') };
    await recolorSh(arena, { ...rows, change });
    return gpu.readFloats(result, 'test', sh.length);
  };

  test(`recolours SH of degree ${shDegree} as the plain reference, in windows too`, async () => {
    let whole: Float32Array = new Float32Array();
    await withGpu(async (gpu, arena) => {
      whole = await recolored(gpu, arena);
      const width = (shDegree + 1) ** 2;
      const expected = reference(sh, width, weights, colorChange(TINT));
      for (const [i, value] of expected.entries()) {
        assert.ok(
          Math.abs(whole[i] - value) < 2e-6 * Math.max(1, Math.abs(value)),
          `${i}: ${whole[i]}, ${value}`,
        );
        if (!weights[Math.floor(i / 3 / width)]) assert.is(whole[i], sh[i]);
      }
    });
    await withWindows(256 * 12 * (shDegree + 1) ** 2, async (gpu, arena) =>
      assert.equal(await recolored(gpu, arena), whole),
    );
  });
}

/** The demo model's tint of the balls alone: no step moves them. */
const STILL: StylizeInput = { prompt: PROMPT, tint: 'auto', steps: 1, crops: { count: 1 }, rates: { sh: 0 } };

async function restyled(gpu: Gpu, base: Gaussians, options: StylizeInput, settings = {}) {
  const splat = await stylize(gpu, { dataset: ringDataset(), gaussians: base }, options, settings);
  const bytes = await bytesOf(gpu, splat);
  releaseGaussians(splat);
  return bytes;
}

/** HSV at value 1, after Python's colorsys. */
function hsv(hue: number, saturation: number): [number, number, number] {
  const sector = Math.floor(6 * hue);
  const rest = 6 * hue - sector;
  const [p, q, t] = [1 - saturation, 1 - saturation * rest, 1 - saturation * (1 - rest)];
  const sectors: [number, number, number][] = [
    [1, t, p],
    [q, 1, p],
    [p, 1, t],
    [p, q, 1],
    [t, p, 1],
    [1, p, q],
  ];
  return sectors[sector % 6];
}

test('the search is greedy: the best colour, then the best tone and strength of three colours', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const report = recordingReport();
    const sh = new Float32Array((await restyled(gpu, base, STILL, { report })).sh.slice().buffer);
    const note = report.notes.find((text) => text.startsWith('tint: '));
    const [, before, after] = /^tint: #[0-9a-f]{6} at \d\d %, clip (\S+) → (\S+)$/.exec(note ?? '') ?? [];

    const model = await openClip(gpu, undefined, 'f32');
    const scorer = await ClipScorer.create(gpu, model);
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    const text = await model.embedTexts([PROMPT]);
    const own = await gpu.readFloats(base.sh, 'test', 3 * base.count);
    const scoreOf = async (values: ArrayLike<number>) => {
      const splat = { ...base, sh: arena.upload('sh', Float32Array.from(values), 'test') };
      const pictures = [];
      for (const { camera } of ringDataset().views.filter((_, i) => i % 2 === 0)) {
        const color = arena.buffer('color', 16 * camera.width * camera.height);
        await renderer.render(splat, camera, { color });
        pictures.push({ color, width: camera.width, height: camera.height });
      }
      const { cosines } = await scorer.compare(pictures, text);
      return (100 * cosines.reduce((sum, cosine) => sum + cosine, 0)) / cosines.length;
    };
    assert.ok(Math.abs((await scoreOf(own)) - Number(before)) < 0.06, `${before}`);
    const found = await scoreOf(sh);
    assert.ok(Math.abs(found - Number(after)) < 0.06, `${found}, said ${after}`);
    assert.ok(found > Number(before) + 5, note);
    const everywhere = new Float32Array(base.count).fill(1);
    const tinted = async (tint: Parameters<typeof colorChange>[0]) => ({
      color: tint.color,
      score: await scoreOf(reference(own, 1, everywhere, colorChange(tint))),
    });
    const hues = Array.from({ length: 24 }, (_, i) => hsv(Math.floor(i / 2) / 12, i % 2 ? 0.9 : 0.45));
    const first = [];
    for (const color of [[1, 1, 1] as const, ...hues]) {
      first.push(await tinted({ color, gain: 1, lift: 0, mix: 0.9 }));
    }
    const best = first.sort((a, b) => b.score - a.score).slice(0, 3);
    const second = [];
    for (const { color } of best) {
      for (const [gain, lift] of [
        [1, 0],
        [0.55, 0],
        [0.5, 0.45],
      ]) {
        for (const mix of [0.9, 0.6]) second.push((await tinted({ color, gain, lift, mix })).score);
      }
    }
    const expected = Math.max(...second);
    assert.ok(Math.abs(found - expected) < 1e-2, `${found}, expected ${expected}`);
    assert.ok(expected > best[0].score + 0.05, `the second round gains: ${expected}, ${best[0].score}`);
    renderer.destroy();
    scorer.destroy();
    model.destroy();
  }));

/** The first ball is in the soft edge, the second inside, the others outside. */
const HALF: StylizeInput['only'] = { halfSpace: { point: [0, 0.1, 0], normal: [0, -1, 0] }, soft: 0.4 };

test('Gaussians outside the region keep every byte', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const [was, is] = [await bytesOf(gpu, base), await restyled(gpu, base, { ...STILL, only: HALF })];
    const row = (bytes: Uint8Array, i: number) => bytes.subarray(12 * i, 12 * (i + 1));
    for (let i = 0; i < base.count; i++) {
      (i > 1 ? assert.equal : assert.not.equal)(row(is.sh, i), row(was.sh, i), `${i}`);
    }
  }));

test('a restyling that stops resumes without another search, to the same bytes; without a tint it differs', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const options: StylizeInput = { prompt: PROMPT, steps: 6, crops: { count: 2 } };
    const live = gpu.liveBytes;
    const whole = await restyled(gpu, base, options);
    assert.is(gpu.liveBytes, live, 'all buffers are freed');
    assert.equal(
      differences(await restyled(gpu, base, { ...options, tint: 'auto' }), whole),
      [],
      'the default',
    );
    const store = new MemoryStore();
    const stopped = { checkpoints: store, report: stoppingAt(3, store) };
    const error = await restyled(gpu, base, options, stopped).catch((error: Error) => error);
    assert.instance(error, Stopped);
    const report = recordingReport();
    const resumed = await restyled(gpu, base, options, { checkpoints: storeOf(store.saved[0]), report });
    assert.equal(differences(resumed, whole), []);
    assert.not.ok(report.notes.some((text) => text.startsWith('tint')));
    assert.equal(differences(await restyled(gpu, base, { ...options, tint: 'none' }), whole), ['sh']);
  }));

test('refuses a tint where SH do not change, or nothing is restyled', async () => {
  const style = stylizeStage.options.parse({ prompt: PROMPT, tint: 'auto', train: ['opacity'] });
  await throwsInput(
    async () => stylizeStage.preflight?.(style),
    'tint: auto changes sh, and train leaves it out',
  );
  const joint = trainStage.options.parse({ clip: { prompt: PROMPT, mode: 'paper', tint: 'auto' } });
  await throwsInput(
    async () => trainStage.preflight?.(joint),
    'tint: auto recolours the splat before restyling',
  );
});

test.run();
