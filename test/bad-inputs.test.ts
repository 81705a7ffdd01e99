/** Inputs whose fault is found only by reading them: the run ends with InputError, and its folder is unchanged. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPipeline } from '../pipeline/file/read.ts';
import { runPlan } from '../pipeline/run/runner.ts';
import { stages } from '../stages/index.ts';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { withGpu } from './helpers/gpu.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

const MODEL = fileURLToPath(new URL('./data/clip-tiny/', import.meta.url));
const scratch = scratchFolder();

async function write(name: string, contents: string | Uint8Array): Promise<string> {
  const path = join(scratch, name);
  await writeFile(path, contents);
  return path;
}

/** A .ply of one Gaussian with NaN everywhere. */
function nanPly(): Uint8Array {
  const names = 'x y z f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3'.split(
    ' ',
  );
  const header = [
    'ply',
    'format binary_little_endian 1.0',
    'element vertex 1',
    ...names.map((name) => `property float ${name}`),
    'end_header\n',
  ].join('\n');
  return Buffer.concat([
    Buffer.from(header),
    new Uint8Array(new Float32Array(names.length).fill(Number.NaN).buffer),
  ]);
}

async function captureWith(picture: Uint8Array): Promise<string> {
  const capture = tinyCapture();
  const folder = await writeCapture(capture);
  await writeFile(join(folder, 'images', capture.images[3].name), picture);
  return folder;
}

async function brokenModel(): Promise<string> {
  const folder = join(scratch, 'model');
  await cp(MODEL, folder, { recursive: true });
  const weights = await readFile(join(folder, 'model.safetensors'));
  weights.writeFloatLE(Number.NaN, weights.length - 4);
  await writeFile(join(folder, 'model.safetensors'), weights);
  return folder;
}

test('input that proves broken when read leaves no folder, and an earlier run unchanged', async () => {
  const whole = await writeCapture(tinyCapture());
  const png = await readFile(join(whole, 'images', 'view 3.png'));
  const cases: [string[], RegExp][] = [
    [[`load: { colmap: ${await captureWith(png.subarray(0, 60))} }`], /view 3\.png: cannot be decoded/],
    [[`load: { colmap: ${await captureWith(Buffer.from('hello, I am text'))} }`], /is not a supported image/],
    [[`load: { colmap: ${await captureWith(new Uint8Array())} }`], /view 3\.png: is empty; expected a PNG/],
    [[`load: { ply: ${await write('broken.spz', 'no gzip')} }`], /broken\.spz: /],
    [[`load: { ply: ${await write('broken.splat', 'odd')} }`], /broken\.splat: /],
    [[`load: { ply: ${await write('broken.sog', 'no zip')} }`], /broken\.sog: /],
    [[`load: { ply: ${await write('nan.ply', nanPly())} }`], /no Gaussian with finite values/],
    [
      [
        `load: { colmap: ${whole} }`,
        'init:',
        `stylize: { prompt: a, steps: 1, model: ${await brokenModel()} }`,
      ],
      /model\.safetensors: tensor ".+" has 1 values that are not finite/,
    ],
  ];
  const former = join(scratch, 'former');
  await mkdir(former);
  await writeFile(join(former, 'run.json'), '{"status":"done"}');
  await writeFile(join(former, 'splat.ply'), 'mine');
  await withGpu(async (gpu) => {
    for (const [lines, expected] of cases) {
      await write('p.yaml', ['stages:', ...lines.map((line) => `  - ${line}`), ''].join('\n'));
      const plan = await readPipeline('p.yaml', { cwd: scratch, registry: stages });
      const out = join(scratch, 'deep', 'out');
      await throwsInput(() => runPlan(plan, { out, gpu }), expected);
      assert.not(existsSync(join(scratch, 'deep')), lines[0]);
      await throwsInput(() => runPlan(plan, { out: former, gpu }), expected);
      assert.equal((await readdir(former)).sort(), ['run.json', 'splat.ply']);
      assert.is(await readFile(join(former, 'run.json'), 'utf8'), '{"status":"done"}');
    }
  });
});

test('a plan that blends after other Gaussians were made refuses it', async () => {
  const whole = await writeCapture(tinyCapture());
  const planOf = async (...later: string[]) => {
    const first = [`load: { colmap: ${whole} }`, 'init:', 'stylize: { prompt: a }'];
    await write('p.yaml', ['stages:', ...[...first, ...later].map((line) => `  - ${line}`), ''].join('\n'));
    return readPipeline('p.yaml', { cwd: scratch, registry: stages });
  };
  const refused = /`blend` mixes each Gaussian with the same one before restyling, and `train` made other/;
  await throwsInput(() => planOf('train:', 'blend:'), refused);
  await throwsInput(() => planOf('train:', 'stylize: { id: again, prompt: b }', 'blend:'), refused);
  await planOf('blend:', 'train:');
  await planOf('train: { clip: { prompt: b } }', 'blend:');
});

test('a plan that trains on photographs refuses a splat without photographs', async () => {
  const ply = await write('any.ply', '');
  await write('p.yaml', `stages:\n  - load: { ply: ${ply} }\n  - train:\n`);
  const read = () => readPipeline('p.yaml', { cwd: scratch, registry: stages });
  await throwsInput(
    read,
    /^p\.yaml:3:5: `train` needs photographs, and the dataset of `load` has none; load a capture, or/,
  );
  const whole = await writeCapture(tinyCapture());
  await write(
    'p.yaml',
    `stages:\n  - load: { ply: ${ply} }\n  - load: { id: b, colmap: ${whole} }\n  - train:\n`,
  );
  await read();
});

test.run();
