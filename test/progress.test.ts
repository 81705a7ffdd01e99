import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { duration, grouped, progressPrinter, progressText } from '../pipeline/cli/progress.ts';
import { type ProgressEvent, RateMeter, type RunEvent } from '../pipeline/run/events.ts';

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

function progress(step: number, metrics: Record<string, number> = { loss: 0.123456 }): RunEvent {
  return { event: 'progress', stage: 'train', step, steps: 100, metrics, perSecond: 4.256, secondsLeft: 75 };
}

function printed(isTTY: boolean, events: [number, RunEvent][]): string {
  let text = '';
  let now = 0;
  const print = progressPrinter({ isTTY, columns: 60, write: (part) => (text += part) }, () => now);
  for (const [at, event] of events) {
    now = at;
    print(event);
  }
  return text;
}

test('away from a terminal a stage prints a line every few seconds and one at its end', () => {
  const text = printed(false, [
    [0, RUN],
    [0, { event: 'stage', stage: 'train', index: 1, count: 2 }],
    [0.5, progress(1)],
    [1, progress(20)],
    [5, progress(40)],
    [6, progress(50)],
    [8, progress(100, { loss: 0.05, psnr: 24 })],
    [8, { event: 'done', stage: 'train', seconds: 8 }],
  ]);
  assert.is(
    text,
    [
      'fox: load → train, seed 1, on driver',
      'train     20/100  4.26 it/s  loss 0.1235  1:15 left',
      'train     50/100  4.26 it/s  loss 0.1235  1:15 left',
      'train     done in 8.0 s, 100 steps, 12.5 it/s, loss 0.05, psnr 24',
      '',
    ].join('\n'),
  );
  assert.not.match(text, '\x1b');
});

test('on a terminal the line is rewritten, cut to the width, and notes go above it', () => {
  const text = printed(true, [
    [0, RUN],
    [0, progress(1)],
    [0.01, progress(2)],
    [1, { event: 'note', stage: 'train', text: 'a fact' }],
    [2, progress(3, { loss: 1, psnr: 2, gaussians: 123456789, other: 5 })],
    [2, { event: 'done', stage: 'train', seconds: 2 }],
  ]);
  const clear = '\r\x1b[2K';
  const parts = text.split(clear);
  assert.is(parts.length, 5); // two redraws, and the note and the end that replace them
  assert.is(parts[2], 'train     a fact\n');
  assert.ok(parts[3].length <= 59, 'a line that wraps cannot be rewritten');
  assert.match(parts[4], /^train {5}done in 2\.0 s, 3 steps, 1\.50 it\/s, loss 1/);
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

test('there is no rate before a step is done, and set-up, a resume and steps that are redone do not count', () => {
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

test('the end of a run lists results, what earlier runs left, and remarks', () => {
  const result = { seconds: 2, ran: ['train'], ledger: [], remarks: ['Restyling changes the colours.'] };
  const files = ['/o/splat.ply'];
  const stale = ['/o/turntable.mp4', '/o/stages/orbit'];
  assert.is(
    printed(false, [[0, { event: 'result', out: '/o', files, stale, ...result }]]),
    [
      '',
      'Finished in 2.0 s. Results in /o:',
      '  /o/splat.ply',
      'Left from earlier runs, with other settings or of stages that this file does not have:',
      '  /o/turntable.mp4',
      '  /o/stages/orbit',
      'Restyling changes the colours.',
      '',
    ].join('\n'),
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

test('durations read as people write them', () => {
  assert.equal([0.04, 9.94, 42.4, 185, 3723].map(duration), ['0.0 s', '9.9 s', '42 s', '3:05', '1:02:03']);
});

test('a folder of many files is one line', () => {
  const frames = Array.from({ length: 120 }, (_, i) => `/r/out/frames/${String(i).padStart(4, '0')}.png`);
  assert.equal(grouped(['/r/out/splat.ply', ...frames], '/r'), [
    'out/splat.ply',
    'out/frames/0000.png … 0119.png (120 files)',
  ]);
});

test.run();
