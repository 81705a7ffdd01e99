/** The folder of a run: files that are never written, replaced or removed, and the runs whose results it had before. */
import { existsSync, statSync } from 'node:fs';
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { diffCommand } from '../pipeline/cli/diff.ts';
import { gcCommand } from '../pipeline/cli/gc.ts';
import { runsCommand } from '../pipeline/cli/runs.ts';
import { compare } from '../pipeline/report/comparison-report.ts';
import type { RunEvent } from '../pipeline/run/events.ts';
import { findRun, keptRuns, restoreRun, runReference } from '../pipeline/run/kept-runs.ts';
import { readManifest } from '../pipeline/run/manifest.ts';
import { verifyRun } from '../pipeline/run/verify.ts';
import { Store } from '../pipeline/store/store.ts';
import { defineStage } from '../stages/stage.ts';
import { InputError } from '../wgsl/core/index.ts';
import { fakeFormats, fakeGpu, fakeStages, trail } from './helpers/fake-stages.ts';
import { bench, manifestOf, rejection, spoil, text } from './helpers/runner-bench.ts';
import { commandOutput } from './helpers/terminal.ts';

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

test('a damaged record of saved work is named, and explains nothing', async () => {
  await bench(async ({ out, store, run }) => {
    await run();
    const { stages } = await manifestOf(out);
    const change = async (id: string, changes: object) => {
      const { key } = stages.find((row) => row.id === id)!;
      const file = join(store, 'entries', key.slice(0, 2), key, 'entry.json');
      await spoil(file, JSON.stringify({ ...JSON.parse(await text(file)), ...changes }));
      return file;
    };
    const { format, stage, inputs } = stages.at(-1)!.identity;
    await change('score', { identity: { format, stage, inputs } });
    await change('init', { identity: null });
    await rm(out, { recursive: true });
    assert.equal((await run({ set: ['stylize.prompt=neon'] })).ran, ['stylize', 'score']);
    const file = await change('score', { about: null });
    const error = await rejection(run());
    assert.instance(error, InputError);
    assert.ok(error.message.startsWith(`${file}: about: `), error.message);
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

const kept = (store: string) => keptRuns(new Store(store));

const wood = { set: ['stylize.prompt=wood'] };

test('a run says which results it replaces, why, and that they stay in the store', async () => {
  await bench(async ({ out, store, run }) => {
    const events: RunEvent[] = [];
    const onEvent = (event: RunEvent) => void events.push(event);
    const replaced = () => events.splice(0).flatMap((event) => (event.event === 'replaces' ? [event] : []));
    await run({ onEvent });
    assert.equal(replaced(), [], 'nothing was there');
    const { manifest } = await readManifest(out);
    await rm(join(store, 'runs'), { recursive: true }); // as of a version that kept no runs
    await run({ onEvent, ...wood });
    assert.ok(
      events.findIndex(({ event }) => event === 'replaces') <
        events.findIndex(({ event }) => event === 'stage'),
    );
    const changes = 'stylize.prompt was rococo, is now wood';
    const was = { event: 'replaces' as const, status: 'done', isKept: true, store, changes };
    assert.equal(replaced(), [{ ...was, run: runReference(manifest) }]);
    await run({ onEvent, ...wood });
    assert.equal(replaced(), [], 'the same results');
    await run({ onEvent, ...wood, until: 'init' });
    assert.equal(replaced(), [], 'results of later stages stay');
    assert.equal((await kept(store)).length, 3, 'rococo, wood, and wood until init');
    await rejection(run({ onEvent, set: ['train.fail=true'] }));
    events.length = 0;
    await run({ onEvent });
    const [failed] = replaced();
    assert.equal(
      [failed.status, failed.isKept, failed.changes],
      ['failed', false, 'train.fail was true, is now false'],
    );
  });
});

test('the ten newest runs of a name are kept, each once, and a cached run as it was made', async () => {
  await bench(async ({ out, store, run }) => {
    for (let steps = 1; steps <= 12; steps++) {
      await run({ set: [`train.steps=${steps}`] });
      const [{ file }] = await kept(store);
      await utimes(file, steps, steps); // times that differ
    }
    const steps = async () => {
      const runs = await Promise.all((await kept(store)).map(({ file }) => readManifest(file)));
      return runs.map(({ manifest }) => (manifest.stages[2].options as { steps: number }).steps);
    };
    assert.equal(await steps(), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    await run({ set: ['train.steps=5'] });
    assert.equal((await steps()).slice(0, 2), [5, 12], 'all cached: the newest again');
    const { manifest } = await readManifest((await kept(store))[0].file);
    assert.is(manifest.stages[2].resolvedBy, 'ran', 'as it was made');
    assert.is((await readManifest(out)).manifest.stages[2].resolvedBy, 'cached');
  });
});

test('a kept run is restored to the byte, as links, and gc keeps its entries', async () => {
  await bench(async ({ folder, out, store, run }) => {
    await run();
    const first = (await readManifest(out)).manifest;
    const before = await text(join(out, 'splat.ply'));
    await run(wood);
    assert.not.equal(await text(join(out, 'splat.ply')), before);
    const gc = (...flags: string[]) =>
      commandOutput(gcCommand(), '--store', store, '--older-than', '0', ...flags);
    assert.match(
      (await gc()).out,
      /^0 B were freed, (.+) are kept \(\1 for the last runs of each name, see --runs\)\n$/,
    );

    const reference = runReference(first);
    const saved = new Store(store);
    const back = join(folder, 'back');
    const file = await findRun(reference.slice(0, -2), saved);
    const { missing } = await restoreRun(file, back, { gpu: fakeGpu(), formats: fakeFormats });
    assert.equal(missing, []);
    assert.is(await text(join(back, 'splat.ply')), before);
    const { damaged, missing: lost } = await verifyRun(back);
    assert.equal([damaged, lost], [[], []]);
    assert.is(statSync(join(back, 'log', 'train.txt')).nlink, 3, 'of the store, of out and of back');
    const difference = compare([first, (await readManifest(back)).manifest]);
    assert.equal([difference.options, difference.files], [[], []]);

    assert.match((await rejection(findRun('fox@0000', saved))).message, /keeps no such run; it keeps fox@/);
    await gc('--runs', '1');
    assert.match((await rejection(findRun(reference, saved))).message, /keeps no such run/);
    const [last] = await kept(store);
    await commandOutput(gcCommand(), '--store', store, '--all');
    assert.equal([await kept(store), await saved.keys()], [[], []]);
    await rejection(restoreRun(last.file, back));
  });
});

test('runs lists the runs in a folder and those that the store keeps; diff compares two of them', async () => {
  await bench(async ({ folder, out, store, run }) => {
    await run();
    const first = runReference((await readManifest(out)).manifest);
    await run(wood);
    const fresh = join(folder, 'runs', 'fresh');
    await rejection(run({ ...wood, out: fresh, set: ['train.fail=true'] }));
    await run({ ...wood, out: join(folder, 'runs', 'again') });
    const runs = (...args: string[]) => commandOutput(runsCommand(), ...args, '--store', store);
    const rows = (await runs(join(folder, 'runs'), '--json')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(
      rows.map(({ name, status, prompt, error }) => [name, status, prompt, error]),
      [
        ['again', 'done', 'wood', undefined],
        ['fresh', 'failed', 'rococo', 'as asked'],
        ['fox', 'kept', 'rococo', undefined],
      ],
    );
    assert.is(rows[0].scores.length, 'init train 10 seed 42 wood / init train 10 seed 42'.length);
    assert.ok(rows[0].bytes > 0);
    assert.is(rows[2].run, first);
    const { out: table } = await runs(out);
    assert.match(
      table,
      /^run +key +when +state +time +size +prompt\nout +\w{8} +\d{4}-\d\d-\d\d \d\d:\d\d +done .* wood\nfox .* kept .* rococo\n/,
    );
    const none = await commandOutput(runsCommand(), join(folder, 'capture'));
    assert.match(none.out, 'there are no runs in');

    const diff = (...args: string[]) => commandOutput(diffCommand(), ...args, '--store', store);
    const equal = await diff(out, join(folder, 'runs', 'again'));
    assert.equal([equal.code, equal.out.split('\n').at(-2)], [0, 'All 8 results are the same to the byte']);
    const other = await diff(first, out);
    assert.is(other.code, 1);
    for (const line of [
      /stylize\.prompt +rococo +wood\n/,
      /^ {2}length +\d+ +\d+ +-2 letters$/m,
      /^ {2}splat\.ply$/m,
    ])
      assert.match(other.out, line);
    assert.not.match(other.out, 'train.txt', 'the same in both');
    assert.match((await rejection(diff(out, join(folder, 'capture')))).message, 'run.json');
  });
});

test.run();
