/** The scores that compare frames with those before restyling: CLIPGaussian's, of two models, and structure. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Frame, type Frames, releaseFrames } from '../stages/artefacts/frames.ts';
import type { Scores } from '../stages/artefacts/scores.ts';
import { type ClipModel, openClip } from '../stages/clip/model.ts';
import { DEMO_CLIP } from '../stages/clip/resolve.ts';
import { ClipScorer } from '../stages/clip/scorer.ts';
import { TEMPLATES } from '../stages/clip/templates.ts';
import { orbit } from '../stages/orbit/stage.ts';
import type { ScoreScene } from '../stages/score/metrics/metric.ts';
import { score, scoreStage } from '../stages/score/stage.ts';
import { silent } from '../stages/stage.ts';
import type { Arena, Gpu } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { fromRgba8 } from './reference/rgba8.ts';
import { structure } from './reference/structure.ts';

const SIZE = [64, 36] as [number, number];
const TINY_CLIP = fileURLToPath(new URL('./data/clip-tiny', import.meta.url));
const PROMPT = 'a red ball';
const CLIP_METRICS = ['clip', 'clip.direction', 'clip.consistency', 'clip.frames', 'clip.rank'] as const;

const numberOf = ({ scores }: Scores, name: string) => scores.find((one) => one.name === name)?.value;
const near = (found: number | undefined, wanted: number, tolerance: number, what: string) =>
  assert.ok(Math.abs(found! - wanted) < tolerance, `${what}: ${found}, expected ${wanted}`);
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const minus = (a: number[], b: number[]) => a.map((value, i) => value - b[i]);
const unit = (a: number[]) => a.map((value) => value / Math.sqrt(dot(a, a)));
const cosine = (a: number[], b: number[]) => dot(unit(a), unit(b));

async function restyled(gpu: Gpu, arena: Arena, frames: number): Promise<ScoreScene & { frames: Frames }> {
  const dataset = ringDataset();
  const [gaussians, base] = [balls(arena, 'now'), balls(arena, 'base', 0)];
  const turn = { frames, fps: 10, size: SIZE, background: 'white' as const };
  return { dataset, gaussians, base, frames: await orbit(gpu, { dataset, gaussians, base }, turn) };
}

/** Embeddings of unit length, one picture at a time. */
async function embed(gpu: Gpu, arena: Arena, model: ClipModel, frames: Frame[]): Promise<number[][]> {
  const scorer = await ClipScorer.create(gpu, model);
  const rows: number[][] = [];
  for (const { color, camera } of frames) {
    const floats = Float32Array.from(fromRgba8(await gpu.readWords(color, 'test')));
    const picture = { ...camera, color: arena.upload('picture', floats, 'test') };
    rows.push(unit([...(await scorer.embedImages([picture]))]));
  }
  scorer.destroy();
  return rows;
}

test('the scores of CLIPGaussian follow from the embeddings, for the model and the judge', () =>
  withGpu(async (gpu, arena) => {
    const scene = await restyled(gpu, arena, 3);
    const among = ['a blue ball', PROMPT, 'a green ball', ' a blue ball', 'a green ball'];
    const options = { metrics: [...CLIP_METRICS], prompt: PROMPT, model: TINY_CLIP, judge: 'demo', among };
    gpu.ledger.stage = 'score-test';
    const scores = await score(gpu, scene, options);
    const rows = gpu.ledger.rows().filter((row) => row.stage === 'score-test' && row.purpose === 'metrics');
    gpu.ledger.stage = 'test';
    assert.equal(
      scores.scores.map(({ name }) => name),
      [
        ...['clip', 'clip.before', 'judge.clip', 'judge.clip.before'],
        ...['direction', 'consistency', 'frames'].flatMap((name) => [`clip.${name}`, `judge.${name}`]),
        ...['clip.rank', 'clip.margin', 'judge.rank', 'judge.margin'],
      ],
    );
    for (const [role, folder] of [
      ['clip', TINY_CLIP],
      ['judge', 'demo'],
    ]) {
      const model = await openClip(gpu, folder, 'f32');
      const width = model.dimensions;
      const now = await embed(gpu, arena, model, scene.frames.frames);
      const before = await embed(gpu, arena, model, scene.frames.before);
      const textsOf = async (texts: string[]) => {
        const embeds = await model.embedTexts(texts);
        return texts.map((_, i) => [...embeds.subarray(i * width, (i + 1) * width)]);
      };
      const inTemplates = async (text: string) => {
        const list = await textsOf(TEMPLATES.imagenet.map((template) => template.replace('{}', text)));
        return unit(list[0].map((_, i) => mean(list.map((one) => one[i]))));
      };
      const wanted = minus(await inTemplates(PROMPT), await inTemplates('a Photo'));
      const direction = mean(now.map((one, i) => cosine(minus(one, before[i]), wanted)));
      near(numberOf(scores, `${role}.direction`), 100 * direction, 2e-2, `${role}.direction`);
      const steps = (list: number[][]) => list.slice(1).map((one, i) => minus(one, list[i]));
      const consistency = mean(steps(now).map((step, i) => cosine(step, steps(before)[i])));
      near(numberOf(scores, `${role}.consistency`), 100 * consistency, 2e-2, `${role}.consistency`);
      const similarity = (list: number[][]) => mean(list.slice(1).map((one, i) => cosine(one, list[i])));
      near(numberOf(scores, `${role}.frames`), (100 * similarity(now)) / similarity(before), 1e-3, 'frames');
      const texts = await textsOf([PROMPT, 'a blue ball', 'a green ball']);
      const scale = await model.logitScale();
      const shares = now.map((one) => {
        const powers = texts.map((text) => Math.exp(scale * dot(one, text)));
        return powers.map((power) => power / mean(powers) / 3);
      });
      const [own, ...others] = texts.map((_, i) => mean(shares.map((share) => share[i])));
      near(numberOf(scores, `${role}.margin`), own - Math.max(...others), 1e-4, `${role}.margin`);
      assert.is(numberOf(scores, `${role}.rank`), 1 + others.filter((share) => share > own).length);
      assert.ok(Math.abs(direction) > 0.01 && Math.abs(consistency) < 0.999, `${direction}, ${consistency}`);
      model.destroy();
    }
    const { over } = scores.scores.find(({ name }) => name === 'judge.rank')!;
    assert.match(over, /^3 frames, "a red ball", demo-clip, first of 3: "a (red|blue|green) ball"$/);
    // Each model embeds each of the six frames once, and nothing larger than embeddings is read.
    assert.is(rows.length, 1);
    assert.ok(rows[0].bytes < 4 * 1024 * 500, `${rows[0].bytes} bytes`);
    // Scores repeat, and a judge changes no score of the model.
    const alone = await score(gpu, scene, { ...options, judge: undefined });
    assert.equal(
      alone.scores,
      scores.scores.filter(({ name }) => !name.startsWith('judge')),
    );
    releaseFrames(scene.frames);
  }));

test('structure is the mean correlation of the frames with those before restyling', () =>
  withGpu(async (gpu, arena) => {
    const scene = await restyled(gpu, arena, 3);
    const metrics = ['structure' as const];
    const pictureOf = async ({ color, camera }: Frame) => ({
      ...camera,
      data: fromRgba8(await gpu.readWords(color, 'test')),
    });
    const { frames, before: unturned } = scene.frames;
    // Frames of other places, so that the structures differ.
    const before = [...unturned.slice(1), unturned[0]];
    const found = await score(gpu, { ...scene, frames: { ...scene.frames, before } }, { metrics });
    const expected: number[] = [];
    for (const [i, frame] of frames.entries()) {
      expected.push(structure(await pictureOf(frame), await pictureOf(before[i])).correlation);
    }
    near(numberOf(found, 'structure'), mean(expected), 1e-5, 'structure');
    assert.ok(mean(expected) > 0.1 && mean(expected) < 0.97, `${mean(expected)}`);
    assert.is(found.scores[0].over, '3 frames');
    const same = await score(gpu, { ...scene, frames: { ...scene.frames, frames: unturned } }, { metrics });
    assert.is(numberOf(same, 'structure'), 1);
    releaseFrames(scene.frames);
  }));

test('consistency over a long range sees what changes slowly along the path', () =>
  withGpu(async (gpu, arena) => {
    const scene = await restyled(gpu, arena, 28);
    const metrics = ['consistency', 'consistency.long'] as const;
    const { frames, before } = scene.frames;
    const of = async (list: Frame[]) =>
      score(
        gpu,
        { ...scene, frames: { ...scene.frames, frames: list, before: [] } },
        { metrics: [...metrics] },
      );
    const good = await of(frames);
    assert.equal(
      good.scores.map(({ name, over }) => [name, over]),
      [
        ['consistency', '27 pairs of neighbouring frames'],
        ['consistency.covisible', '27 pairs of neighbouring frames'],
        ['consistency.long', '21 pairs of frames seven apart'],
        ['consistency.long.covisible', '21 pairs of frames seven apart'],
      ],
    );
    // The splat changes every seven frames: most neighbours agree, and no two frames seven apart do.
    const changing = await of(frames.map((frame, i) => (Math.floor(i / 7) % 2 ? before[i] : frame)));
    const rise = (name: string) => numberOf(changing, name)! / numberOf(good, name)!;
    assert.ok(rise('consistency.long') > 1.5, `long: × ${rise('consistency.long')}`);
    assert.ok(rise('consistency.long') > rise('consistency'), `short: × ${rise('consistency')}`);
    releaseFrames(scene.frames);
  }));

test('what is missing is named, and only clip metrics read models', () =>
  withGpu(async (gpu, arena) => {
    const notes: string[] = [];
    const report = {
      ...silent,
      note: (text: string) => notes.push(text),
      warn: (text: string) => notes.push(`warning: ${text}`),
    };
    const { frames, ...scene } = await restyled(gpu, arena, 3);
    const unchanged = { ...scene, frames: { ...frames, before: [] } };
    const settings = { report };
    await score(gpu, unchanged, { prompt: PROMPT, model: TINY_CLIP, among: [PROMPT] }, settings);
    const repeated = { metrics: ['clip.rank' as const], prompt: PROMPT, judge: 'demo', among: ['other'] };
    await score(gpu, scene, { ...repeated, model: TINY_CLIP }, settings);
    assert.not(notes.some((note) => note.startsWith('warning')));
    const away = { ...repeated, prompt: [{ text: PROMPT, weight: -1 }], model: TINY_CLIP, judge: undefined };
    const { scores } = await score(gpu, unchanged, { ...away, among: [PROMPT] });
    assert.match(scores[0].over, /of 2: /, 'the opposite of the prompt is another');
    await score(gpu, scene, { ...repeated, judge: DEMO_CLIP.replace(/\/$/, '') }, settings);
    const neighbours = ['clip.consistency', 'clip.frames', 'consistency', 'consistency.long'] as const;
    const views = { ...scene, frames: { ...frames, unordered: true as const } };
    const apart = await score(
      gpu,
      views,
      { metrics: [...neighbours], prompt: PROMPT, model: TINY_CLIP },
      settings,
    );
    assert.equal(apart.scores, [], 'separate views have no neighbours');
    await score(gpu, scene, { metrics: ['structure'], judge: 'demo', among: [PROMPT] }, settings);
    for (const note of [
      'warning: score.among has no effect: the metrics lack clip.rank, which uses it',
      'warning: score.judge has no effect: no CLIP metric is measured',
      ...neighbours.map(
        (name) =>
          `${name} is skipped: it compares neighbouring frames, and those of orbit.path: views are separate views`,
      ),
      'clip.direction is skipped: it compares with the frames before restyling, and nothing was restyled',
      'clip.rank is skipped: there are no other prompts to tell the prompt from (score.among)',
      'warning: score.judge is the model itself, so its scores are no second opinion',
      'consistency.long is skipped: it compares frames seven apart, and there are 3 frames',
      'structure is skipped: it compares with the frames before restyling, and nothing was restyled',
    ]) {
      assert.ok(notes.includes(note), `${note} is not among ${notes.join('; ')}`);
    }
    releaseFrames(frames);
    const parse = (given: object) => scoreStage.options.parse(given);
    assert.throws(() => parse({ among: ['wood', ' '] }), /"among",\s*1/);
    const reads = async (given: object) => (await scoreStage.reads!(parse(given))).texts ?? {};
    assert.equal(await reads({ metrics: ['structure'], judge: 'nowhere' }), {});
    const given = { metrics: ['clip.rank'], judge: TINY_CLIP, among: ['wood', 'two'] };
    assert.equal(await reads(given), {
      'judge name': 'clip-tiny',
      'among 1': 'a carved wooden robot',
      'among 2': 'two',
    });
    let message = '';
    await scoreStage.preflight!(parse({ metrics: ['clip'], judge: 'no/such-model' })).catch(
      (error: Error) => (message = error.message),
    );
    assert.match(message, /no\/such-model|not in the cache/);
  }));

test.run();
