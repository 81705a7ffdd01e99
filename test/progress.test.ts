/** The progress of a run: the line of its stage, rates, and the texts of its results. */
import { resolve } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { byteSize, duration, grouped } from '../pipeline/cli/format.ts';
import { isRewritable, progressPrinter, progressText } from '../pipeline/cli/progress.ts';
import { type ProgressEvent, RateMeter, type RunEvent } from '../pipeline/run/events.ts';
import { printed, shownBy } from './helpers/terminal.ts';

const adapter = {
  vendor: 'v',
  architecture: '',
  device: 'card',
  description: 'driver',
  software: false,
  features: [],
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
};
const RUN: RunEvent = { event: 'run', name: 'fox', out: '/o', seed: 1, stages: ['load', 'train'], adapter };

function progress(step: number, metrics: Record<string, number> = { loss: 0.123456 }): ProgressEvent {
  return { event: 'progress', stage: 'train', step, steps: 100, metrics, perSecond: 4.256, secondsLeft: 75 };
}

test('a download shows a bar, its bytes and its rate', () => {
  const [model, total] = ['owner/clip', 605 * 2 ** 20];
  const text = printed(false, [
    [0, { event: 'fetch', model, bytes: 0, total, perSecond: 0, secondsLeft: 0 }],
    [6, { event: 'fetch', model, bytes: total / 4, total, perSecond: 2 ** 25, secondsLeft: 14.2 }],
  ]);
  assert.is(
    text,
    'fetch     owner/clip  ░░░░░░░░░░░░░░░░░░░░  0 B of 605 MiB\n' +
      'fetch     owner/clip  █████░░░░░░░░░░░░░░░  151 MiB of 605 MiB  32 MiB/s  14 s left\n',
  );
});

test('away from a terminal a stage prints a line every few seconds and one at its end', () => {
  const text = printed(false, [
    [0, RUN],
    [0, { event: 'stage', stage: 'train', index: 1, count: 2 }],
    [0.5, progress(1)],
    [4, progress(20)],
    [5, progress(40)],
    [8, progress(50)],
    [8, progress(100, { loss: 0.05, psnr: 24 })],
    [8, { event: 'done', stage: 'train', seconds: 8 }],
  ]);
  assert.is(
    text,
    [
      'fox: load → train, seed 1, on driver',
      'train     40/100  4.26 it/s  loss 0.1235  1:15 left',
      'train     done in 8.0 s, 100 steps, 12.5 it/s, loss 0.05, psnr 24',
      '',
    ].join('\n'),
  );
  assert.not.match(text, '\x1b');
});

test('on a terminal the line is rewritten, cut to the width, and notes go above it', () => {
  const events: [number, RunEvent][] = [
    [0, RUN],
    [0, { event: 'stage', stage: 'train', index: 1, count: 2 }],
    [1, progress(1)],
    [1.01, progress(2)],
  ];
  const head = 'fox: load → train, seed 1, on driver';
  const shown = (more: [number, RunEvent][]) => shownBy(printed(true, [...events, ...more]));
  assert.equal(shown([]), [head, 'train     ░░░░░░░░   1%  4.26 it/s  loss 0.1235  1:15 left', '']);
  const metrics = { loss: 1, other: 5, psnr: 2, splats: 123456789 };
  events.push([2, { event: 'note', stage: 'train', text: 'a fact' }], [3, progress(3, metrics)]);
  const [, note, cut, ...none] = shown([]);
  assert.is(note, 'train     a fact');
  assert.is(cut, 'train     ░░░░░░░░   3%  4.26 it/s  psnr 2  1:15 left', 'the quality before other metrics');
  assert.equal(none, ['']);
  const [, , done, ...rest] = shown([[3, { event: 'done', stage: 'train', seconds: 2 }]]);
  assert.match(done, /^train {5}done in 2\.0 s, 3 steps, 1\.50 it\/s, loss 1/);
  assert.equal(rest, ['']);
});

test('a line keeps its stage, bar, percent and time left at every width', () => {
  const metrics = { loss: 0.5, other: 5, psnr: 24.25, splats: 81000 };
  const event: ProgressEvent = { ...progress(42), metrics };
  const at = (columns: number) => shownBy(printed(true, [[0, event]], columns))[0];
  const wide = 'train     ████████░░░░░░░░░░░░  42%  42/100  4.26 it/s';
  assert.equal([160, 100, 80, 60, 42, 34].map(at), [
    `${wide}  loss 0.5  other 5  psnr 24.25  splats 81000  1:15 left`,
    `${wide}  psnr 24.25  splats 81000  1:15 left`,
    'train     ███░░░░░  42%  42/100  4.26 it/s  psnr 24.25  splats 81000  1:15 left',
    'train     ███░░░░░  42%  4.26 it/s  psnr 24.25  1:15 left',
    'train     ███░░░░░  42%  1:15 left',
    'train     ███░░░░░  42%  1:15 le…',
  ]);
});

test('each change of the screen is one write, and a line that stays the same is none', () => {
  const writes: string[] = [];
  let now = 0;
  const screen = { isTTY: true, columns: 60, write: (part: string) => void writes.push(part) };
  const print = progressPrinter(screen, () => now);
  const show = (at: number, event: RunEvent) => {
    now = at;
    print(event);
    return writes.splice(0);
  };
  assert.is(show(0, progress(1)).length, 1);
  assert.equal(show(0.05, progress(2)), [], 'at most ten times a second');
  assert.equal(show(1, progress(1)), []);
  assert.is(show(2, progress(2)).length, 1);
  const [note, ...none] = show(3, { event: 'note', stage: 'train', text: 'a fact' });
  assert.match(note, 'a fact');
  assert.match(note, '2%', 'the line below the note');
  assert.equal(none, []);
});

test('a message about a stop goes below the lines of running stages', () => {
  let text = '';
  const screen = { isTTY: true, columns: 60, write: (part: string) => (text += part) };
  const print = progressPrinter(screen, () => 0);
  print(progress(1));
  print.release();
  text += 'interrupted\n';
  print({ event: 'note', stage: 'train', text: 'saved' });
  const [line, message, note] = shownBy(text);
  assert.match(line, '1%');
  assert.equal([message, note], ['interrupted', 'train     saved']);
});

test('the log of a CI job and a terminal without control codes get plain lines', () => {
  const screen = { isTTY: true, write: () => undefined };
  assert.ok(isRewritable(screen, { TERM: 'xterm' }));
  for (const env of [{ TERM: 'dumb' }, { TERM: 'xterm', CI: 'true' }]) assert.not(isRewritable(screen, env));
  assert.not(isRewritable({ ...screen, isTTY: undefined }, { TERM: 'xterm' }));
});

test('the rate is that of the last seconds', () => {
  let now = 0;
  const meter = new RateMeter(() => now, 10);
  assert.equal(meter.mark(0, 100), { perSecond: 0, secondsLeft: 0 });
  now = 10;
  assert.equal(meter.mark(10, 100), { perSecond: 1, secondsLeft: 90 });
  for (now = 11; now <= 40; now++) meter.mark(10 + (now - 10) * 2, 100);
  now = 40;
  const { perSecond, secondsLeft } = meter.mark(70, 100);
  assert.ok(Math.abs(perSecond - 2) < 0.2, `${perSecond}`);
  assert.ok(Math.abs(secondsLeft - 15) < 2, `${secondsLeft}`);
});

test('the time to compile kernels is shown as such, and does not count in the rates', () => {
  let now = 0;
  const meter = new RateMeter(() => now, 10);
  const compiling = { ...progress(0, {}), ...meter.compiling() };
  now = 30;
  const first = { ...progress(1), ...meter.mark(1, 100) };
  now = 32;
  const last = { ...progress(11), ...meter.mark(11, 100) };
  assert.equal([compiling.perSecond, compiling.compiling], [0, true]);
  assert.equal([first.perSecond, first.compiling, first.compileSeconds], [0, undefined, 30]);
  assert.equal([last.perSecond, last.secondsLeft, last.compileSeconds], [5, 17.8, 30]);
  now = 33;
  meter.compiling();
  now = 43;
  assert.equal(meter.mark(21, 100), { perSecond: 20 / 3, secondsLeft: 79 / (20 / 3), compileSeconds: 40 });
  const text = printed(false, [
    [0, RUN],
    [0, { event: 'stage', stage: 'train', index: 1, count: 2 }],
    [2, compiling],
    [32, first],
    [34, { ...last, step: 100 }],
    [52, { event: 'done', stage: 'train', seconds: 52 }],
  ]);
  assert.equal(text.split('\n').slice(1), [
    'train     0/100  compiling kernels',
    'train     1/100  loss 0.1235',
    'train     done in 52 s, 30 s of it compiling kernels, 100 steps, 4.55 it/s, loss 0.1235',
    '',
  ]);
});

test('there is no rate before a step is done; set-up, a resume and redone steps do not count', () => {
  let now = 100;
  const meter = new RateMeter(() => now, 10);
  now = 130; // of set-up
  assert.equal(meter.mark(1, 100), { perSecond: 0, secondsLeft: 0 });
  now = 131;
  assert.equal(meter.mark(3, 100), { perSecond: 2, secondsLeft: 48.5 });
  const resumed = new RateMeter(() => now, 10);
  assert.equal(resumed.mark(500, 1000), { perSecond: 0, secondsLeft: 0 });
  now = 136;
  assert.equal(resumed.mark(510, 1000), { perSecond: 2, secondsLeft: 245 });
  assert.equal(resumed.mark(400, 1000), { perSecond: 0, secondsLeft: 0 });
  now = 138;
  assert.equal(resumed.mark(406, 1000), { perSecond: 3, secondsLeft: 198 });
});

test('without a rate a line has no time left; after a resume the summary counts the steps of this run', () => {
  const start = { ...progress(1), perSecond: 0, secondsLeft: 0 } as ProgressEvent;
  assert.is(progressText(start), '1/100  loss 0.1235');
  const text = printed(false, [
    [0, RUN],
    [0, { event: 'stage', stage: 'train', index: 1, count: 2 }],
    [5, { ...progress(100), from: 60 } as RunEvent],
    [10, { event: 'done', stage: 'train', seconds: 10 }],
  ]);
  assert.match(text, /done in 10 s, 100 steps, 40 of them in this run, 4\.00 it\/s, loss/);
});

test('the end of a run lists results, results of earlier runs, and remarks', () => {
  const result = { seconds: 2, ran: ['train'], ledger: [], remarks: ['Restyling changes the colours.'] };
  const files = ['/o/splat.ply'];
  const stale = ['/o/turntable.mp4', '/o/stages/orbit'];
  const end: RunEvent = { event: 'result', out: '/o', files, stale, ...result };
  assert.is(
    printed(false, [
      [0, { event: 'done', stage: 'load', seconds: 1 }],
      [0, end],
    ]),
    [
      'load      done in 1.0 s',
      '',
      'Finished in 2.0 s. Results in /o:',
      '  /o/splat.ply',
      'From earlier runs, with other settings or stages that are not in this file:',
      '  /o/turntable.mp4',
      '  /o/stages/orbit',
      'Restyling changes the colours.',
      '',
    ].join('\n'),
  );
  assert.match(printed(false, [[0, end]]), /All cached: finished in 2\.0 s/);
});

test('a run that replaces results says so, and how to get them back', () => {
  const changes = 'stylize.prompt was rococo, is now wood';
  const event = { event: 'replaces', run: 'fox@3fa2b1c9', status: 'done', isKept: true, changes } as const;
  const text = (more: object) => printed(false, [[0, { ...event, store: resolve('out/.store'), ...more }]]);
  assert.is(
    text({}),
    `Replaces the results of fox@3fa2b1c9: ${changes}.\n` +
      'They stay in the store: splatline runs --restore fox@3fa2b1c9\n',
  );
  assert.match(text({ store: '/s' }), '--restore fox@3fa2b1c9 --store /s\n');
  assert.is(
    text({ status: 'failed', isKept: false }),
    `Replaces results of a run that failed: ${changes}.\n`,
  );
});

test('the last step has no time left', () => {
  const last = {
    event: 'progress' as const,
    stage: 's',
    step: 5,
    steps: 5,
    metrics: {},
    perSecond: 2,
    secondsLeft: 0,
  };
  assert.is(progressText(last), '5/5  2.00 it/s');
});

test('durations are human-readable', () => {
  assert.equal([0.04, 9.94, 42.4, 185, 3723].map(duration), ['0.0 s', '9.9 s', '42 s', '3:05', '1:02:03']);
});

test('sizes are human-readable', () => {
  assert.equal([0, 980, 1333788, 20 * 2 ** 30].map(byteSize), ['0 B', '980 B', '1.27 MiB', '20 GiB']);
});

test('a folder of many files is one line', () => {
  const frames = Array.from({ length: 120 }, (_, i) => `/r/out/frames/${String(i).padStart(4, '0')}.png`);
  assert.equal(grouped(['/r/out/splat.ply', ...frames], '/r'), ['out/splat.ply', 'out/frames (120 files)']);
});

test.run();
