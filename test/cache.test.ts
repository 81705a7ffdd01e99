import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { readPipeline } from '../pipeline/file/read.ts';
import type { RunEvent } from '../pipeline/run/events.ts';
import { planRun } from '../pipeline/run/stage-plan.ts';
import { collect } from '../pipeline/store/gc.ts';
import { Store } from '../pipeline/store/store.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { defineStage, type Stage } from '../stages/stage.ts';
import { fakeFormats, fakeGpu, fakeSplat, fakeStages, trail, wasFreed } from './helpers/fake-stages.ts';
import { bench, manifestOf, rejection, savedFile, spoil, text } from './helpers/runner-bench.ts';

test('a finished run is cached: no stage runs, no capture is read, and the files are the same', async () => {
  await bench(async ({ out, run }) => {
    const first = await run();
    assert.equal(first.ran, ['init', 'train', 'stylize', 'score']);
    const before = await Promise.all(first.files.map(text));
    await rm(out, { recursive: true });
    const second = await run();
    assert.equal(trail, []);
    assert.equal(second.ran, []);
    assert.equal(second.files, first.files);
    assert.equal(await Promise.all(second.files.map(text)), before);
    const { stages } = await manifestOf(out);
    assert.equal(
      stages.map(({ id, resolvedBy }) => `${id} ${resolvedBy}`),
      ['load unused', 'init cached', 'train cached', 'stylize cached', 'score cached'],
    );
  });
});

test('a change reruns the stages that depend on it and no others; reverting it reruns none', async () => {
  await bench(async ({ folder, out, run }) => {
    await run();
    await run({ set: ['stylize.prompt=neon'] });
    assert.equal(trail, ['stylize', 'score'], 'load is not repeated: nothing needs the capture');
    assert.is(await text(join(out, 'splat.ply')), 'init train 10 seed 42 neon');
    await run();
    assert.equal(trail, []);
    assert.is(await text(join(out, 'splat.ply')), 'init train 10 seed 42 rococo');
    await run({ set: ['train.steps=11'] });
    assert.equal(trail, ['load', 'train', 'stylize', 'score']);
    await run({ set: ['seed=1'] });
    assert.equal(trail, ['load', 'init', 'train', 'stylize', 'score']);
    await writeFile(join(folder, 'capture', 'new.png'), 'a picture more');
    await run();
    assert.equal(trail, ['load', 'init', 'train', 'stylize', 'score']);
    const gpu = fakeGpu();
    gpu.adapter.description = 'another';
    await run({ gpu });
    assert.equal(trail, ['load', 'init', 'train', 'stylize', 'score']);
  });
});

test('the text of a prompt’s name and the bytes of files are part of the key', async () => {
  await bench(async ({ folder, run }) => {
    const file = join(folder, 'capture', 'a.png');
    await writeFile(file, 'one');
    let prompt = 'red';
    const registry = fakeStages.map((stage): Stage => {
      if (stage.name === 'load') return { ...stage, reads: async () => ({ files: [file] }) };
      return stage.name === 'train' ? { ...stage, reads: async () => ({ texts: { prompt } }) } : stage;
    });
    await run({ registry });
    await run({ registry });
    assert.equal(trail, []);
    prompt = 'blue';
    await run({ registry });
    assert.equal(trail, ['load', 'train', 'stylize', 'score']);
    await writeFile(file, 'two');
    await run({ registry });
    assert.equal(trail, ['load', 'init', 'train', 'stylize', 'score']);
    await writeFile(file, 'one');
    prompt = 'red';
    await run({ registry });
    assert.equal(trail, []);
  });
});

test('--from reruns the stage and later ones; --until stops after it; both refuse an unknown name', async () => {
  await bench(async ({ out, run }) => {
    await run();
    const whole = await Promise.all(
      ['splat.ply', 'base.ply', 'scores.json'].map((name) => text(join(out, name))),
    );
    await run({ until: 'train' });
    assert.equal(trail, []);
    await run({ from: 'stylize' });
    assert.equal(trail, ['stylize', 'score']);
    assert.equal(
      await Promise.all(['splat.ply', 'base.ply', 'scores.json'].map((name) => text(join(out, name)))),
      whole,
    );
    await run({ from: 'train', until: 'train' });
    assert.equal(trail, ['load', 'train']);
    for (const [options, expected] of [
      [{ from: 'stylise' }, /^--from stylise: no stage is called stylise: .*nearest is `stylize`/],
      [{ until: 'x' }, /^--until x: no stage is called x/],
      [{ from: 'score', until: 'train' }, /^--until train: train comes before score/],
    ] as const) {
      const error = await rejection(run(options));
      assert.is(error.name, 'InputError');
      assert.match(error.message, expected);
    }
  });
});

test('a forced stage whose bytes differ is reported', async () => {
  await bench(async ({ run }) => {
    let round = 0;
    const registry = fakeStages.map((stage): Stage => {
      if (stage.name !== 'train') return stage;
      return { ...stage, run: async () => ({ gaussians: fakeSplat(`round ${round}`) }) };
    });
    const events: RunEvent[] = [];
    const onEvent = (event: RunEvent) => void events.push(event);
    await run({ registry });
    await run({ registry, from: 'train', onEvent });
    assert.not(events.some(({ event }) => event === 'warn'));
    round = 1;
    await run({ registry, from: 'train', onEvent });
    const warnings = events.filter((event) => event.event === 'warn');
    assert.is(warnings.length, 1);
    assert.match(
      JSON.stringify(warnings[0]),
      /other bytes than before in .*artefacts\/gaussians\/splat\.txt/,
    );
  });
});

test('a damaged entry is reported when it is read, recomputed, and never used', async () => {
  await bench(async (given) => {
    const { out, run } = given;
    await run();
    const whole = await text(join(out, 'splat.ply'));
    // Of equal length, so only a hash detects it, when a later stage loads it.
    const trained = await savedFile(given, 'train');
    await spoil(trained, (await text(trained)).replace('10', '99'));
    const events: RunEvent[] = [];
    await run({ set: ['stylize.prompt=neon'], onEvent: (event) => void events.push(event) });
    assert.equal(trail, ['load', 'train', 'stylize', 'score']);
    assert.is(await text(join(out, 'splat.ply')), whole.replace('rococo', 'neon'));
    const [warning] = events.filter(({ event }) => event === 'warn');
    assert.match(JSON.stringify(warning), /"stage":"train","text":"saved work is damaged/);

    // A result file, before it is published.
    const log = await savedFile(given, 'train', 'files/log/train.txt');
    await spoil(log, (await text(log)).replace('10', '99'));
    await run({ set: ['stylize.prompt=neon'] });
    assert.equal(trail, ['load', 'train']);
    assert.is(await text(join(out, 'log', 'train.txt')), 'steps 10\n');

    // Cut short: noticed without reading it, and what stands on it need not be done again.
    await spoil(await savedFile(given, 'init'), 'in');
    await run({ set: ['stylize.prompt=neon'] });
    assert.equal(trail, ['load', 'init']);
  });
});

test('a splat that is damaged or missing in the folder is written again from its saved tensors', async () => {
  await bench(async ({ out, run }) => {
    const { files } = await run();
    const whole = await Promise.all(files.map(text));
    await writeFile(join(out, 'splat.ply'), whole[1].replace('rococo', 'ROCOCO'));
    await rm(join(out, 'base.ply'));
    assert.equal((await run()).files, files);
    assert.equal(trail, []);
    assert.equal(await Promise.all(files.map(text)), whole);
  });
});

test('a stage that runs again for a later one replaces no result of the stages between them', async () => {
  await bench(async (given) => {
    const { out, store, run } = given;
    const { files } = await run();
    const trained = await savedFile(given, 'train');
    await spoil(trained, (await text(trained)).replace('10', '99'));
    const { key } = (await manifestOf(out)).stages.at(-1)!;
    await rm(join(store, 'entries', key.slice(0, 2), key), { recursive: true });
    const again = await run();
    assert.equal(trail, ['load', 'train', 'score']);
    assert.equal([...again.files].sort(), [...files].sort());
    assert.equal(again.remarks, []);
    assert.is(await text(join(out, 'splat.ply')), 'init train 10 seed 42 rococo');
  });
});

test('plan counts a damaged entry as absent and deletes nothing', async () => {
  await bench(async (given) => {
    const { folder, out, store, run } = given;
    await run();
    await rm(await savedFile(given, 'train'), { force: true });
    const files = async () => (await readdir(folder, { recursive: true })).sort();
    const before = await files();
    const plan = await readPipeline('p.yaml', { cwd: folder, registry: fakeStages });
    const rows = await planRun(plan, { out, store, gpu: fakeGpu() });
    assert.is(rows.find(({ id }) => id === 'train')!.does, 'run');
    assert.equal(await files(), before);
  });
});

test('plan lists the work of a run, and the reasons', async () => {
  await bench(async ({ folder, out, store, run }) => {
    const planLines = async (...set: string[]) => {
      const plan = await readPipeline('p.yaml', { set, cwd: folder, registry: fakeStages });
      const rows = await planRun(plan, { out, store, gpu: fakeGpu() });
      return rows.map(({ id, does, why }) => `${id} ${does}: ${why}`);
    };
    await run({ until: 'train' });
    assert.equal(await planLines(), [
      'load cached: nothing that runs needs it',
      'init cached: nothing that it depends on has changed',
      'train cached: nothing that it depends on has changed',
      'stylize run: never run before',
      'score run: never run before',
    ]);
    await run();
    const changed = await planLines('train.steps=12');
    assert.is(changed[0], 'load run: train needs it; the store keeps no copy of it');
    assert.is(changed[2], 'train run: train.steps was 10, is now 12');
    assert.match(changed[3], /^stylize run: its input from train has changed/);
    assert.equal(trail, ['stylize', 'score'], 'planning runs nothing');
    await collect(new Store(store), { maxBytes: 0 });
    assert.equal((await planLines()).slice(1), [
      'init run: its saved results are not in the store',
      'train run: its saved results are not in the store',
      'stylize run: its saved results are not in the store',
      'score run: its saved results are not in the store',
    ]);
    assert.is((await planLines('train.steps=12'))[2], 'train run: train.steps was 10, is now 12');
  });
});

test('plan names the run that a new file is compared with, or reports that the stage never ran', async () => {
  await bench(async ({ folder, out, store, run }) => {
    const reasons = async (name: string, ...set: string[]) => {
      const sets = [`name=${name}`, ...set];
      const plan = await readPipeline('p.yaml', { set: sets, cwd: folder, registry: fakeStages });
      const rows = await planRun(plan, { out, store, gpu: fakeGpu() });
      return Object.fromEntries(rows.map(({ id, why }) => [id, why]));
    };
    await run();
    const near = await reasons('bear', 'train.steps=12');
    assert.is(near.train, 'never run for bear; compared with fox: train.steps was 10, is now 12');
    assert.is(near.init, 'nothing that it depends on has changed');
    const set = ['steps=12', 'strategy=default', 'train=[means]', 'size=[8, 8]'].map((one) => `train.${one}`);
    assert.is((await reasons('bear', ...set)).train, 'never run before');
    assert.match((await reasons('fox', ...set)).train, /^train\.\w+ was .*; and 2 more$/);
  });
});

test('saved buffers are loaded only if a running stage needs them, and freed after it', async () => {
  await bench(async ({ run }) => {
    await run();
    const seen: string[] = [];
    const loaded: ReturnType<typeof fakeSplat>[] = [];
    const formats = {
      ...fakeFormats,
      gaussians: {
        ...fakeFormats.gaussians,
        async load(_gpu: unknown, folder: string) {
          const splat = fakeSplat(await readFile(join(folder, 'splat.txt'), 'utf8'));
          seen.push(splat.means.label);
          loaded.push(splat);
          return splat;
        },
      },
    };
    await run({ formats });
    assert.equal(seen, []);
    await run({ formats, set: ['stylize.prompt=neon'] });
    assert.equal(seen, ['init train 10 seed 42'], 'not what init made');
    assert.ok(loaded.every(wasFreed));
  });
});

test('two runs on one store at once: one computes, the other reports that it waits, and uses the result', async () => {
  await bench(async ({ folder, run }) => {
    const waits: string[] = [];
    const slow = fakeStages.map((stage): Stage => {
      if (stage.name !== 'train') return stage;
      return {
        ...stage,
        async run(gpu, inputs, options, settings) {
          await new Promise((resolve) => setTimeout(resolve, 400));
          return stage.run(gpu, inputs, options, settings);
        },
      };
    });
    const one = (name: string) =>
      run({
        registry: slow,
        out: join(folder, name),
        onEvent: (event) => void (event.event === 'wait' && waits.push(event.text)),
      });
    await Promise.all([one('a'), one('b')]);
    assert.is(trail.filter((name) => name === 'train').length, 1);
    assert.ok(
      waits.some((words) => /process \d+ is running it; waiting for the result/.test(words)),
      waits.join(),
    );
    assert.is(await text(join(folder, 'a', 'splat.ply')), await text(join(folder, 'b', 'splat.ply')));
  });
});

test('a stopped stage resumes from its checkpoint; a forced one does not use that of another run', async () => {
  await bench(async ({ out, store, run }) => {
    const stopping = new AbortController();
    const starts: number[] = [];
    const counter = defineStage({
      name: 'count',
      summary: '',
      options: z.strictObject({ to: z.int() }),
      needs: [],
      gives: [],
      async run(_gpu, _inputs, { to }, { checkpoints, output }) {
        const saved = await checkpoints!.latest();
        starts.push(saved?.step ?? 0);
        for (let step = (saved?.step ?? 0) + 1; step <= to; step++) {
          if (checkpoints!.due(step) || checkpoints!.stopping) {
            await checkpoints!.save({ step, numbers: {}, tensors: { a: new Uint8Array([step]) } });
          }
          if (checkpoints!.stopping) throw new Stopped();
          if (step === 10 && starts.length === 1) stopping.abort(new Stopped());
        }
        await output.write('counted.txt', String(to));
        return {};
      },
    });
    const file = 'checkpoints: { steps: 3 }\nstages:\n  - count: { to: 30 }\n';
    const go = (options = {}) => run({ registry: [counter], file, ...options });
    const error = await rejection(go({ signal: stopping.signal }));
    assert.is(error.name, 'Stopped');
    await go({ from: 'count' });
    await rm(join(store, 'entries'), { recursive: true });
    await go();
    assert.equal(starts, [0, 0, 11]);
    assert.is(await text(join(out, 'counted.txt')), '30');
    const left = await stat(join(store, 'checkpoints', (await manifestOf(out)).stages[0].key)).catch(
      () => undefined,
    );
    assert.is(left, undefined, 'checkpoints of finished work go');
  });
});

test('a stage that does not check for a stop is ended at once when the run is stopped', async () => {
  await bench(async ({ run }) => {
    const deaf = defineStage({
      name: 'deaf',
      summary: '',
      options: z.strictObject({}),
      needs: [],
      gives: [],
      run: () => new Promise(() => {}),
    });
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(new Stopped()), 20);
    const error = await rejection(
      run({ registry: [deaf], file: 'stages:\n  - deaf:\n', signal: stopping.signal }),
    );
    assert.is(error.name, 'Stopped');
  });
});

test.run();
