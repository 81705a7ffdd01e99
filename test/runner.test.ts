/** Running a plan: inputs and results of stages, and failures. */
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import type { RunEvent } from '../pipeline/run/events.ts';
import { verifyRun } from '../pipeline/run/verify.ts';
import type { Gaussians } from '../stages/artefacts/gaussians.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { defineStage, type Stage } from '../stages/stage.ts';
import { InputError } from '../wgsl/core/index.ts';
import { fakeGpu, fakeSplat, fakeStages, trail, wasFreed } from './helpers/fake-stages.ts';

import { bench, rejection, text } from './helpers/runner-bench.ts';

test('runs the chain, saves every stage and publishes the results', async () => {
  await bench(async ({ out, run }) => {
    const events: RunEvent[] = [];
    const result = await run({ onEvent: (event) => void events.push(event) });
    assert.equal(trail, ['load', 'init', 'train', 'stylize', 'score']);
    assert.equal(
      result.files,
      ['log/train.txt', 'splat.ply', 'base.ply', 'scores.json'].map((name) => join(out, name)),
    );
    assert.is(await text(join(out, 'splat.ply')), 'init train 10 seed 42 rococo');
    assert.is(await text(join(out, 'base.ply')), 'init train 10 seed 42');
    // What stylize passed on unchanged is kept once, with the stage that made it; load only reads, and is not kept.
    assert.equal((await readdir(join(out, 'stages'))).sort(), ['init', 'score', 'stylize', 'train']);
    assert.equal((await readdir(join(out, 'stages', 'stylize'))).sort(), ['gaussians', 'stage.json']);
    assert.equal((await readdir(out)).sort(), [
      'base.ply',
      'log',
      'run.json',
      'scores.json',
      'splat.ply',
      'stages',
    ]);
    const manifest = JSON.parse(await text(join(out, 'run.json')));
    assert.is(manifest.status, 'done');
    assert.is(manifest.seed, 42);
    assert.is(manifest.files.length, 4);
    assert.match(manifest.files[1].sha256, /^[0-9a-f]{64}$/);
    assert.equal(
      [...new Set(events.map(({ event }) => event))],
      ['run', 'stage', 'done', 'progress', 'result'],
    );
    const progress = events.filter((event) => event.event === 'progress');
    assert.is(progress.length, 10);
    assert.is(progress.at(-1)!.step, 10);
    assert.is(progress.at(-1)!.secondsLeft, 0);
  });
});

test('a failed stage leaves nothing half-written and keeps earlier results', async () => {
  await bench(async ({ out, run }) => {
    await run();
    const before = await text(join(out, 'log', 'train.txt'));
    const error = await rejection(run({ set: ['train.fail=true', 'train.steps=3'] }));
    assert.is(error.message, 'as asked');
    assert.is(await text(join(out, 'log', 'train.txt')), before);
    assert.equal(
      (await readdir(out)).filter((name) => name.startsWith('.')),
      [],
    );
    const manifest = JSON.parse(await text(join(out, 'run.json')));
    assert.is(manifest.status, 'failed');
    assert.equal([manifest.error, manifest.endedIn], ['as asked', 'train']);
  });
});

test('a redone stage replaces its earlier results; those of later stages stay and are reported', async () => {
  await bench(async ({ out, run }) => {
    const withPictures = (count: number, fails = false) =>
      fakeStages.map((stage): Stage => {
        if (stage.name !== 'score') return stage;
        return {
          ...stage,
          async run(gpu, inputs, options, settings) {
            if (fails) throw new InputError('no pictures');
            for (let i = 0; i < count; i++) await settings.output.write(`sub/frames/${i}.png`, '');
            await settings.output.write(`only-${count}.txt`, '');
            return stage.run(gpu, inputs, options, settings);
          },
        };
      });
    const listed = async () =>
      (JSON.parse(await text(join(out, 'run.json'))).files as { path: string; earlier?: true }[])
        .map(({ path, earlier }) => (earlier ? `(${path})` : path))
        .sort();
    await run({ registry: withPictures(2) });
    await run({ registry: withPictures(1), from: 'score' });
    assert.not(existsSync(join(out, 'only-2.txt')));
    assert.equal(await readdir(join(out, 'sub', 'frames')), ['0.png']);
    assert.equal(await listed(), [
      'base.ply',
      'log/train.txt',
      'only-1.txt',
      'scores.json',
      'splat.ply',
      'sub/frames/0.png',
    ]);

    await rejection(run({ registry: withPictures(1, true), set: ['train.steps=3'] }));
    assert.match(await text(join(out, 'splat.ply')), /train 3/);
    assert.match(await text(join(out, 'base.ply')), /train 3/);
    assert.ok(existsSync(join(out, 'sub', 'frames', '0.png')));
    assert.equal(await listed(), [
      '(only-1.txt)',
      '(scores.json)',
      '(sub/frames/0.png)',
      'base.ply',
      'log/train.txt',
      'splat.ply',
    ]);

    // The splat of the run that failed is stale in this plan, so this plan's takes its name.
    const { files, stale } = await run({ until: 'train' });
    assert.match(await text(join(out, 'splat.ply')), /train 10/);
    assert.equal(
      files.map((path) => relative(out, path)),
      ['log/train.txt', 'splat.ply'],
    );
    assert.equal(stale.map((path) => relative(out, path)).sort(), [
      'base.ply',
      'only-1.txt',
      'scores.json',
      'stages/score',
      'stages/stylize',
      'sub/frames/0.png',
    ]);
    assert.equal(await listed(), [
      '(base.ply)',
      '(only-1.txt)',
      '(scores.json)',
      '(sub/frames/0.png)',
      'log/train.txt',
      'splat.ply',
    ]);
    const whole = await run({ registry: withPictures(3), from: 'score' });
    assert.equal(
      whole.stale.map((path) => relative(out, path)),
      [],
    );
    assert.not(existsSync(join(out, 'only-1.txt')), 'its successor replaced it');
    assert.equal((await readdir(join(out, 'sub', 'frames'))).sort(), ['0.png', '1.png', '2.png']);
  });
});

/** All files below a folder with their contents, without run.json. */
async function snapshot(out: string): Promise<Record<string, string>> {
  const items = await readdir(out, { recursive: true, withFileTypes: true });
  const files = items.filter((item) => item.isFile()).map((item) => join(item.parentPath, item.name));
  const rows = files.filter((file) => !file.endsWith('run.json')).sort();
  return Object.fromEntries(
    await Promise.all(rows.map(async (file) => [relative(out, file), await text(file)] as const)),
  );
}

test('no option, failure or interruption removes or replaces a result that is still current', async () => {
  await bench(async ({ out, store, run }) => {
    let before = () => {};
    const registry = fakeStages.map((stage): Stage => {
      if (stage.name !== 'stylize') return stage;
      return {
        ...stage,
        async run(...given) {
          before();
          return stage.run(...given);
        },
      };
    });
    const { files } = await run({ registry });
    const whole = await snapshot(out);
    const scores = async () => JSON.parse(await text(join(out, 'run.json'))).scores;
    const given = await scores();
    assert.is(given.length, 1);
    for (const until of ['init', 'train', 'stylize']) {
      const result = await run({ registry, until });
      assert.equal(await snapshot(out), whole, `--until ${until}`);
      assert.equal([...result.files].sort(), [...files].sort());
      assert.equal(result.stale, []);
      assert.equal(await scores(), given);
    }

    before = () => {
      throw new Error('as asked');
    };
    await rejection(run({ registry, from: 'stylize' }));
    assert.equal(await snapshot(out), whole, 'a stage that runs again and fails');
    const stopping = new AbortController();
    before = () => stopping.abort(new Stopped());
    const stopped = await rejection(run({ registry, from: 'stylize', signal: stopping.signal }));
    assert.is(stopped.name, 'Stopped');
    assert.equal(await snapshot(out), whole, 'a stage that runs again and is stopped');

    const { damaged, files: listed } = await verifyRun(out, { store });
    assert.equal([damaged, listed], [[], 4]);
    await run({ registry });
    assert.equal(trail, [], 'the whole run is still cached');
  });
});

test('the splat of a source stage is published unless a later stage produces another, and is read only if it is not saved', async () => {
  await bench(async ({ out, store, run }) => {
    let reads = 0;
    const splat = defineStage({
      name: 'splat',
      summary: '',
      options: z.strictObject({}),
      needs: [],
      gives: ['gaussians'],
      source: true,
      run: async () => {
        reads++;
        return { gaussians: fakeSplat('mine') };
      },
    });
    const registry = [splat, ...fakeStages];
    const file = 'stages:\n  - splat:\n  - score:\n';
    const first = await run({ registry, file });
    assert.equal(
      first.files.map((path) => relative(out, path)),
      ['splat.ply', 'scores.json'],
    );
    assert.is(await text(join(out, 'splat.ply')), 'mine');
    assert.equal(await readdir(join(out, 'stages')), ['score']);
    assert.equal((await run({ registry, file })).files, first.files);
    assert.is(reads, 1);
    await rm(join(store, 'entries'), { recursive: true });
    await run({ registry, file });
    assert.is(reads, 2);
    const restyled = 'stages:\n  - splat:\n  - stylize: { prompt: rococo }\n';
    await run({ registry, file: restyled, out: join(out, '..', 'other') });
    assert.is(await text(join(out, '..', 'other', 'splat.ply')), 'mine rococo');
    assert.is(await text(join(out, '..', 'other', 'base.ply')), 'mine');
  });
});

test('a file that a killed run has replaced without listing it is not taken for a result of the plan', async () => {
  await bench(async ({ out, run }) => {
    await run();
    const manifest = JSON.parse(await text(join(out, 'run.json')));
    await writeFile(join(out, 'run.json'), JSON.stringify({ ...manifest, status: 'running' }));
    await rm(join(out, 'splat.ply'));
    await writeFile(join(out, 'splat.ply'), 'another');
    const { files } = await run({ until: 'train' });
    assert.is(await text(join(out, 'splat.ply')), 'init train 10 seed 42');
    assert.ok(files.includes(join(out, 'base.ply')), 'what it had not touched stays');
  });
});

test('the end of a run explains the effect of restyling on psnr, if the plan restyles', async () => {
  await bench(async ({ run }) => {
    const values = { 'psnr.before': 28.54, psnr: 18.42 };
    const registry = fakeStages.map((stage): Stage => {
      if (stage.name !== 'score') return stage;
      const scores = Object.entries(values).map(([name, value]) => ({ name, value, unit: 'dB', over: '' }));
      return { ...stage, run: async () => ({ scores: { scores } }) };
    });
    const { remarks } = await run({ registry });
    assert.is(remarks.length, 1);
    assert.match(
      remarks[0],
      /on purpose, so psnr against the photographs falls: 28\.5 dB before, 18\.4 dB after/,
    );
    const plain = 'stages:\n  - load: { colmap: capture }\n  - init:\n  - train:\n  - score:\n';
    assert.equal((await run({ registry, file: plain })).remarks, []);
  });
});

test('buffers are freed as soon as nothing needs them, and shared ones only then', async () => {
  await bench(async ({ run }) => {
    const [first, second] = [fakeSplat('first'), fakeSplat('second')];
    const shared: Gaussians = { ...second, quats: first.quats };
    const seen: boolean[][] = [];
    const look = () =>
      seen.push([wasFreed(first), wasFreed({ ...first, means: first.quats }), wasFreed(shared)]);
    const step = (name: string, gaussians?: Gaussians) =>
      defineStage({
        name,
        summary: '',
        options: z.strictObject({}),
        needs: name === 'one' ? [] : ['gaussians'],
        gives: gaussians ? ['gaussians'] : [],
        async run() {
          look();
          return gaussians ? { gaussians } : {};
        },
      });
    const registry = [step('one', first), step('two', shared), step('three')];
    await run({ registry, file: 'stages:\n  - one:\n  - two:\n  - three:\n' });
    look();
    assert.equal(seen, [
      [false, false, false],
      [false, false, false],
      [true, false, false], // the first splat went; what the second took over stayed
      [true, true, true],
    ]);
  });
});

test('a lost device ends the run even if the stage waits forever', async () => {
  await bench(async ({ run }) => {
    const gpu = fakeGpu();
    const waits = defineStage({
      name: 'waits',
      summary: '',
      options: z.strictObject({}),
      needs: [],
      gives: [],
      run: () => {
        setTimeout(() => gpu.lose(), 5);
        return new Promise(() => {});
      },
    });
    const error = await rejection(run({ gpu, registry: [waits], file: 'stages:\n  - waits:\n' }));
    assert.match(error.message, /device was lost/);
  });
});

test('a stage that does not return its artefacts is an error', async () => {
  await bench(async ({ run }) => {
    const lazy: Stage = { ...fakeStages[0], run: async () => ({}) };
    const error = await rejection(run({ registry: [lazy, ...fakeStages.slice(1)] }));
    assert.is(error.message, 'stage load did not return dataset');
  });
});

test.run();
