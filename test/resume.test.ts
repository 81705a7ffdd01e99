/** `--until` and `--from`: resuming on saved work, and refusing to. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RunEvent } from '../pipeline/run/events.ts';
import type { RunOptions } from '../pipeline/run/runner.ts';
import type { Stage } from '../stages/stage.ts';
import { fakeGpu, fakeStages, trail } from './helpers/fake-stages.ts';

import { bench, rejection, text } from './helpers/runner-bench.ts';

test('--until stops and --from resumes, to the same results', async () => {
  await bench(async ({ out, run }) => {
    await run();
    const whole = await Promise.all(
      ['splat.ply', 'base.ply', 'scores.json'].map((name) => text(join(out, name))),
    );
    await run({ until: 'train' });
    assert.equal(trail, ['load', 'init', 'train']);
    assert.is(await text(join(out, 'splat.ply')), 'init train 10 seed 42');
    assert.not(existsSync(join(out, 'stages', 'stylize')), 'what was made from an older train is gone');
    const events: RunEvent[] = [];
    await run({ from: 'stylize', onEvent: (event) => void events.push(event) });
    assert.equal(trail, ['stylize', 'score'], 'load is not repeated when nothing needs the capture');
    assert.equal(
      events.find(({ event }) => event === 'resume'),
      { event: 'resume', from: 'stylize', loaded: ['train'], repeated: [] },
    );
    const again = await Promise.all(
      ['splat.ply', 'base.ply', 'scores.json'].map((name) => text(join(out, name))),
    );
    assert.equal(again, whole);
    await run({ from: 'score' });
    assert.equal(trail, ['score']);
    assert.is(await text(join(out, 'scores.json')), whole[2]);
    await run({ from: 'train' });
    assert.equal(trail, ['load', 'train', 'stylize', 'score']);
  });
});

test('--from is refused where the saved work is missing, or was done otherwise', async () => {
  await bench(async ({ out, run }) => {
    assert.match(
      (await rejection(run({ from: 'stylize' }))).message,
      /^--from stylize: train has not run in /,
    );
    assert.not(existsSync(out));
    await run();
    const cases: [RunOptions & { set?: string[] }, RegExp][] = [
      [
        { from: 'stylize', set: ['train.steps=11'] },
        /train ran with steps 10, and it is now 11; run from train/,
      ],
      [
        { from: 'score', set: ['init.from=random'] },
        /init ran with from points, and it is now random; run from init/,
      ],
      [{ from: 'stylize', set: ['seed=1'] }, /train ran with seed 42, and the seed is now 1/],
      [{ from: 'stylise' }, /^--from stylise: no stage is called stylise: .*nearest is `stylize`/],
      [{ until: 'x' }, /^--until x: no stage is called x/],
      [{ from: 'score', until: 'train' }, /^--until train: train comes before score/],
    ];
    for (const [options, expected] of cases) {
      const error = await rejection(run(options));
      assert.is(error.name, 'InputError');
      assert.match(error.message, expected);
    }
    await run({ from: 'stylize', set: ['stylize.prompt=neon'] }); // what comes after may change
    assert.match(await text(join(out, 'splat.ply')), /neon$/);
    await writeFile(join(out, 'stages', 'train', 'stage.json'), '{');
    assert.match(
      (await rejection(run({ from: 'stylize' }))).message,
      /stage\.json: this is not a saved stage/,
    );
  });
});

test('--from is refused where an input file or a text has changed, and warns of another adapter', async () => {
  await bench(async ({ folder, out, run }) => {
    const file = join(folder, 'capture', 'a.png');
    await writeFile(file, 'one');
    let prompt = 'red';
    const registry = fakeStages.map((stage): Stage => {
      if (stage.name === 'load') return { ...stage, reads: async () => ({ files: [file] }) };
      return stage.name === 'train' ? { ...stage, reads: async () => ({ texts: { prompt } }) } : stage;
    });
    await run({ registry });
    const manifest = JSON.parse(await text(join(out, 'run.json')));
    assert.is(
      manifest.pipeline[0].files[file],
      '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',
    );
    await run({ registry, from: 'stylize' });
    await writeFile(file, 'two');
    const error = await rejection(run({ registry, from: 'stylize' }));
    assert.match(
      error.message,
      /^--from stylize: train was saved after other work: load read .*a\.png, which has changed since; run from load/,
    );
    await writeFile(file, 'one');
    prompt = 'blue';
    assert.match(
      (await rejection(run({ registry, from: 'score' }))).message,
      /train ran with the prompt red, and it is now blue; run from train/,
    );
    prompt = 'red';
    const events: RunEvent[] = [];
    const gpu = fakeGpu();
    gpu.adapter.description = 'another';
    await run({ registry, from: 'stylize', gpu, onEvent: (event) => void events.push(event) });
    const warnings = events.filter(({ event }) => event === 'warn');
    assert.is(warnings.length, 1);
    assert.match(JSON.stringify(warnings), /train was made with adapter fake fake, and this is fake another/);
    assert.match(
      (await rejection(run({ from: 'train', out: join(folder, 'new') }))).message,
      /run without --from$/,
    );
  });
});

test.run();
