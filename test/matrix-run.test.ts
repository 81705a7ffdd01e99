// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readMatrix } from '../pipeline/file/read.ts';
import { type MatrixEvent, type MatrixRecord, readRecord } from '../pipeline/matrix/record.ts';
import { type MatrixOptions, runMatrix } from '../pipeline/matrix/run.ts';
import { parseSlot } from '../pipeline/matrix/slots.ts';
import { runsIn } from '../pipeline/report/run-list.ts';
import { lock } from '../pipeline/store/lock.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { InputError } from '../wgsl/core/index.ts';
import { fakeStages, inScratch } from './helpers/fake-stages.ts';
import { $ } from './helpers/shell.ts';

const FAKE = [process.execPath, fileURLToPath(new URL('./helpers/fake-splatline.mjs', import.meta.url))];

interface Call {
  at: 'start' | 'end' | 'signal';
  cell: string;
  pid: number;
  args: string[];
  signal?: string;
  driver?: string;
}

interface Bench {
  folder: string;
  events: MatrixEvent[];
  run(axis: string, options?: Partial<MatrixOptions>): Promise<MatrixRecord>;
  calls(): Promise<Call[]>;
  saved(): Promise<MatrixRecord>;
}

const fileOf = (axis: string) => `name: fox
matrix: { do: [${axis}], n: [1] }
seed: \${matrix.n}
stages:
  - load: { ply: a.ply }
  - init:
  - stylize: { prompt: "\${matrix.do}" }
`;

async function bench(body: (bench: Bench) => Promise<void>): Promise<void> {
  await inScratch(async (folder) => {
    const log = join(folder, 'log');
    process.env.FAKE_LOG = log;
    await writeFile(join(folder, 'a.ply'), '');
    const events: MatrixEvent[] = [];
    await body({
      folder,
      events,
      async run(axis, options = {}) {
        await writeFile(join(folder, 'p.yaml'), fileOf(axis));
        await writeFile(log, '');
        events.length = 0;
        const matrix = await readMatrix('p.yaml', { cwd: folder, registry: fakeStages });
        return runMatrix({
          matrix: matrix!,
          out: join(folder, 'out/fox'),
          store: join(folder, 'out/.store'),
          cwd: folder,
          program: FAKE,
          onEvent: (event) => events.push(event),
          ...options,
        });
      },
      calls: async () =>
        (await readFile(log, 'utf8'))
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
      saved: async () => JSON.parse(await readFile(join(folder, 'out/fox/matrix.json'), 'utf8')),
    });
  });
}

const statuses = ({ cells }: MatrixRecord) => cells.map(({ name, status }) => `${name} ${status}`);

/** The largest number of runs at one time. */
function maxConcurrent(calls: readonly Call[]): number {
  let running = 0;
  return Math.max(
    ...calls.filter(({ at }) => at !== 'signal').map(({ at }) => (running += at === 'start' ? 1 : -1)),
  );
}

test('matrix.json has the outcome of each cell once it has ended', async () => {
  await bench(async ({ folder, events, run }) => {
    const seen: string[][] = [];
    const onEvent = (event: MatrixEvent) => {
      events.push(event);
      if (event.event !== 'cell-end') return;
      const record = JSON.parse(readFileSync(join(folder, 'out/fox/matrix.json'), 'utf8'));
      seen.push([record.status, ...statuses(record)]);
    };
    await run('ok, ok-2', { onEvent });
    assert.equal(seen, [
      ['running', 'ok-1 done', 'ok-2-1 not started'],
      ['running', 'ok-1 done', 'ok-2-1 done'],
    ]);
  });
});

test('runs every cell, one after the other, and collects scores', async () => {
  await bench(async ({ folder, events, run, calls, saved }) => {
    const command = 'npx splatline run p.yaml --until stylize';
    const record = await run('ok, ok-2', { until: 'stylize', preview: 0.5, command });
    assert.equal([record.command, record.cwd], [command, folder]);
    assert.equal(statuses(record), ['ok-1 done', 'ok-2-1 done']);
    assert.is(record.exitCode, 0);
    assert.is(record.status, 'done');
    const made = await calls();
    assert.is(maxConcurrent(made), 1);
    assert.equal(made[0].args, [
      'run',
      'p.yaml',
      ...['--cell', 'ok-1'],
      ...['--out', join(folder, 'out/fox/ok-1')],
      ...['--store', join(folder, 'out/.store')],
      ...['--until', 'stylize'],
      ...['--preview', '0.5'],
      '--json',
    ]);
    const { seconds: _, ...first } = record.cells[0];
    assert.equal(first, {
      name: 'ok-1',
      values: { do: 'ok', n: 1 },
      folder: 'ok-1',
      status: 'done',
      exitCode: 0,
      adapter: 'fake driver',
      scores: [
        { name: 'psnr', value: 21, unit: 'dB', over: '7 views' },
        { name: 'psnr.before', value: 1, unit: 'dB', over: '7 views' },
      ],
    });
    assert.equal(await saved(), JSON.parse(JSON.stringify(record)));
    assert.equal((await readdir(join(folder, 'out/fox'))).sort(), ['matrix.json', 'ok-1', 'ok-2-1']);
    const names = events.map((event) => ('cell' in event ? `${event.cell} ${event.event}` : event.event));
    assert.equal(names.slice(0, 7), [
      'matrix',
      'ok-1 cell',
      'ok-1 run',
      'ok-1 stage',
      'ok-1 done',
      'ok-1 result',
      'ok-1 cell-end',
    ]);
    assert.is(names.at(-1), 'matrix-result');
  });
});

test('a running matrix names its running cell in matrix.json, and a second one in the folder waits for its end', async () => {
  await bench(async ({ folder, events, run, saved }) => {
    await mkdir(join(folder, 'out/fox'), { recursive: true });
    const held = await lock(join(folder, 'out/fox/.run.lock'));
    const stop = new AbortController();
    const running = run('ok, hang', { signal: stop.signal });
    while (!events.length) await wait(10);
    assert.match(
      JSON.stringify(events),
      /^\[\{"event":"matrix-warn","text":"process \d+ is writing to .*fox; waiting/,
    );
    held.release();
    while (!events.some((event) => event.event === 'progress')) await wait(10);
    assert.equal(statuses(await saved()), ['ok-1 done', 'hang-1 running']);
    assert.equal(statuses((await readRecord(join(folder, 'out/fox')))!), ['ok-1 done', 'hang-1 running']);
    stop.abort(new Stopped('interrupted'));
    assert.equal(statuses(await running), ['ok-1 done', 'hang-1 stopped']);
    assert.not.ok(existsSync(join(folder, 'out/fox/.run.lock')));
  });
});

test('several at a time, each slot with its adapter', async () => {
  await bench(async ({ run, calls }) => {
    const record = await run('meet, meet-2, ok, ok-2', {
      jobs: 2,
      slots: [parseSlot('first'), parseSlot('second,env:FAKE_DRIVER=pci-1')],
    });
    assert.is(record.exitCode, 0);
    assert.is(record.jobs, 2);
    const made = await calls();
    assert.is(maxConcurrent(made), 2);
    for (const { args, driver } of made.filter(({ at }) => at === 'start')) {
      const adapter = args[args.indexOf('--adapter') + 1];
      assert.is(driver, adapter === 'second' ? 'pci-1' : undefined);
    }
    const adapters = made
      .filter(({ at }) => at === 'start')
      .map(({ args }) => args[args.indexOf('--adapter') + 1]);
    assert.equal([...new Set(adapters)].sort(), ['first', 'second']);
  });
});

test('jobs that are meant for different cards and report equal ones are refused, unless Mesa’s layer can choose', async () => {
  const { XDG_DATA_DIRS } = process.env;
  const slots = ['env:DRI_PRIME=pci-1', 'env:DRI_PRIME=pci-2'].map(parseSlot);
  const warnings = (events: MatrixEvent[]) =>
    events.flatMap((event) => (event.event === 'matrix-warn' ? [event.text] : []));
  try {
    await bench(async ({ folder, events, run, saved }) => {
      process.env.XDG_DATA_DIRS = join(folder, 'share');
      try {
        await run('hang, hang-2, ok', { slots });
        throw new Error('it was accepted');
      } catch (error) {
        assert.instance(error, InputError, String(error));
        assert.match(
          (error as Error).message,
          /^--adapter: the jobs with env:DRI_PRIME=pci-1 and env:DRI_PRIME=pci-2 report the same adapter, fake driver: .*install Mesa's device-select layer/,
        );
      }
      const record = await saved();
      assert.equal(statuses(record), ['hang-1 stopped', 'hang-2-1 stopped', 'ok-1 not started']);
      assert.is(record.status, 'failed');
      assert.is(record.exitCode, 2);

      const layers = join(folder, 'share/vulkan/implicit_layer.d');
      await mkdir(layers, { recursive: true });
      await writeFile(join(layers, 'VkLayer_MESA_device_select.json'), '{}');
      assert.is((await run('meet, meet-2', { slots })).exitCode, 0);
      assert.is(warnings(events).length, 1);
      assert.match(warnings(events)[0], /report the same adapter, fake driver: .*check with nvidia-smi/);

      // The layer reads DRI_PRIME, and no variable of another name.
      const others = ['env:CARD=1', 'env:CARD=2'].map(parseSlot);
      const refused = await run('hang, hang-2', { slots: others }).then(
        () => undefined,
        (error: Error) => error,
      );
      assert.match(String(refused), /the variables select no card/);

      const different = ['env:FAKE_ADAPTER=a', 'env:FAKE_ADAPTER=b'].map(parseSlot);
      assert.is((await run('meet, meet-2', { slots: different })).exitCode, 0);
      assert.equal(warnings(events), []);
    });
  } finally {
    if (XDG_DATA_DIRS === undefined) delete process.env.XDG_DATA_DIRS;
    else process.env.XDG_DATA_DIRS = XDG_DATA_DIRS;
  }
});

test('a failed cell does not stop the others; the exit code gives the kind of failure', async () => {
  await bench(async ({ run, saved }) => {
    const record = await run('fail-2, ok, crash, killed');
    assert.equal(statuses(record), ['fail-2-1 failed', 'ok-1 done', 'crash-1 failed', 'killed-1 failed']);
    assert.is(record.exitCode, 1);
    assert.is(record.status, 'failed');
    const [input, , crash, killed] = (await saved()).cells;
    assert.is(input.error, 'as asked, 2');
    assert.is(input.exitCode, 2);
    assert.equal(input.scores, []);
    assert.match(crash.error!, /^it ended with exit code 1; its last lines:\n[\s\S]*out of luck/);
    assert.match(killed.error!, /^it was ended by SIGKILL; its last lines:\nnot an event$/);
    assert.is(killed.exitCode, undefined);
    assert.is((await run('fail-2, ok')).exitCode, 2);
    assert.is((await run('fail-3, ok')).exitCode, 3);
    assert.is((await run('fail-3, fail-2, ok')).exitCode, 1);
  });
});

test('a request to stop reaches the cells once, with the signal that was sent; they save', async () => {
  for (const [word, signal, code] of [
    ['interrupted', 'SIGINT', 130],
    ['terminated', 'SIGTERM', 143],
  ] as const) {
    await bench(async ({ run, calls, events }) => {
      const stop = new AbortController();
      const running = run('hang, hang-2, ok', { jobs: 2, signal: stop.signal });
      for (const at of ['hang-1', 'hang-2-1'])
        while (!events.some((event) => event.event === 'progress' && event.cell === at)) await wait(10);
      stop.abort(new Stopped(word));
      const record = await running;
      assert.equal(statuses(record), ['hang-1 stopped', 'hang-2-1 stopped', 'ok-1 not started']);
      assert.is(record.exitCode, code);
      assert.is(record.status, 'stopped');
      const signals = (await calls()).filter(({ at }) => at === 'signal');
      assert.equal(
        signals.map((call) => call.signal),
        [signal, signal],
      );
    });
  }
});

test('an earlier run of a cell is not taken for this one, and removed cells are not listed', async () => {
  await bench(async ({ folder, run, saved }) => {
    await run('ok, ok-2');
    // The cell's folder has a run.json that says done, and now it fails early.
    const text = JSON.stringify({
      status: 'failed',
      stages: [],
      scores: [{ name: 'old', value: 1, unit: '', over: '' }],
    });
    await mkdir(join(folder, 'out/fox/fail-2-1'));
    await writeFile(join(folder, 'out/fox/fail-2-1/run.json'), text);
    await run('ok, fail-2');
    const { cells } = await saved();
    assert.equal(
      cells.map(({ name }) => name),
      ['ok-1', 'fail-2-1'],
    );
    assert.equal(cells[1].scores, []);
    assert.ok(existsSync(join(folder, 'out/fox/ok-2-1/run.json')), 'results of others stay');
  });
});

test('a folder that is not of a run is refused, and nothing is started', async () => {
  await bench(async ({ folder, run, calls }) => {
    await mkdir(join(folder, 'docs'));
    await writeFile(join(folder, 'docs/notes.txt'), '');
    for (const [out, expected] of [
      ['docs', /contains other files \(notes\.txt\)/],
      ['a.ply', /this is a file/],
      ['a.ply/x', /this is a file/],
    ] as const) {
      try {
        await run('ok', { out: join(folder, out) });
        throw new Error('it was accepted');
      } catch (error) {
        assert.instance(error, InputError, String(error));
        assert.match((error as Error).message, expected);
      }
    }
    assert.equal(await calls(), []);
  });
});

test('when the orchestrator is killed or ends, no cell continues', async () => {
  await bench(async ({ folder, calls }) => {
    await writeFile(join(folder, 'p.yaml'), fileOf('hang, hang-2'));
    await writeFile(join(folder, 'log'), '');
    const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      import { readFileSync } from 'node:fs';
      import { readMatrix } from ${url('../pipeline/file/read.ts')};
      import { runMatrix } from ${url('../pipeline/matrix/run.ts')};
      import { fakeStages } from ${url('./helpers/fake-stages.ts')};
      const matrix = await readMatrix('p.yaml', { registry: fakeStages });
      const starts = () => readFileSync('log', 'utf8').split('"at":"start"').length - 1;
      if (process.env.LEAVE) setInterval(() => starts() === 2 && process.exit(0), 50);
      await runMatrix({ matrix, out: 'out/fox', store: 'out/.store', jobs: 2, program: ${JSON.stringify(FAKE)} });`;
    await writeFile(join(folder, 'go.mts'), script);
    const loader = import.meta.resolve('tsx'); // the process runs in another folder
    for (const leave of ['', '1']) {
      await writeFile(join(folder, 'log'), '');
      const orchestrator = $({
        cwd: folder,
        nothrow: true,
        prefix: 'exec ',
        env: { ...process.env, LEAVE: leave },
      })`${process.execPath} --import ${loader} go.mts`;
      const started = async () => (await calls()).filter(({ at }) => at === 'start').map(({ pid }) => pid);
      for (let i = 0; i < 500 && (await started()).length < 2; i++) await wait(20);
      assert.is((await started()).length, 2);
      if (!leave) process.kill(orchestrator.pid!, 'SIGKILL');
      await orchestrator;
      const alive = (pid: number) => existsSync(`/proc/${pid}`);
      const pids = await started();
      for (let i = 0; i < 100 && pids.some(alive); i++) await wait(50);
      const how = leave ? 'after process.exit' : 'after SIGKILL';
      assert.equal(pids.filter(alive), [], how);
      const record = await readRecord(join(folder, 'out/fox'));
      assert.equal(
        [record!.status, ...statuses(record!)],
        ['stopped', 'hang-1 stopped', 'hang-2-1 stopped'],
        how,
      );
      const [listed] = await runsIn(join(folder, 'out'));
      assert.equal([listed.kind, listed.status], ['matrix', 'stopped'], how);
    }
  });
});

test('--adapter parses names and variables', () => {
  assert.equal(parseSlot('NVIDIA'), { adapter: 'NVIDIA', env: {} });
  assert.equal(parseSlot('llvmpipe (LLVM 15.0.6, 256 bits)'), {
    adapter: 'llvmpipe (LLVM 15.0.6, 256 bits)',
    env: {},
  });
  assert.equal(parseSlot('env:DRI_PRIME=pci-0000_00_07_0'), { env: { DRI_PRIME: 'pci-0000_00_07_0' } });
  assert.equal(parseSlot('NVIDIA,env:A=1,2,env:B='), { adapter: 'NVIDIA', env: { A: '1,2', B: '' } });
  for (const text of ['', 'env:', 'env:A', 'env:1=2', ' '])
    assert.throws(
      () => parseSlot(text),
      (error: Error) => error instanceof InputError && /expected a NAME/.test(error.message),
      text,
    );
});

test.run();
