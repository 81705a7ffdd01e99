import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { releaseDataset } from '../../stages/artefacts/dataset.ts';
import { releaseGaussians } from '../../stages/artefacts/gaussians.ts';
import { SPLAT_FORMAT_NAMES, type SplatFormat } from '../../stages/artefacts/splat-writer.ts';
import { exportSplat } from '../../stages/export/stage.ts';
import { stages } from '../../stages/index.ts';
import { load } from '../../stages/load/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { readPipeline } from '../file/read.ts';
import { literalText } from '../file/substitute.ts';
import { openDevice } from '../open-device.ts';
import { replaceDurably } from '../store/disk.ts';
import { collect, takeAdapter } from './flags.ts';
import { table } from './format.ts';

interface ConvertFlags {
  set?: string[];
  adapter?: string[];
}

/** `splatline convert IN OUT…`: the stages load and export, without a pipeline file, a run folder or a store. */
export function convertCommand(): Command {
  return new Command('convert')
    .description('Write a splat in other formats, and say how much each loses.')
    .argument('<in>', 'a splat: .ply, .sog, .spz, .splat, .ksplat, or the meta.json of a SOG')
    .argument('<out...>', `files to write: ${SPLAT_FORMAT_NAMES.map((format) => `.${format}`).join(', ')}`)
    .option('--set <stage.option=value>', 'an option of load or export; may be repeated', collect)
    .option('--adapter <name>', 'run on the adapter whose name contains this', collect)
    .action(convert);
}

async function convert(input: string, outputs: string[], { set, adapter }: ConvertFlags): Promise<void> {
  const targets = outputs.map((path) => ({ path, format: formatOf(path) }));
  const formats = new Set(targets.map(({ format }) => format));
  if (formats.size < targets.length) throw new InputError('expected one file of each format', 'convert');
  for (const { path } of targets) await checkTarget(path, input);
  if (!(await stat(input).catch(() => undefined))) throw new InputError('no such file', input);
  const text = JSON.stringify({
    stages: [{ load: { ply: literalText(input) } }, { export: { formats: [...formats] } }],
  });
  const plan = await readPipeline('convert', { text, set, registry: stages });
  const [loading, exporting] = plan.stages;
  await loading.stage.preflight?.(loading.options);
  const gpu = await openDevice({ adapter: takeAdapter(adapter) });
  try {
    const warn = (line: string) => void process.stderr.write(`${line}\n`);
    const report = { progress() {}, note() {}, warn };
    const files = new Map<string, Uint8Array | string>();
    const output = { write: async (path: string, bytes: Uint8Array | string) => void files.set(path, bytes) };
    const { seed } = plan;
    const { dataset, gaussians } = await load(gpu, {}, loading.options as never, { report });
    const scene = { dataset, gaussians: gaussians! };
    const { scores } = await exportSplat(gpu, scene, exporting.options as never, { report, output, seed });
    releaseGaussians(scene.gaussians);
    releaseDataset(dataset);
    for (const { path, format } of targets) await replaceDurably(path, files.get(`export/splat.${format}`)!);
    const row = (title: string, prefix: string) => [
      title,
      ...['size', 'psnr', 'ssim'].map((what) => {
        const score = scores.find(({ name }) => name === `${prefix}.${what}`);
        return score ? scoreText(what, score.value, score.unit) : '';
      }),
    ];
    const reduced = scores.some(({ name }) => name === 'export.reduced.psnr');
    const rows = targets.map(({ path, format }) => row(path, `export.${format}`));
    if (reduced) rows.unshift(row('(reduced)', 'export.reduced'));
    process.stdout.write(`${table(rows).join('\n')}\n`);
  } finally {
    gpu.close();
  }
}

/** `psnr 51.02 dB`. */
function scoreText(what: string, value: number, unit: string): string {
  return `${what} ${value.toFixed(what === 'psnr' ? 2 : 4)}${unit === '1' ? '' : ` ${unit}`}`;
}

/** By the end of the name. @throws InputError */
function formatOf(path: string): SplatFormat {
  const name = basename(path).toLowerCase();
  const fitting = SPLAT_FORMAT_NAMES.filter((format) => name.endsWith(`.${format}`));
  const [longest] = fitting.sort((a, b) => b.length - a.length);
  if (longest) return longest;
  const known = SPLAT_FORMAT_NAMES.map((format) => `.${format}`).join(', ');
  throw new InputError(`is not a format to write; expected a name that ends with ${known}`, path);
}

async function checkTarget(path: string, input: string): Promise<void> {
  if (resolve(path) === resolve(input)) throw new InputError('is the input; give another name', path);
  const folder = await stat(dirname(resolve(path))).catch(() => undefined);
  if (!folder?.isDirectory()) throw new InputError('is in a folder that does not exist', path);
}
