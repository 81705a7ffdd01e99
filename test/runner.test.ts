import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { readPipeline } from '../pipeline/file/read.ts';
import type { RunEvent } from '../pipeline/run/events.ts';
import { type RunOptions, runPlan } from '../pipeline/run/runner.ts';
import type { Gaussians } from '../stages/artefacts/gaussians.ts';
import { defineStage, type Stage } from '../stages/stage.ts';
import { InputError } from '../wgsl/core/index.ts';
import {
  fakeFormats,
  fakeGpu,
  fakeSplat,
  fakeStages,
  inScratch,
  trail,
  wasFreed,
} from './helpers/fake-stages.ts';

const FILE = `name: fox
stages:
  - load: { colmap: capture }
  - init:
  - train:
  - stylize: { prompt: rococo }
  - score:
`;

interface Bench {
  folder: string;
  out: string;
  run(
    options?: RunOptions & { set?: string[]; registry?: readonly Stage[]; file?: string },
  ): Promise<Awaited<ReturnType<typeof runPlan>>>;
}

async function bench(body: (bench: Bench) => Promise<void>): Promise<void> {
  await inScratch(async (folder) => {
    await mkdir(join(folder, 'capture'));
    const out = join(folder, 'out');
    await body({
      folder,
      out,
      async run({ set, registry = fakeStages, file = FILE, ...options } = {}) {
        await writeFile(join(folder, 'p.yaml'), file);
        trail.length = 0;
        const plan = await readPipeline('p.yaml', { set, cwd: folder, registry });
        return runPlan(plan, { out, gpu: fakeGpu(), formats: fakeFormats, ...options });
      },
    });
  });
}

async function rejection(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it succeeded');
}

const text = (path: string) => readFile(path, 'utf8');

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
    // What stylize passed on unchanged is kept once, with the stage that made it; load is repeated, not kept.
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
          async run(context, inputs, options) {
            if (fails) throw new InputError('no pictures');
            for (let i = 0; i < count; i++) await context.output.write(`sub/frames/${i}.png`, '');
            await context.output.write(`only-${count}.txt`, '');
            return stage.run(context, inputs, options);
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

test('a run.json that names files elsewhere takes none of them away', async () => {
  await bench(async ({ folder, out, run }) => {
    await run({ until: 'init' });
    const mine = join(folder, 'mine.txt');
    await writeFile(mine, '');
    const paths = ['../mine.txt', mine, 'a/../../mine.txt', 'stages/init/stage.json', '.', '', 7];
    const files = paths.map((path) => ({ path, stage: 'train' }));
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
    assert.match((await rejection(run())).message, /this folder holds other files \(stages\)/);
    assert.is(await text(join(out, 'stages', 'train', 'source.ts')), 'mine');
    assert.match((await rejection(run({ out: join(folder, 'p.yaml') }))).message, /this is a file/);
  });
});

test('mistakes that a stage finds leave an earlier run as it was; nothing hides them', async () => {
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
    // A manifest that cannot be written is told beside the fault, not instead of it.
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

test('a folder that another run writes to, and one with hidden files, are refused', async () => {
  await bench(async ({ out, run }) => {
    await mkdir(join(out, '.git'), { recursive: true });
    assert.match((await rejection(run())).message, /this folder holds other files \(\.git\)/);
    await rm(out, { recursive: true });
    const partial = join(out, `.partial-${process.ppid}`);
    await mkdir(partial, { recursive: true });
    const error = await rejection(run());
    assert.match(error.message, /another run \(process \d+\) is writing here; wait/);
    assert.is(error.name, 'InputError');
    assert.equal(trail, []);
    await rm(partial, { recursive: true });
    await mkdir(join(out, '.partial-999999999')); // of a run that was killed
    await mkdir(join(out, `.partial-${process.pid}`, 'old'), { recursive: true }); // with this process's number
    await run();
    assert.equal(
      (await readdir(out)).filter((name) => name.startsWith('.')),
      [],
    );
  });
});

test('a folder replaces its forerunner, so that no picture of an older run stays', async () => {
  await bench(async ({ out, run }) => {
    const pictures = defineStage({
      name: 'pictures',
      summary: '',
      options: z.strictObject({ count: z.int() }),
      needs: [],
      gives: [],
      async run({ output }, _inputs, { count }) {
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
    for (const path of ['../x', '/tmp/x', 'stages/train/x', 'run.json', 'a/../../x', '.']) {
      const rogue = defineStage({
        name: 'rogue',
        summary: '',
        options: z.strictObject({}),
        needs: [],
        gives: [],
        async run({ output }) {
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
