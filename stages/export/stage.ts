import type { Gpu } from '../../wgsl/core/index.ts';
import { backgroundColor } from '../artefacts/background.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import {
  type Gaussians,
  type HostGaussians,
  readGaussians,
  releaseGaussians,
  takeRows,
  uploadGaussians,
} from '../artefacts/gaussians.ts';
import { parseGaussians } from '../artefacts/gaussians-import.ts';
import { type Poses, withPoses } from '../artefacts/poses.ts';
import { formatScores, mergeScores, type Score, type Scores, scoreOf } from '../artefacts/scores.ts';
import {
  SPLAT_FORMATS,
  type SplatFormat,
  sogOfViewer,
  viewerCamera,
  writeSplat,
  writeViewer,
} from '../artefacts/splat-writer.ts';
import { defineStage, type StageSettings, silent } from '../stage.ts';
import { Fidelity } from './fidelity.ts';
import { type ExportInput, exportOptions } from './options.ts';
import { croppedRows, keptRows } from './select.ts';

export type { ExportInput } from './options.ts';

export interface ExportScene {
  dataset: Dataset;
  gaussians: Gaussians;
  /** Of the training views, in place of the dataset's. */
  poses?: Poses;
  /** Scores of an earlier stage, to which those of the files are added. */
  scores?: Scores;
}

/** The stage: the splat as files for viewers and engines, each with its size and its likeness to the splat. */
export const exportStage = defineStage({
  name: 'export',
  module: import.meta.url,
  summary: 'Writes the splat in formats for viewers and engines, and scores each file against the splat',
  options: exportOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['poses', 'scores'],
  gives: ['scores'],
  run: async (...args) => ({ scores: await exportSplat(...args) }),
});

/**
 * Writes `export/splat.<format>` of a splat, reads each file back, and compares its renders with those of the splat: size, PSNR and SSIM
 * in `scores.json`. `crop` comes first and defines the splat to compare with; then `bands`, `prune` and `count` reduce it.
 * Equal splats give equal bytes. Returns all scores.
 *
 * @throws InputError when no Gaussian is left.
 */
export async function exportSplat(
  gpu: Gpu,
  { dataset: capture, gaussians, poses, scores: earlier }: ExportScene,
  given: ExportInput,
  { report = silent, output, seed }: StageSettings = {},
): Promise<Scores> {
  const options = exportOptions.parse(given);
  const { formats, iterations } = options;
  const background = backgroundColor(options.background);
  const dataset = withPoses(capture, poses);
  const cameras = dataset.views.filter(({ split }) => split === 'train').map(({ camera }) => camera);
  const arena = gpu.arena('export');
  const held: Gaussians[] = [];
  const upload = (host: HostGaussians) => {
    const splat = uploadGaussians(gpu, 'export/gaussians', host, 'splat-in');
    held.push(splat);
    return splat;
  };
  let fidelity: Fidelity | undefined;
  try {
    const whole = await readGaussians(gpu, gaussians, 'splat-out');
    const inside = await croppedRows(arena, gaussians, options, report);
    const cropped = takeRows(whole, inside, 3);
    const exact = options.crop ? upload(cropped) : gaussians;
    const compared = evenly(cameras, options.views);
    fidelity = await Fidelity.create(arena, exact, { cameras: compared, background });
    const rows = await keptRows(arena, exact, { ...options, cameras }, report);
    const host = takeRows(cropped, rows, options.bands ?? 3);
    const over = `${compared.length} training view${compared.length === 1 ? '' : 's'}, against the splat`;
    const scores: Score[] = [];
    const rate = async (name: string, rated: HostGaussians) => {
      const splat = upload(rated);
      const { psnr, ssim } = await fidelity!.compare(splat);
      releaseGaussians(splat);
      scores.push(scoreOf(`${name}.psnr`, psnr, 'dB', over), scoreOf(`${name}.ssim`, ssim, '1', over));
    };
    if (host.count < cropped.count || host.shDegree < cropped.shDegree) await rate('export.reduced', host);
    const viewer = { ...viewerCamera(cameras[0], dataset.center, background), up: dataset.up };
    let sog: Uint8Array | undefined;
    const fileOf = async (format: SplatFormat) => {
      if (format !== 'sog' && format !== 'html') return writeSplat(host, format);
      sog ??= await writeSplat(host, 'sog', { iterations, seed });
      return format === 'sog' ? sog : writeViewer(sog, viewer, host.antialias);
    };
    const chosen = (Object.keys(SPLAT_FORMATS) as SplatFormat[]).filter((name) => formats.includes(name));
    for (const [i, format] of chosen.entries()) {
      if (host.antialias && !SPLAT_FORMATS[format].marks) {
        report.warn(
          `export/splat.${format} has no mark for antialiasing, with which the splat was trained: viewers show small Gaussians too strong; ` +
            'use ply, sog, spz or html where that matters',
        );
      }
      const bytes = await fileOf(format);
      await output?.write(`export/splat.${format}`, bytes);
      const about = `${host.count} Gaussians, SH degree ${host.shDegree}`;
      scores.push(scoreOf(`export.${format}.size`, bytes.length / 1e6, 'MB', about));
      const back = await readBack(bytes, format);
      if (back) await rate(`export.${format}`, back);
      report.progress({ step: i + 1, steps: chosen.length });
    }
    await gpu.settle();
    for (const { name, value, unit, over } of scores) report.note(`${name} ${value} (${unit}) over ${over}`);
    const all = mergeScores(earlier, { scores });
    await output?.write('scores.json', formatScores(all));
    return all;
  } finally {
    fidelity?.destroy();
    for (const splat of held) releaseGaussians(splat);
    arena.destroy();
  }
}

/** The splat in a file; undefined for .glb, which the library only writes. */
async function readBack(bytes: Uint8Array, format: SplatFormat): Promise<HostGaussians | undefined> {
  if (format === 'glb') return undefined;
  const [file, kind] = format === 'html' ? [sogOfViewer(bytes), 'sog'] : [bytes, format];
  return (await parseGaussians(file, `splat.${kind}`)).gaussians;
}

/** `count` of them, evenly over the list. */
function evenly<Item>(list: readonly Item[], count: number): Item[] {
  const taken = Math.min(count, list.length);
  return Array.from({ length: taken }, (_, i) => list[Math.floor((i * list.length) / taken)]);
}
