/** Running a plan: what stages get, what they leave, what happens when one fails. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import type { RunEvent } from '../pipeline/run/events.ts';
import type { Gaussians } from '../stages/artefacts/gaussians.ts';
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

test('a stage that fails leaves nothing half-written and keeps what was there', async () => {
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
    assert.is(manifest.error, 'as asked');
  });
});

test('what a redone stage and later ones had left goes; a failed run leaves it, and the new splat', async () => {
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

    await run({ until: 'train' });
    assert.equal((await readdir(out)).sort(), ['log', 'run.json', 'splat.ply', 'stages']);
    assert.equal(await listed(), ['log/train.txt', 'splat.ply']);
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
        needs: [],
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

test('a lost device ends the run though the stage waits for ever', async () => {
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

test('a stage that does not give what it promised is a fault', async () => {
  await bench(async ({ run }) => {
    const lazy: Stage = { ...fakeStages[0], run: async () => ({}) };
    const error = await rejection(run({ registry: [lazy, ...fakeStages.slice(1)] }));
    assert.is(error.message, 'stage load did not give dataset');
  });
});

test.run();
