/**
 * The whole chain as a script, without a pipeline file: every stage is a function from GPU buffers to GPU buffers.
 *
 *     node --import tsx scenes/script.ts [FOLDER [STEPS [CLIP_MODEL]]]
 *     deno run -A --unstable-webgpu scenes/script.ts [FOLDER [STEPS [CLIP_MODEL]]]
 *
 * Your own script, with splatline installed, imports from 'splatline'.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  exportPly,
  init,
  load,
  openGpu,
  orbit,
  type Report,
  score,
  stylize,
  train,
} from '../pipeline/index.ts';

const [folder = 'out/script', steps = '300', model] = argv.slice(2);
const colmap = fileURLToPath(new URL('playbot', import.meta.url));
const background = 'white';
const seed = 42;

const report: Report = {
  progress: ({ step, steps }) => step === steps && console.log(`  ${step} steps`),
  note: (text) => console.log(`  ${text}`),
  warn: (text) => console.warn(`  warning: ${text}`),
};
const output = {
  async write(path: string, bytes: Uint8Array | string): Promise<void> {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
  },
};

const gpu = await openGpu();
console.log(`on ${gpu.adapter.description}`);

const { dataset } = await load(gpu, {}, { colmap, downscale: 4 }, { report });
const first = await init(gpu, { dataset }, { shDegree: 1 }, { seed, report });
const base = await train(
  gpu,
  { dataset, gaussians: first },
  { steps: Number(steps), cap: 8000, background },
  { seed, report },
);

const prompt = 'rococo';
const gaussians = await stylize(
  gpu,
  { dataset, gaussians: base },
  { prompt, model, steps: Math.ceil(Number(steps) / 3), background },
  { seed, report },
);

const frames = await orbit(
  gpu,
  { dataset, gaussians, base },
  { frames: 12, fps: 12, size: [128, 128], background: [1, 1, 1] },
  { report, output },
);
await score(
  gpu,
  { dataset, gaussians, base, frames, style: { prompt, model } },
  { background },
  { report, output },
);

await output.write('splat.ply', await exportPly(gpu, gaussians));
console.log(`Results in ${folder}`);
gpu.close();
