import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyGaussians } from '../stages/artefacts/gaussians.ts';
import { importGaussians } from '../stages/artefacts/gaussians-import.ts';
import { encodePly } from '../stages/artefacts/gaussians-ply.ts';
import { uniform } from './helpers/numbers.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';

const command = fileURLToPath(new URL('../pipeline/splatline.mjs', import.meta.url));
const outputs = readFileSync(new URL('../docs/outputs.md', import.meta.url), 'utf8');
const section = outputs.slice(outputs.indexOf('## Splats of `export`'));

const COUNT = 200;
const folder = scratchFolder();
const host = emptyGaussians(COUNT, 2);
host.means.set(uniform(3 * COUNT, 1, -1, 1));
host.logScales.set(uniform(3 * COUNT, 2, -3, -2));
host.quats.set(uniform(4 * COUNT, 3, -1, 1));
host.opacityLogits.set(uniform(COUNT, 4, -2, 4));
host.sh.set(uniform(host.sh.length, 5, -0.1, 0.1));
put(folder, 'garden.ply', await encodePly(host));

const splatline = (args: readonly string[]) =>
  $({ cwd: folder, nothrow: true })`${process.execPath} ${command} ${args}`;

test("the documentation's pipeline exports what it lists", async () => {
  const yaml = /^```yaml\n([\s\S]*?)^```/m.exec(section)![1];
  put(folder, 'export.yaml', yaml);
  const small = ['--set', 'load.size=[64, 64]', '--set', 'load.views=6'];
  const { exitCode, stderr } = await splatline(['run', 'export.yaml', '--out', 'out', ...small]);
  assert.is(exitCode, 0, stderr);
  assert.equal(readdirSync(join(folder, 'out/export')), ['splat.compressed.ply', 'splat.glb', 'splat.sog']);
  const { gaussians } = await importGaussians(join(folder, 'out/export/splat.compressed.ply'));
  assert.equal([gaussians.count, gaussians.shDegree], [100, 1]);
  const { scores } = JSON.parse(readFileSync(join(folder, 'out/scores.json'), 'utf8'));
  const names = scores.map(({ name }: { name: string }) => name);
  for (const name of ['export.reduced.psnr', 'export.sog.size', 'export.sog.ssim', 'export.glb.size'])
    assert.ok(names.includes(name), name);
});

test("the documentation's command converts a file, with options, and says what is lost", async () => {
  const [line] = section.split('\n').filter((text) => text.startsWith('    npx splatline convert'));
  const args = line.trim().split(/\s+/).slice(3);
  const { exitCode, stdout, stderr } = await splatline(['convert', ...args]);
  assert.is(exitCode, 0, stderr);
  const [reduced, sog, spz] = stdout.trim().split('\n');
  assert.match(sog, /^garden\.sog +size \d\.\d{4} MB +psnr \d\d\.\d\d dB +ssim 0\.\d{4}$/);
  assert.match(reduced, /^\(reduced\) +psnr \d\d/);
  assert.match(spz, /^garden\.spz/);
  for (const name of ['garden.sog', 'garden.spz']) {
    const { gaussians } = await importGaussians(join(folder, name));
    assert.equal([gaussians.count, gaussians.shDegree], [COUNT, 1]);
  }
  assert.not(existsSync(join(folder, 'out', 'convert')));
});

test('what cannot be converted is one sentence, exit code 2, and nothing is written', async () => {
  const before = readdirSync(folder);
  for (const [args, ...patterns] of [
    ['missing.ply a.sog', 'missing.ply: no such file'],
    ['garden.ply a.obj', 'a.obj: is not a format to write', '.compressed.ply'],
    ['garden.ply ./garden.ply', './garden.ply: is the input'],
    ['garden.ply none/a.sog', 'none/a.sog: is in a folder that does not exist'],
    ['garden.ply a.sog b.sog', 'expected one file of each format'],
    ['garden.ply a.sog --set export.bans=1', '--set export.bans=1: unknown key bans', '`bands`'],
    ['export.yaml a.sog', 'export.yaml: is not a supported splat file'],
  ]) {
    const { exitCode, stdout, stderr } = await splatline(['convert', ...args.split(' ')]);
    assert.equal([exitCode, stdout], [2, ''], `${args}: ${stderr}`);
    assert.is(stderr.trim().split('\n').length, 1, stderr);
    for (const pattern of patterns) assert.ok(stderr.includes(pattern), `${stderr} does not say ${pattern}`);
  }
  assert.equal(readdirSync(folder), before);
});

test.run();
