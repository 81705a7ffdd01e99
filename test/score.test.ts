import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Dataset } from '../stages/artefacts/dataset.ts';
import { type Frame, releaseFrames } from '../stages/artefacts/frames.ts';
import type { Gaussians } from '../stages/artefacts/gaussians.ts';
import type { Scores } from '../stages/artefacts/scores.ts';
import { formatScores } from '../stages/artefacts/scores.ts';
import { openClip } from '../stages/clip/model.ts';
import { ClipScorer } from '../stages/clip/scorer.ts';
import { orbit } from '../stages/orbit/stage.ts';
import { score as scoreOf } from '../stages/score/metrics/metric.ts';
import { score, scoreStage } from '../stages/score/stage.ts';
import { type Report, silent } from '../stages/stage.ts';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { ToRgba8 } from '../wgsl/image/to-rgba8.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { withGpu } from './helpers/gpu.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { fromRgba8 } from './reference/rgba8.ts';

const SMALL = { frames: 24, fps: 10, size: [64, 36] as [number, number] };
const PIXELS = 1600;
const TINY_CLIP = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
const PROMPT = 'a red ball';
const value = ({ scores }: Scores, name: string) =>
  scores.find((one) => one.name === name)?.value ?? Number.NaN;

/** The ring with photographs of the splat; views 0 and 4 are held out. */
async function photographed(gpu: Gpu, arena: Arena, splat: Gaussians): Promise<Dataset> {
  const dataset = ringDataset();
  const renderer = await SplatRenderer.create(gpu, 'test/renderer');
  const toRgba8 = await ToRgba8.create(gpu, PIXELS);
  const color = arena.buffer('color', 16 * PIXELS);
  for (const [i, view] of dataset.views.entries()) {
    await renderer.render(splat, view.camera, { color });
    view.image = arena.buffer(`photo/${i}`, 4 * PIXELS);
    view.split = i % 4 ? 'train' : 'test';
    const bound = toRgba8.bind(color, view.image);
    gpu.run('test', (recorder) => toRgba8.record(recorder, bound));
  }
  renderer.destroy();
  return dataset;
}

test('PSNR and SSIM are those of the held-out views', () =>
  withGpu(async (gpu, arena) => {
    const truth = balls(arena, 'truth');
    const other = balls(arena, 'other', 0.6);
    const dataset = await photographed(gpu, arena, truth);
    gpu.ledger.stage = 'score-test';
    const scores = await score(
      gpu,
      { dataset, gaussians: other, base: truth },
      { metrics: ['ssim', 'psnr'] },
    );
    const crossed = gpu.ledger.rows().filter((row) => row.stage === 'score-test' && row.direction === 'down');
    gpu.ledger.stage = 'test';
    assert.equal(
      crossed.map((row) => row.purpose),
      ['metrics'],
    );
    assert.ok(crossed[0].bytes < 4096);
    assert.equal(
      scores.scores.map(({ name }) => name),
      ['psnr', 'psnr.before', 'ssim', 'ssim.before'],
    );
    assert.is(scores.scores[0].over, '2 held-out views');
    // The photographs are the base's own renders: only their rounding to 8 bits is left.
    assert.ok(value(scores, 'psnr.before') > 55, `${value(scores, 'psnr.before')} dB`);
    assert.ok(value(scores, 'ssim.before') > 0.999);

    // The other splat's error, computed here from its pictures.
    const renderer = await SplatRenderer.create(gpu, 'test/renderer');
    const color = arena.buffer('again', 16 * PIXELS);
    const errors: number[] = [];
    for (const view of dataset.views.filter(({ split }) => split === 'test')) {
      await renderer.render(other, view.camera, { color });
      const picture = await gpu.readFloats(color, 'test');
      const photo = new Uint8Array(await gpu.read(view.image!, 'test'));
      let squared = 0;
      for (let i = 0; i < 4 * PIXELS; i++) {
        if (i % 4 < 3) squared += (Math.min(1, Math.max(0, picture[i])) - photo[i] / 255) ** 2;
      }
      errors.push(-10 * Math.log10(squared / (3 * PIXELS)));
    }
    renderer.destroy();
    const expected = (errors[0] + errors[1]) / 2;
    assert.ok(
      Math.abs(value(scores, 'psnr') - expected) < 1e-3,
      `${value(scores, 'psnr')} instead of ${expected}`,
    );
    assert.ok(expected < 40 && value(scores, 'ssim') < value(scores, 'ssim.before'));
  }));

test('a splat is consistent with itself, and a picture of another splat is not', () =>
  withGpu(async (gpu, arena) => {
    const dataset = ringDataset();
    const frames = await orbit(
      gpu,
      { dataset, gaussians: balls(arena, 'now'), base: balls(arena, 'base', 0.5) },
      SMALL,
    );
    const scene = { dataset, gaussians: balls(arena, 'now'), frames };
    const good = await score(gpu, scene, { metrics: ['consistency'] });
    assert.equal(
      good.scores.map(({ name }) => name),
      ['consistency', 'consistency.covisible', 'consistency.before', 'consistency.covisible.before'],
    );
    assert.ok(value(good, 'consistency') < 0.05, `${value(good, 'consistency')}`);
    assert.ok(value(good, 'consistency.covisible') > 0.2 && value(good, 'consistency.covisible') <= 1);
    assert.match(good.scores[0].over, /^23 pairs/);
    // Every second frame from the splat of another colour: each neighbour disagrees on the red ball.
    const mixed = frames.frames.map((frame, i) => (i % 2 ? frames.before[i] : frame));
    const bad = await score(
      gpu,
      { ...scene, frames: { ...frames, frames: mixed, before: [] } },
      { metrics: ['consistency'] },
    );
    assert.ok(value(bad, 'consistency') > 2 * value(good, 'consistency'), `${value(bad, 'consistency')}`);
    releaseFrames(frames);
  }));

test('the CLIP score is 100 cosines of the frames with the prompt', () =>
  withGpu(async (gpu, arena) => {
    const dataset = ringDataset();
    const gaussians = balls(arena, 'now');
    const frames = await orbit(
      gpu,
      { dataset, gaussians, base: balls(arena, 'base', 0) },
      { ...SMALL, frames: 3 },
    );
    const scene = { dataset, gaussians, frames };
    const metrics = ['clip' as const];
    const style = { prompt: PROMPT, model: TINY_CLIP };
    const scores = await score(gpu, { ...scene, style }, { metrics });
    assert.equal(
      scores.scores.map(({ name, over }) => [name, over]),
      [
        ['clip', `3 frames, "${PROMPT}", clip-tiny`],
        ['clip.before', `3 frames, "${PROMPT}", clip-tiny`],
      ],
    );
    // Options win over the style, and give the same numbers when they say the same.
    const said = await score(
      gpu,
      { ...scene, style: { prompt: 'else' } },
      { metrics, prompt: PROMPT, model: TINY_CLIP },
    );
    assert.equal(said, scores);

    // The cosines of the embeddings, computed here.
    const model = await openClip(gpu, TINY_CLIP);
    const [text, scorer] = [await model.embedTexts([PROMPT]), await ClipScorer.create(gpu, model)];
    const toScore = async (list: Frame[]) => {
      const pictures = [];
      for (const { color: rgba8, camera } of list) {
        const words = await gpu.readWords(rgba8, 'test');
        const color = arena.upload('picture', Float32Array.from(fromRgba8(words)), 'test');
        pictures.push({ color, width: camera.width, height: camera.height });
      }
      const embeds = await scorer.embedImages(pictures);
      const cosines = list.map((_, i) => {
        const image = embeds.subarray(i * text.length, (i + 1) * text.length);
        const dot = image.reduce((sum, x, j) => sum + x * text[j], 0);
        return dot / Math.hypot(...image);
      });
      return (100 * cosines.reduce((sum, cosine) => sum + cosine, 0)) / list.length;
    };
    const [now, before] = [await toScore(frames.frames), await toScore(frames.before)];
    assert.ok(Math.abs(value(scores, 'clip') - now) < 1e-3, `${value(scores, 'clip')} instead of ${now}`);
    assert.ok(Math.abs(value(scores, 'clip.before') - before) < 1e-3);
    assert.ok(Math.abs(now - before) > 0.01, `${now} and ${before} differ`);
    scorer.destroy();
    model.destroy();
    releaseFrames(frames);
  }));

test('a metric without input is skipped with a note, and the file repeats', () =>
  withGpu(async (gpu, arena) => {
    const notes: string[] = [];
    const report: Report = { ...silent, note: (text) => notes.push(text) };
    const files = new Map<string, unknown>();
    const output = { write: async (path: string, bytes: unknown) => void files.set(path, bytes) };
    const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now') };
    const options = scoreStage.options.parse({});
    const { scores } = await scoreStage.run(gpu, scene, options, { seed: 1, report, output });
    assert.equal(scores, { scores: [] });
    assert.ok(notes.some((note) => /^psnr is skipped: there are no held-out photographs/.test(note)));
    assert.ok(notes.some((note) => /^clip is skipped: no orbit stage/.test(note)));
    assert.ok(notes.some((note) => /^consistency is skipped: no orbit stage/.test(note)));
    assert.is(files.get('scores.json'), formatScores({ scores: [] }));
    const dataset = await photographed(gpu, arena, scene.gaussians);
    const twice = [await score(gpu, { ...scene, dataset }), await score(gpu, { ...scene, dataset })];
    assert.is(formatScores(twice[0]), formatScores(twice[1]));
    assert.equal(JSON.parse(formatScores(twice[0])), twice[0]);
  }));

test('scores are rounded, and never NaN or infinite', () => {
  assert.is(scoreOf('a', 1 / 3, '1', '').value, 0.333333);
  assert.throws(() => scoreOf('a', Number.NaN, '1', ''), /score a is NaN/);
  assert.not(scoreStage.options.safeParse({ metrics: ['psrn'] }).success);
  assert.not(scoreStage.options.safeParse({ metrics: [] }).success);
});

test.run();
