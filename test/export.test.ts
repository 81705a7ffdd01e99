import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  emptyGaussians,
  type HostGaussians,
  releaseGaussians,
  uploadGaussians,
} from '../stages/artefacts/gaussians.ts';
import { parseGaussians } from '../stages/artefacts/gaussians-import.ts';
import type { Poses } from '../stages/artefacts/poses.ts';
import type { Scores } from '../stages/artefacts/scores.ts';
import { type ExportInput, exportSplat } from '../stages/export/stage.ts';
import type { Gpu } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { recordingReport } from './helpers/report.ts';
import { throwsInput } from './helpers/throws.ts';
import { ringDataset } from './helpers/tiny-scene.ts';

const SEEN = 300;
const UNSEEN = 40;
const COUNT = SEEN + UNSEEN;

/** A coloured ball, and Gaussians far above, which no view of the ring shows. One in five is almost transparent. */
function ball(): HostGaussians {
  const host = emptyGaussians(COUNT, 2);
  host.means.set(uniform(3 * COUNT, 1, -0.6, 0.6));
  for (let i = SEEN; i < COUNT; i++) host.means[3 * i + 1] -= 9;
  host.logScales.set(uniform(3 * COUNT, 2, -3, -2));
  host.quats.set(uniform(4 * COUNT, 3, -1, 1));
  host.opacityLogits.set(uniform(COUNT, 4, 1, 4));
  for (let i = 0; i < COUNT; i += 5) host.opacityLogits[i] = -5;
  host.sh.set(uniform(host.sh.length, 5, -0.15, 0.15));
  return host;
}

interface Exported {
  files: Map<string, Uint8Array>;
  scores: Scores;
  value(name: string): number;
  notes: string[];
  warnings: string[];
}

async function exported(
  gpu: Gpu,
  options: ExportInput,
  { earlier, poses, antialias = false }: { earlier?: Scores; poses?: Poses; antialias?: boolean } = {},
): Promise<Exported> {
  const gaussians = uploadGaussians(gpu, 'test', { ...ball(), antialias }, 'test');
  const files = new Map<string, Uint8Array>();
  const output = {
    async write(path: string, bytes: Uint8Array | string) {
      files.set(path, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes);
    },
  };
  const report = recordingReport();
  try {
    const scene = { dataset: ringDataset(), gaussians, scores: earlier, poses };
    const scores = await exportSplat(gpu, scene, options, { report, output });
    const value = (name: string) => scores.scores.find((score) => score.name === name)?.value ?? Number.NaN;
    return { files, scores, value, notes: report.notes, warnings: report.warnings };
  } finally {
    releaseGaussians(gaussians);
  }
}

/** The splat in `export/splat.ply`. */
async function plyOf({ files }: Exported): Promise<HostGaussians> {
  return (await parseGaussians(files.get('export/splat.ply')!, 'splat.ply')).gaussians;
}

test('every format has its file, its size, and its likeness to the splat, after the scores of earlier stages', () =>
  withGpu(async (gpu) => {
    const earlier = { scores: [{ name: 'psnr', value: 30, unit: 'dB', over: '2 held-out views' }] };
    const formats: ExportInput['formats'] = ['html', 'sog', 'glb', 'spz', 'compressed.ply', 'ply'];
    const result = await exported(gpu, { formats }, { earlier });
    const { files, scores, value } = result;
    const names = ['ply', 'compressed.ply', 'sog', 'spz', 'glb', 'html'].map(
      (name) => `export/splat.${name}`,
    );
    assert.equal([...files.keys()], [...names, 'scores.json']);
    assert.equal(JSON.parse(new TextDecoder().decode(files.get('scores.json'))), scores);
    assert.equal(scores.scores[0], earlier.scores[0]);
    for (const name of formats) {
      assert.is(value(`export.${name}.size`), files.get(`export/splat.${name}`)!.length / 1e6);
    }
    assert.equal([value('export.ply.psnr'), value('export.ply.ssim')], [100, 1]);
    assert.equal(await plyOf(result), ball());
    for (const [name, least] of [
      ['compressed.ply', 45],
      ['sog', 40],
      ['spz', 35],
    ] as const) {
      const found = value(`export.${name}.psnr`);
      assert.ok(found > least && found < 100, `${name}: ${found} dB`);
      const ssim = value(`export.${name}.ssim`);
      assert.ok(ssim > 0.97 && ssim < 1, `${name}: SSIM ${ssim}`);
    }
    assert.is(value('export.html.psnr'), value('export.sog.psnr'));
    assert.is(scores.scores.filter(({ name }) => name.startsWith('export.glb')).length, 1);
    assert.ok(Number.isNaN(value('export.reduced.psnr')), 'nothing was left out');
    assert.is(scores.scores[2].over, '8 training views, against the splat');
  }));

test('export warns of a format without a mark for antialiasing', () =>
  withGpu(async (gpu) => {
    const { warnings } = await exported(gpu, { formats: ['ply', 'glb'] }, { antialias: true });
    assert.is(warnings.length, 1);
    assert.match(
      warnings[0],
      /^export\/splat\.glb has no mark for antialiasing, with which the splat was trained/,
    );
    assert.equal((await exported(gpu, { formats: ['glb'] })).warnings, []);
  }));

test('export prunes by the refined poses of the training views', () =>
  withGpu(async (gpu) => {
    // All cameras stand at the first one's place but look the other way.
    const away = ringDataset().views.map(({ name, camera: { viewmat } }) => ({
      name,
      viewmat: viewmat.map((value, at) => (at < 4 || (at >= 8 && at < 12) ? -value : value)),
    }));
    await throwsInput(
      () => exported(gpu, { formats: ['ply'], prune: { visibility: 1e-3 } }, { poses: { views: away } }),
      'export.prune.visibility 0.001 removes all Gaussians',
    );
  }));

test('bands: the lower bands keep their bytes', () =>
  withGpu(async (gpu) => {
    const result = await exported(gpu, { formats: ['ply'], bands: 1 });
    const [host, whole] = [await plyOf(result), ball()];
    assert.is(host.shDegree, 1);
    assert.equal(host.sh.subarray(12 * 7, 12 * 8), whole.sh.subarray(27 * 7, 27 * 7 + 12));
    assert.is(result.value('export.ply.psnr'), result.value('export.reduced.psnr'));
    assert.ok(result.value('export.reduced.psnr') < 45);
  }));

test('prune: transparent Gaussians and those that no training view shows', () =>
  withGpu(async (gpu) => {
    const result = await exported(gpu, { formats: ['ply'], prune: { opacity: 0.01, visibility: 1e-3 } });
    const [host, whole] = [await plyOf(result), ball()];
    const expected = Array.from({ length: SEEN }, (_, i) => i).filter((i) => i % 5);
    // Some Gaussians of the ball are behind others in all views.
    assert.ok(host.count > 0.7 * expected.length && host.count <= expected.length, `${host.count}`);
    assert.ok(host.opacityLogits.every((logit) => logit >= 1));
    assert.ok(
      Array.from({ length: host.count }, (_, i) => host.means[3 * i + 1]).every((y) => y > -1),
      'none is from above',
    );
    assert.is(host.means[0], whole.means[3], 'the first one left is the second');
    assert.ok(result.value('export.ply.psnr') > 50);
    assert.match(result.notes.join('\n'), 'prune.opacity 0.01: 68 of 340 Gaussians are removed');
  }));

test('count: those that contribute most, with the likeness of the reduced splat', () =>
  withGpu(async (gpu) => {
    const [half, few] = [
      await exported(gpu, { formats: ['ply'], count: 150 }),
      await exported(gpu, { formats: ['ply'], count: 20, views: 3 }),
    ];
    assert.equal([(await plyOf(half)).count, (await plyOf(few)).count], [150, 20]);
    const rows = new Set(Array.from({ length: 150 }, (_, i) => i));
    const kept = await plyOf(half);
    for (let i = 0; i < kept.count; i++) rows.delete(ball().means.indexOf(kept.means[3 * i]) / 3);
    assert.ok(rows.size < 120, 'not simply the first ones');
    assert.ok(kept.opacityLogits.every((logit) => logit > 0));
    assert.ok(half.value('export.reduced.psnr') > few.value('export.reduced.psnr') + 5);
    const { over } = few.scores.scores.find(({ name }) => name === 'export.reduced.psnr')!;
    assert.is(over, '3 training views, against the splat');
  }));

test('crop: the splat in the region is the one to compare with', () =>
  withGpu(async (gpu) => {
    const crop = { sphere: { center: [0, 0, 0] as [number, number, number], radius: 0.4 } };
    const result = await exported(gpu, { formats: ['ply'], crop });
    const host = await plyOf(result);
    assert.ok(host.count > 10 && host.count < SEEN / 2);
    for (let i = 0; i < host.count; i++)
      assert.ok(Math.hypot(...host.means.subarray(3 * i, 3 * i + 3)) <= 0.4);
    assert.is(result.value('export.ply.psnr'), 100);
  }));

test('options that leave nothing are refused by name', () =>
  withGpu(async (gpu) => {
    const far = { sphere: { center: [9, 9, 9] as [number, number, number], radius: 0.4 } };
    await throwsInput(() => exported(gpu, { formats: ['ply'], crop: far }), 'export.crop: no Gaussian');
    await throwsInput(
      () => exported(gpu, { formats: ['ply'], prune: { visibility: 1e6 } }),
      'export.prune.visibility',
    );
  }));

test.run();
