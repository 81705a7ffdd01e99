/**
 * A stand-in for `splatline run`, for tests of what runs the cells of a matrix: no GPU, no pipeline. What a cell does is
 * how its name starts:
 *
 *     ok          prints events, writes run.json, ends with 0
 *     turn        the same, with a saved turntable of four frames, each of one colour
 *     meet        the same as ok, once a second cell has started
 *     fail-N      prints an error event and ends with exit code N
 *     crash       writes to stderr and ends with 1, without an event
 *     killed      dies of SIGKILL
 *     hang        waits for a signal, then saves as a run that was stopped, and ends with 130 or 143
 *
 * Every call is a line in `$FAKE_LOG`: `{ at: 'start' | 'end', cell, args, pid, … }`.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const args = process.argv.slice(2);
const flagOf = (flag) => args[args.indexOf(flag) + 1];
const cell = flagOf('--cell');
const seed = cell.split('-').at(-1);
const out = flagOf('--out');
process.stdout.on('error', () => process.exit(141)); // as the command line does when nobody reads it
const log = (at, more = {}) =>
  appendFileSync(process.env.FAKE_LOG, `${JSON.stringify({ at, cell, pid: process.pid, ...more })}\n`);
const print = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** Colours: red grows with the frame, green with the seed. */
function saveTurntable() {
  const folder = join(out, 'stages/orbit/frames');
  mkdirSync(folder, { recursive: true });
  const camera = { width: 16, height: 16, fx: 16, fy: 16, cx: 8, cy: 8, viewmat: Array(16).fill(0) };
  const frames = [0, 1, 2, 3].map((index) => ({ name: String(index), camera }));
  const header = { format: 'splatline frames 1', fps: 4, frames, before: [] };
  writeFileSync(join(folder, 'frames.json'), JSON.stringify(header));
  const bytes = frames.flatMap((_, index) => [
    ...Array(16 * 16)
      .fill([60 * index, 60 * Number(seed), 0, 255])
      .flat(),
    ...Array(4 * 16 * 16).fill(0),
  ]);
  writeFileSync(join(folder, 'frames.bin'), Uint8Array.from(bytes));
  writeFileSync(join(folder, 'before.bin'), '');
}

function save(status) {
  mkdirSync(out, { recursive: true });
  const hasTurntable = cell.startsWith('turn-');
  if (hasTurntable) saveTurntable();
  const row = {
    id: hasTurntable ? 'orbit' : 'train',
    stage: 'train',
    key: String(seed).padStart(64, '0'),
    resolvedBy: 'ran',
    seconds: 0.1,
    peakBytes: 0,
  };
  const stages = [
    {
      ...row,
      options: {},
      seed: 1,
      outputs: [],
      parts: hasTurntable ? { frames: {} } : {},
      identity: { inputs: {} },
      places: {},
    },
  ];
  const versions = { splatline: '0', node: process.version, packages: {} };
  const texts = { name: 'fake', command: 'fake', cwd: process.cwd(), file: 'fake.yaml', store: '.store' };
  const scores = [
    { name: 'psnr', value: 20 + Number(seed), unit: 'dB', over: '7 views' },
    { name: 'psnr.before', value: 1, unit: 'dB', over: '7 views' },
  ];
  const run = {
    format: 1,
    status,
    seed: 1,
    ...texts,
    versions,
    adapter: {},
    seconds: process.uptime(),
    stages,
    scores,
  };
  const manifest = { ...run, files: [], ledger: [] };
  writeFileSync(join(out, 'run.json'), JSON.stringify(manifest));
}

function end(code) {
  log('end', { code });
  process.exitCode = code;
}

log('start', { args, driver: process.env.FAKE_DRIVER });
print({
  event: 'run',
  name: 'fake',
  out,
  seed: 1,
  stages: ['train'],
  adapter: { device: 'fake', description: process.env.FAKE_ADAPTER ?? 'fake driver' },
});
print({ event: 'stage', stage: 'train', index: 0, count: 1 });
process.stdout.write('not an event\n');

const [what, code] = cell.split('-');
const started = () => readFileSync(process.env.FAKE_LOG, 'utf8').match(/"at":"start"/g).length;
while (what === 'meet' && started() < 2) await wait(10);
if (what === 'ok' || what === 'meet' || what === 'turn') {
  save('done');
  print({ event: 'done', stage: 'train', seconds: 0.1 });
  print({ event: 'result', out, files: [], seconds: 0.1, ran: ['train'], ledger: [] });
  end(0);
} else if (what === 'fail') {
  print({ event: 'error', message: `as asked, ${code}`, exitCode: Number(code) });
  end(Number(code));
} else if (what === 'crash') {
  process.stderr.write('Error: out of luck\n    at somewhere\n');
  end(1);
} else if (what === 'killed') {
  process.kill(process.pid, 'SIGKILL');
} else if (what === 'hang') {
  const alive = setInterval(
    () =>
      print({
        event: 'progress',
        stage: 'train',
        step: 1,
        steps: 2,
        metrics: {},
        perSecond: 1,
        secondsLeft: 1,
      }),
    20,
  );
  const onSignal = (signal, exit) => {
    process.on(signal, () => {
      log('signal', { signal });
      clearInterval(alive);
      setTimeout(() => {
        save('stopped');
        end(exit);
      }, 50);
    });
  };
  onSignal('SIGINT', 130);
  onSignal('SIGTERM', 143);
}
