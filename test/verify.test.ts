/** A finished run against its record: `verify` compares its results, a frozen run repeats them. */

import { existsSync } from 'node:fs';
import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { repeatRun } from '../pipeline/run/repeat.ts';
import { verifyRun } from '../pipeline/run/verify.ts';
import type { Stage } from '../stages/stage.ts';
import { fakeFormats, fakeGpu, fakeSplat, fakeStages, trail } from './helpers/fake-stages.ts';
import { bench, manifestOf, rejection, savedFile, spoil, text } from './helpers/runner-bench.ts';

test('verify re-hashes the folder and the store, deletes damaged entries, and the next run restores them', async () => {
  await bench(async (given) => {
    const { out, store, run } = given;
    await run();
    const good = await verifyRun(out, { store });
    assert.equal(good, { files: 4, entries: 4, damaged: [], missing: [] });
    const trained = await savedFile(given, 'train');
    await spoil(trained, (await text(trained)).replace('10', '99'));
    await rm(join(out, 'scores.json'));
    const { damaged } = await verifyRun(join(out, 'run.json'), { store });
    assert.is(damaged.length, 2);
    assert.is(damaged[0].path, join(out, 'scores.json'));
    assert.match(damaged[0].fault, /^missing; \d+ bytes expected$/);
    assert.is(join(damaged[1].path, 'artefacts/gaussians/splat.txt'), trained);
    assert.match(damaged[1].fault, /^artefacts\/gaussians\/splat\.txt: [0-9a-f]{64}; [0-9a-f]{64} expected$/);
    assert.not(existsSync(trained));
    assert.equal((await verifyRun(out, { store })).missing, ['train']);
    await run();
    assert.equal(trail, ['load', 'train']);
    assert.equal(await verifyRun(out, { store }), good);
  });
});

test('verify reports saved work that is cut short, or without its record, as damaged', async () => {
  await bench(async (given) => {
    const { out, store, run } = given;
    await run();
    await spoil(await savedFile(given, 'init'), 'in');
    await rm(await savedFile(given, 'train', 'entry.json'));
    const { damaged, missing, entries } = await verifyRun(out, { store });
    assert.equal(
      damaged.map(({ fault }) => fault),
      ['artefacts/gaussians/splat.txt: 2 bytes; 4 bytes expected', 'entry.json is missing'],
    );
    assert.equal([missing, entries], [[], 4]);
  });
});

test('a frozen run removes no folder with contents', async () => {
  await bench(async ({ folder, out, run }) => {
    await run();
    const fox = join(folder, 'fox');
    await cp(out, fox, { recursive: true });
    const files = async () => (await readdir(folder, { recursive: true })).sort();
    const before = await files();
    for (const taken of [folder, out, fox]) {
      const again = repeatRun(out, fakeStages, { gpu: fakeGpu(), formats: fakeFormats, out: taken });
      const { name, message } = await rejection(again);
      assert.is(name, 'InputError');
      assert.match(message, /expected a new or empty folder/);
      assert.equal(await files(), before);
    }
    await repeatRun(out, fakeStages, { gpu: fakeGpu(), formats: fakeFormats, out: join(folder, 'new') });
    assert.equal(await files(), before);
  });
});

test('a frozen run repeats all stages and compares; it names a difference and keeps the new results', async () => {
  await bench(async ({ folder, out, run }) => {
    let splat = 'one';
    const registry = fakeStages.map((stage): Stage => {
      if (stage.name !== 'train') return stage;
      return { ...stage, run: async () => ({ gaussians: fakeSplat(splat) }) };
    });
    await run({ registry });
    trail.length = 0;
    const again = () => repeatRun(join(out, 'run.json'), registry, { gpu: fakeGpu(), formats: fakeFormats });
    const repeats = async () => (await readdir(folder)).filter((name) => name.startsWith('.frozen-out'));
    const { compared } = await again();
    assert.is(compared, 4);
    assert.equal(trail, ['load', 'init', 'stylize', 'score'], 'nothing counts as saved');
    const atOnce = await Promise.all([again(), again()]);
    assert.equal(
      atOnce.map((result) => result.compared),
      [4, 4],
    );
    assert.equal(await repeats(), []);
    splat = 'two';
    const error = await rejection(again());
    assert.is(error.name, 'Regression');
    assert.match(
      error.message,
      /^train: artefacts\/gaussians\/splat\.txt differs .*and \d more.*does not reproduce its results/,
    );
    const [repeated] = await repeats();
    assert.is(await text(join(folder, repeated, 'splat.ply')), 'two rococo');
    const manifest = await manifestOf(out);
    await writeFile(join(out, 'run.json'), JSON.stringify({ ...manifest, status: 'failed' }));
    assert.match(
      (await rejection(again())).message,
      /this run is failed; only a finished run can be repeated/,
    );
  });
});

test.run();
