import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { inScratch } from './helpers/fake-stages.ts';
import { $ } from './helpers/shell.ts';

const command = fileURLToPath(new URL('../pipeline/splatline.mjs', import.meta.url));

async function splatline(args: string[], cwd?: string) {
  const { exitCode, stdout, stderr } = await $({
    cwd,
    nothrow: true,
  })`${process.execPath} ${command} ${args}`;
  return { exitCode, stdout, stderr };
}

test('--version and --help exit with 0', async () => {
  const [version, help] = await Promise.all([splatline(['--version']), splatline(['--help'])]);
  assert.is(version.exitCode, 0);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  assert.is(help.exitCode, 0);
  for (const name of ['run', 'stages', 'doctor', 'setup']) assert.match(help.stdout, name);
});

test('a wrong command or option is an error that names the nearest one, with exit code 2', async () => {
  const [wrong, option, bare, both] = await Promise.all([
    splatline(['rnu', 'x.yaml']),
    splatline(['run', 'x.yaml', '--untill', 'train']),
    splatline(['run']),
    splatline(['run', '--frozen', 'run.json', '--until', 'train']),
  ]);
  assert.is(wrong.exitCode, 2);
  assert.match(wrong.stderr, /unknown command 'rnu'[\s\S]*run/);
  assert.is(option.exitCode, 2);
  assert.match(option.stderr, /unknown option '--untill'[\s\S]*--until/);
  assert.is(bare.exitCode, 2);
  assert.is(both.exitCode, 2);
  assert.match(both.stderr, /'--frozen <run\.json>' cannot be used with option '--until <stage>'/);
});

test('a mistake in the file is one sentence with its place, exit code 2, and nothing is written', async () => {
  await inScratch(async (folder) => {
    await mkdir(join(folder, 'capture'));
    await writeFile(
      join(folder, 'p.yaml'),
      'name: fox\nstages:\n  - load: { colmap: capture, downscal: 2 }\n',
    );
    const { exitCode, stdout, stderr } = await splatline(['run', 'p.yaml'], folder);
    assert.is(exitCode, 2);
    assert.is(stdout, '');
    assert.match(
      stderr,
      /^p\.yaml:3:30: unknown key downscal in load: expected .*; the nearest is `downscale`\n$/,
    );
    assert.not(existsSync(join(folder, 'out')));
    const json = await splatline(['run', 'p.yaml', '--json'], folder);
    assert.is(json.exitCode, 2);
    assert.is(json.stderr, stderr);
    assert.equal(JSON.parse(json.stdout), { event: 'error', message: stderr.trim(), exitCode: 2 });
  });
});

test('unusable input is an error before anything is written', async () => {
  await inScratch(async (folder) => {
    await mkdir(join(folder, 'capture'));
    await writeFile(join(folder, 'p.yaml'), 'name: fox\nstages:\n  - load: { colmap: capture }\n');
    const { exitCode, stderr } = await splatline(['run', 'p.yaml', '--out', 'results'], folder);
    assert.is(exitCode, 2);
    assert.match(stderr, /capture/);
    assert.not(existsSync(join(folder, 'results')));
  });
});

test('plan of a matrix lists stages that cells share once', async () => {
  await inScratch(async (folder) => {
    const capture = await writeCapture(tinyCapture());
    await writeFile(
      join(folder, 'p.yaml'),
      `matrix: { frames: [4, 5] }
stages:
  - load: { colmap: ${capture} }
  - init:
  - orbit: { frames: "\${matrix.frames}" }
`,
    );
    const [text, json, one] = await Promise.all([
      splatline(['plan', 'p.yaml'], folder),
      splatline(['plan', 'p.yaml', '--json'], folder),
      splatline(['plan', 'p.yaml', '--json', '--cell', '5'], folder),
    ]);
    assert.is(text.exitCode, 0, text.stderr);
    assert.match(
      text.stdout,
      /^all 2 cells {2}load .*\nall 2 cells {2}init .*\n4 {12}orbit .*\n5 {12}orbit .*\n$/,
    );
    const rows = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(
      rows.map(({ cells, id, does }) => [cells, id, does]),
      [
        [['4', '5'], 'load', 'run'],
        [['4', '5'], 'init', 'run'],
        [['4'], 'orbit', 'run'],
        [['5'], 'orbit', 'run'],
      ],
    );
    const alone = one.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { cells: _, ...shared } = rows[1];
    assert.equal(alone[1], shared);
    assert.not(existsSync(join(folder, 'out')));
  });
});

test('stages lists every stage with its options, as text and as JSON', async () => {
  const [text, json, one] = await Promise.all([
    splatline(['stages']),
    splatline(['stages', '--json']),
    splatline(['stages', 'laod']),
  ]);
  assert.is(text.exitCode, 0);
  const listed = JSON.parse(json.stdout) as { name: string; options: { name: string }[] }[];
  for (const { name, options } of listed) {
    assert.match(text.stdout, new RegExp(`^## ${name}$`, 'm'));
    for (const option of options)
      assert.match(text.stdout, new RegExp(`^- \`${option.name.replace('.', '\\.')}\`: `, 'm'));
  }
  assert.ok(listed.some(({ name }) => name === 'load'));
  assert.is(one.exitCode, 2);
  assert.match(one.stderr, /nearest is `load`/);
});

test('doctor finds this machine’s adapter, packages and encoder', async () => {
  const { stdout } = await splatline(['doctor', '--json']);
  const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean; found: string[] }[] };
  const of = (name: string) => checks.find((check) => check.name === name)!;
  for (const name of ['node', 'adapter', 'webgpu', 'sharp', 'onnxruntime-node', 'video encoder']) {
    assert.ok(of(name).ok, `${name}: ${of(name).found.join('; ')}`);
  }
  assert.match(
    of('adapter').found.join('\n'),
    /driver: .+\n[\s\S]*features: [\s\S]*subgroups of \d+[\s\S]*largest buffer/,
  );
});

test('doctor prints the command that installs what is missing', async () => {
  await inScratch(async (folder) => {
    const { exitCode, stdout } = await splatline(['doctor', folder]);
    assert.is(exitCode, 1);
    assert.match(
      stdout,
      new RegExp(
        `MISSING {2}CLIP model: ${folder}: lacks config\\.json, .+\n +to fix: npx splatline models add .+`,
      ),
    );
  });
});

test.run();
