/** The tint that a restyling starts from: its kernel against double precision, the search against plain rounds, regions, resuming. */
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
import { type ColorChange, PictureRecolor } from '../wgsl/image/recolor.ts';
import { recolorSh } from '../wgsl/splat/edit/recolor-sh.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { bytesOf, differences, MemoryStore, stoppingAt, storeOf } from './helpers/checkpoints.ts';
import { withGpu, withWindows } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { hostRows } from './helpers/state.ts';
import { throwsInput } from './helpers/throws.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { recolor } from './reference/recolor.ts';
import { recolorSh as reference } from './reference/recolor-sh.ts';

const TINT = { dark: [0.1, 0.2, 0.5], light: [0.9, 0.5, 0.2], mix: 0.6 } as const;
const PROMPT = 'a wooden toy';

test('a tint mixes a colour with that of a ramp at its luminance', () => {
  const { matrix, offset } = colorChange(TINT);
  const color = [0.3, 0.6, 0.8];
  const luminance = 0.299 * 0.3 + 0.587 * 0.6 + 0.114 * 0.8;
  for (let channel = 0; channel < 3; channel++) {
    const found = matrix[channel].reduce((sum, factor, from) => sum + factor * color[from], offset[channel]);
    const ramp = (1 - luminance) * TINT.dark[channel] + luminance * TINT.light[channel];
    const expected = 0.4 * color[channel] + 0.6 * ramp;
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

test('recolours a picture over a background as the plain reference', () =>
  withGpu(async (gpu, arena) => {
    const pixels = 300;
    const values = Float32Array.from({ length: 4 * pixels }, (_, i) =>
      i % 4 === 3 ? ((i * 7) % 11) / 10 : ((i * 13) % 17) / 17,
    );
    const change: ColorChange = {
      matrix: [
        [0.5, -0.9, 0.1],
        [0.2, 0.3, 0.4],
        [0, 0, 1],
      ],
      offset: [0.1, -0.3, 0.2],
    };
    const background = [0.3, 0.6, 0.9] as const;
    const [picture, result] = [arena.upload('p', values, 'test'), arena.buffer('r', values.byteLength)];
    const engine = await PictureRecolor.create(arena);
    const bound = engine.bind(picture, result, pixels);
    engine.set(bound, change, background);
    gpu.run('test', (recorder) => engine.record(recorder, bound));
    const found = await gpu.readFloats(result, 'test', values.length);
    const expected = recolor(values, change, background);
    for (const [i, value] of expected.entries()) {
      assert.ok(Math.abs(found[i] - value) < 1e-6, `${i}: ${found[i]}, expected ${value}`);
    }
    const onBlack = recolor(values, change, [0, 0, 0]);
    assert.ok(onBlack.includes(0) && onBlack.some((value) => value > 0), 'some colours are clamped');
  }));

/** The demo model's tint of the balls alone: no step moves them. */
const STILL: StylizeInput = { prompt: PROMPT, tint: 'auto', steps: 1, crops: { count: 1 }, rates: { sh: 0 } };

async function restyled(gpu: Gpu, base: Gaussians, options: StylizeInput, settings = {}) {
  const splat = await stylize(gpu, { dataset: ringDataset(), gaussians: base }, options, settings);
  const bytes = await bytesOf(gpu, splat);
  releaseGaussians(splat);
  return bytes;
}

/** After Python's colorsys. */
function hsv(hue: number, saturation: number, value: number): [number, number, number] {
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
  return sectors[sector % 6].map((x) => value * x) as [number, number, number];
}

test('the search is greedy: ramps of one colour, then all dark ends of two colours at both strengths', () =>
  withGpu(async (gpu, arena) => {
    const base = balls(arena, 'balls');
    const report = recordingReport();
    const sh = new Float32Array((await restyled(gpu, base, STILL, { report })).sh.slice().buffer);
    const note = report.notes.find((text) => text.startsWith('tint: '));
    const [, before, after] =
      /^tint: #[0-9a-f]{6} to #[0-9a-f]{6} at \d\d %, clip (\S+) → (\S+)$/.exec(note ?? '') ?? [];

    const model = await openClip(gpu, undefined, 'f32');
    const scorer = await ClipScorer.create(gpu, model);
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    const text = await model.embedTexts([PROMPT]);
    const own = await gpu.readFloats(base.sh, 'test', 3 * base.count);
    const scoreOf = async (values: ArrayLike<number>) => {
      const splat = { ...base, sh: arena.upload('sh', Float32Array.from(values), 'test') };
      const pictures = [];
      for (const { camera } of ringDataset().views.filter((_, i) => i % 4 === 0)) {
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
    type Tint = Parameters<typeof colorChange>[0];
    const tinted = async (tint: Tint) => ({
      ...tint,
      score: await scoreOf(reference(own, 1, everywhere, colorChange(tint))),
    });
    type Color = Tint['light'];
    const times = ([r, g, b]: Color, factor: number): Color => [factor * r, factor * g, factor * b];
    const hues = Array.from({ length: 24 }, (_, i) => hsv(Math.floor(i / 2) / 12, i % 2 ? 0.9 : 0.45, 1));
    const lights: Color[] = [[1, 1, 1], ...hues];
    const tried: (Tint & { score: number })[] = [];
    for (const light of lights) {
      for (const dark of [times(light, 0), times(light, 0.45)]) {
        tried.push(await tinted({ dark, light, mix: 0.9 }));
      }
    }
    const sorted = () => tried.sort((a, b) => b.score - a.score);
    const first = sorted()[0].score;
    const best = [...new Set(sorted().map(({ light }) => light))].slice(0, 2);
    const darks: Color[] = [
      [0.45, 0.45, 0.45],
      ...Array.from({ length: 24 }, (_, i) => hsv(Math.floor(i / 2) / 12, 0.9, i % 2 ? 0.6 : 0.3)),
    ];
    for (const light of best) {
      const ends = [times(light, 0), times(light, 0.45), ...darks].map((dark) => ({ dark, light }));
      for (const ramp of [...ends, { dark: times(light, 0), light: times(light, 0.55) }]) {
        for (const mix of [0.9, 0.6]) tried.push(await tinted({ ...ramp, mix }));
      }
    }
    const expected = sorted()[0].score;
    // The search recolours renders; no colour here is below 0, where that would differ.
    assert.ok(Math.abs(found - expected) < 1e-2, `${found}, expected ${expected}`);
    assert.ok(expected > first + 0.05, `the second round gains: ${expected}, ${first}`);
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
