/** The folder of a run: files that are never written, replaced or removed. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import type { RunEvent } from '../pipeline/run/events.ts';
import { defineStage } from '../stages/stage.ts';
import { InputError } from '../wgsl/core/index.ts';
import { fakeStages, trail } from './helpers/fake-stages.ts';

import { bench, rejection, text } from './helpers/runner-bench.ts';

test('a run.json that names files elsewhere removes none of them', async () => {
  await bench(async ({ folder, out, run }) => {
    await run({ until: 'init' });
    const mine = join(folder, 'mine.txt');
    await writeFile(mine, '');
    const paths = ['../mine.txt', mine, 'a/../../mine.txt', 'stages/init/stage.json', '.', '', 7];
    const files = paths.map((path) => ({ path, stage: 'train', bytes: 0, sha256: '' }));
    await writeFile(join(out, 'run.json'), JSON.stringify({ files: [...files, null, 'x'] }));
    await run({ from: 'train' });
    assert.ok(existsSync(mine));
    assert.ok(existsSync(join(out, 'stages', 'init', 'stage.json')));
  });
});

test('a run that cannot start writes nothing', async () => {
  await bench(async ({ out, run }) => {
    const picky = { ...fakeStages[1], preflight: async () => Promise.reject(new Error('not on this disk')) };
    const registry = fakeStages.map((stage) => (stage.name === 'init' ? picky : stage));
    assert.is((await rejection(run({ registry }))).message, 'not on this disk');
    assert.not(existsSync(out));
    assert.equal(trail, []);
  });
});

test('a folder with other files in it is not written to', async () => {
  await bench(async ({ folder, out, run }) => {
    await mkdir(join(out, 'stages', 'train'), { recursive: true });
    await writeFile(join(out, 'stages', 'train', 'source.ts'), 'mine');
    assert.match((await rejection(run())).message, /this folder contains other files \(stages\)/);
    assert.is(await text(join(out, 'stages', 'train', 'source.ts')), 'mine');
    assert.match((await rejection(run({ out: join(folder, 'p.yaml') }))).message, /this is a file/);
  });
});

test('mistakes that a stage finds leave an earlier run unchanged and are reported', async () => {
  await bench(async ({ out, run }) => {
    await run();
    const before = await text(join(out, 'run.json'));
    const refuses = (name: string) =>
      fakeStages.map((stage) =>
        stage.name === name
          ? { ...stage, run: async () => Promise.reject(new InputError(`${name} refuses`)) }
          : stage,
      );
    for (const name of ['load', 'init']) {
      assert.is((await rejection(run({ registry: refuses(name) }))).message, `${name} refuses`);
      assert.is(await text(join(out, 'run.json')), before);
      assert.ok(existsSync(join(out, 'stages', 'score')));
    }
    const fresh = join(out, '..', 'a', 'b');
    await rejection(run({ registry: refuses('init'), out: fresh }));
    assert.not(existsSync(join(out, '..', 'a')));
    // A manifest that cannot be written is reported with the fault, not instead of it.
    const events: RunEvent[] = [];
    const sabotage = {
      ...fakeStages[1],
      async run() {
        await rm(fresh, { recursive: true });
        await writeFile(fresh, 'a file');
        throw new Error('the real one');
      },
    };
    const registry = fakeStages.map((stage) => (stage.name === 'init' ? sabotage : stage));
    const error = await rejection(run({ registry, out: fresh, onEvent: (event) => void events.push(event) }));
    assert.is(error.message, 'the real one');
    assert.match(JSON.stringify(events.at(-1)), /"warn".*run\.json could not be written/);
  });
});

test('a folder with hidden files is refused; half-written files of a killed run are removed', async () => {
  await bench(async ({ out, run }) => {
    await mkdir(join(out, '.git'), { recursive: true });
    assert.match((await rejection(run())).message, /this folder contains other files \(\.git\)/);
    await rm(out, { recursive: true });
    await mkdir(join(out, '.partial', '7'), { recursive: true }); // of a run that was killed
    await run();
    assert.equal(
      (await readdir(out)).filter((name) => name.startsWith('.')),
      [],
    );
  });
});

test('a folder replaces the previous one, so that no picture of an older run stays', async () => {
  await bench(async ({ out, run }) => {
    const pictures = defineStage({
      name: 'pictures',
      summary: '',
      options: z.strictObject({ count: z.int() }),
      needs: [],
      gives: [],
      async run(_gpu, _inputs, { count }, { output }) {
        for (let i = 0; i < count; i++) await output.write(`frames/${i}.png`, String(count));
        return {};
      },
    });
    const file = 'stages:\n  - pictures: { count: 3 }\n';
    await run({ registry: [pictures], file });
    const result = await run({ registry: [pictures], file, set: ['pictures.count=2'] });
    assert.equal(await readdir(join(out, 'frames')), ['0.png', '1.png']);
    assert.is(await text(join(out, 'frames', '0.png')), '2');
    assert.is(result.files.length, 2);
  });
});

test('a stage cannot write outside its folder or over the store', async () => {
  await bench(async ({ run }) => {
    for (const path of ['../x', '/tmp/x', 'stages/train/x', 'run.json', '.store/x', 'a/../../x', '.']) {
      const rogue = defineStage({
        name: 'rogue',
        summary: '',
        options: z.strictObject({}),
        needs: [],
        gives: [],
        async run(_gpu, _inputs, _options, { output }) {
          await output.write(path, '');
          return {};
        },
      });
      assert.match(
        (await rejection(run({ registry: [rogue], file: 'stages:\n  - rogue:\n' }))).message,
        /cannot write to/,
      );
    }
  });
});

test.run();
