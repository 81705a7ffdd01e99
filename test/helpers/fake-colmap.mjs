#!/usr/bin/env node
/**
 * Speaks as COLMAP does and writes a model of cameras on an arc, without looking at a picture. Names of pictures say what becomes
 * of them: `flat` has few features, `alone` no matches, `far` is in a second model, `broken` cannot be read; all others are
 * registered. FAKE_COLMAP is one of: `new` (a version with other names of options and a prefix before each line), `crash`,
 * `hang`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const mode = process.env.FAKE_COLMAP;
const isNew = mode === 'new';
const [command, ...args] = process.argv.slice(2);
const say = (text = '') => {
  for (const line of text.split('\n')) {
    if (isNew) process.stderr.write(`I20251128 12:00:00.000000 42 feature_extraction.cc:254] ${line}\n`);
    else process.stdout.write(`${line}\n`);
  }
};

if (command === 'help') {
  const [version, build] = isNew
    ? ['3.13.0', 'Commit 1234 on 2025-11-01 with CUDA']
    : ['3.8', 'Commit Unknown on Unknown without CUDA'];
  process.stdout.write(
    `COLMAP ${version} -- Structure-from-Motion and Multi-View Stereo\n              (${build})\n`,
  );
  process.exit(0);
}

const sift = (phase) => (isNew ? `Feature${phase}` : `Sift${phase}`);
const SEED = isNew ? 'default_random_seed' : 'random_seed';
const KNOWN = {
  feature_extractor: [
    ...[
      SEED,
      'database_path',
      'image_path',
      'image_list_path',
      'ImageReader.camera_model',
      'ImageReader.single_camera',
    ],
    ...[`${sift('Extraction')}.use_gpu`, `${sift('Extraction')}.num_threads`],
  ],
  exhaustive_matcher: [
    ...[SEED, 'database_path', 'ExhaustiveMatching.block_size'],
    ...[`${sift('Matching')}.use_gpu`, `${sift('Matching')}.num_threads`],
  ],
  sequential_matcher: [
    SEED,
    'database_path',
    `${sift('Matching')}.use_gpu`,
    `${sift('Matching')}.num_threads`,
  ],
  mapper: [SEED, 'database_path', 'image_path', 'output_path', 'Mapper.num_threads'],
}[command];

if (args[0] === '-h') {
  process.stdout.write(['Options:', ...KNOWN.map((name) => `  --${name} arg`)].join('\n'));
  process.exit(0);
}
const options = {};
for (let i = 0; i < args.length; i += 2) {
  const name = args[i].slice(2);
  if (!KNOWN.includes(name)) {
    say(`Failed to parse options - unrecognised option '${args[i]}'.`);
    process.exit(1);
  }
  options[name] = args[i + 1];
}

if (command === 'feature_extractor') {
  const names = readFileSync(options.image_list_path, 'utf8').trim().split('\n');
  for (const [i, name] of names.entries()) {
    say(`Processed file [${i + 1}/${names.length}]\n  Name:            ${name}`);
    if (name.startsWith('broken')) say('  ERROR: Failed to read image file format.');
    else say(`  Dimensions:      64 x 48\n  Features:        ${name.startsWith('flat') ? 3 : 2000}`);
  }
  writeFileSync(options.database_path, JSON.stringify({ names, options }));
  if (mode === 'hang') setInterval(() => {}, 1000);
}

if (command.endsWith('_matcher')) {
  const word = isNew ? 'Processing' : 'Matching';
  const lines =
    command === 'exhaustive_matcher'
      ? ['block [1/2, 1/2]', 'block [1/2, 2/2]', 'block [2/2, 1/2]', 'block [2/2, 2/2]']
      : ['image [1/2]', 'image [2/2]'];
  for (const line of lines) say(`${word} ${line} in 0.001s`);
}

if (command === 'mapper') {
  const { names } = JSON.parse(readFileSync(options.database_path, 'utf8'));
  const registered = names.filter((name) => !/^(flat|alone|far|broken)/.test(name));
  const far = names.filter((name) => name.startsWith('far'));
  for (let i = 3; i <= registered.length; i++)
    say(`Registering image #${i} (${isNew ? 'num_reg_frames=' : ''}${i})`);
  const models = [far, registered].filter(({ length }) => length);
  for (const [i, model] of models.entries()) writeModel(join(options.output_path, String(i)), model);
  if (mode === 'crash') process.kill(process.pid, 'SIGSEGV');
  if (!models.length) say('ERROR: failed to create sparse model');
  process.exitCode = models.length ? 0 : 1;
}

function writeModel(folder, names) {
  mkdirSync(folder, { recursive: true });
  const u64 = (value) => bytes(8, (view) => view.setBigUint64(0, BigInt(value), true));
  const u32 = (value) => bytes(4, (view) => view.setUint32(0, value, true));
  const f64 = (...values) => values.map((value) => bytes(8, (view) => view.setFloat64(0, value, true)));
  const SIMPLE_RADIAL = 2;
  const write = (file, ...parts) => writeFileSync(join(folder, file), Buffer.concat(parts.flat(3)));
  write('cameras.bin', u64(1), u32(1), u32(SIMPLE_RADIAL), u64(64), u64(48), f64(60, 32, 24, 0));
  const images = names.map((name, i) => {
    const half = (i - names.length / 2) / 10; // half of the angle about y
    const pose = f64(Math.cos(half), 0, Math.sin(half), 0, 0, 0, 4);
    const point = [u64(1), ...f64(10, 20), u64(1)];
    return [u32(i + 1), pose, u32(1), Buffer.from(`${name}\0`), point];
  });
  write('images.bin', u64(names.length), images);
  const points = Array.from({ length: 6 }, (_, i) => {
    const at = [0, 1, 2].map((axis) => (axis === i % 3 ? (i < 3 ? 0.5 : -0.5) : 0));
    return [u64(i + 1), f64(...at), Buffer.from([255, 40 * i, 0]), f64(0.5), u64(1), u32(1), u32(0)];
  });
  write('points3D.bin', u64(points.length), points);
}

function bytes(length, write) {
  const data = new DataView(new ArrayBuffer(length));
  write(data);
  return Buffer.from(data.buffer);
}
