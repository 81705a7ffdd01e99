import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { matrixPrinter, matrixTable } from '../pipeline/cli/matrix.ts';
import type { CellRecord, MatrixEvent, MatrixRecord } from '../pipeline/matrix/record.ts';

const cellRecord = (name: string, more: Partial<CellRecord>): CellRecord => ({
  name,
  values: {},
  folder: name,
  status: 'done',
  stages: [],
  scores: [],
  ...more,
});

const score = (name: string, value: number) => ({ name, value, unit: '', over: '' });

const CELLS = [
  cellRecord('rococo-1', {
    seconds: 185,
    scores: [score('psnr', 17.510823), score('psnr.before', 20), score('clip', 33.037675)],
  }),
  cellRecord('wood-1', { seconds: 4, scores: [score('clip', -9.5), score('ssim', 0.71)] }),
  cellRecord('day-of-the-dead-1', { status: 'failed', seconds: 0.5, error: 'as asked' }),
  cellRecord('last', { status: 'not started' }),
];

const RECORD: MatrixRecord = {
  format: 1,
  status: 'failed',
  name: 'fox',
  file: '/p.yaml',
  set: [],
  axes: { prompt: ['rococo', 'wood'], seed: [1] },
  jobs: 2,
  seconds: 200,
  exitCode: 1,
  cells: CELLS,
};

const MATRIX: MatrixEvent = {
  event: 'matrix',
  name: 'fox',
  out: '/o',
  axes: RECORD.axes,
  cells: ['rococo-1', 'wood-1'],
  jobs: 2,
};
const starts = (cell: string, index: number): MatrixEvent => ({
  event: 'cell',
  cell,
  index,
  count: 2,
  values: {},
  out: `/o/${cell}`,
});
const progress = (cell: string, step: number): MatrixEvent => ({
  event: 'progress',
  cell,
  stage: 'train',
  step,
  steps: 100,
  metrics: { loss: 0.125 },
  perSecond: 2,
  secondsLeft: (100 - step) / 2,
});
const END: MatrixEvent = {
  event: 'cell-end',
  cell: 'rococo-1',
  status: 'failed',
  seconds: 3,
  error: 'as asked',
};

/** What was written, and the screen that a terminal would show in the end. */
function printed(isTTY: boolean, events: [number, MatrixEvent][], columns = 50) {
  let text = '';
  let now = 0;
  const print = matrixPrinter({ isTTY, columns, write: (part) => (text += part) }, () => now);
  for (const [at, event] of events) {
    now = at;
    print(event);
  }
  return { text, screen: shownBy(text) };
}

/** A terminal that knows what the printer uses: line feeds, up, and clear to the end. */
function shownBy(text: string): string[] {
  const lines = [''];
  let row = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal's own language.
  for (const [, up, clear, plain] of text.matchAll(/\x1b\[(\d+)A|(\x1b\[J)|([^\x1b])/g)) {
    if (up) row -= Number(up);
    else if (clear) {
      lines.length = row + 1;
      lines[row] = '';
    } else if (plain === '\n') lines[++row] ??= '';
    else if (plain !== '\r') lines[row] += plain;
  }
  return lines;
}

test('the table has the cells, how they ended and their scores', () => {
  assert.is(
    matrixTable(RECORD),
    [
      'cell               status        time    psnr    clip  ssim',
      'rococo-1           done          3:05  17.511  33.038',
      'wood-1             done         4.0 s            -9.5  0.71',
      'day-of-the-dead-1  failed       0.5 s',
      'last               not started',
    ].join('\n'),
  );
});

test('on a terminal the running cells have a line each, below what stays', () => {
  const before: [number, MatrixEvent][] = [
    [0, MATRIX],
    [0, starts('rococo-1', 0)],
    [0, starts('wood-1', 1)],
    [1, progress('rococo-1', 10)],
    [2, progress('wood-1', 30)],
    [2.01, progress('wood-1', 31)],
    [3, { event: 'warn', cell: 'wood-1', stage: 'train', text: 'repaired' }],
  ];
  assert.equal(printed(true, before).screen, [
    'fox: 2 cells of prompt (2) × seed (1), 2 at a time',
    'wood-1    train: warning: repaired',
    'rococo-1  train  10/100  2.00 it/s  loss 0.125  4',
    'wood-1    train  31/100  2.00 it/s  loss 0.125  3',
    '',
  ]);
  const after = printed(true, [...before, [4, END]]).screen;
  assert.equal(after.slice(2), [
    'rococo-1  failed after 3.0 s: as asked',
    'wood-1    train  31/100  2.00 it/s  loss 0.125  3',
    '',
  ]);
});

test('elsewhere every line names its cell, and progress comes now and then', () => {
  const { text } = printed(false, [
    [0, MATRIX],
    [0, starts('rococo-1', 0)],
    [0, { event: 'note', cell: 'rococo-1', stage: 'load', text: '43 views' }],
    [1, { event: 'cached', cell: 'rococo-1', stage: 'load', key: 'k', seconds: 3 }],
    [2, { event: 'wait', cell: 'rococo-1', stage: 'train', text: 'waits for process 7' }],
    [3, progress('rococo-1', 1)],
    [13, progress('rococo-1', 20)],
    [14, progress('rococo-1', 21)],
    [15, { event: 'done', cell: 'rococo-1', stage: 'train', seconds: 12 }],
    [16, { event: 'stopping', why: 'SIGINT' }],
    [17, END],
  ]);
  assert.is(
    text,
    [
      'fox: 2 cells of prompt (2) × seed (1), 2 at a time',
      'rococo-1  starts (1 of 2)',
      'rococo-1  load  cached',
      'rococo-1  train  waits for process 7',
      'rococo-1  train  20/100  2.00 it/s  loss 0.125  40 s left',
      'rococo-1  train  done in 12 s',
      'stopping (SIGINT): the running cells save first',
      'rococo-1  failed after 3.0 s: as asked',
      '',
    ].join('\n'),
  );
});

test('the end is a table and where to look', () => {
  const { text } = printed(false, [[0, { event: 'matrix-result', out: '/o/fox', record: RECORD }]]);
  assert.match(
    text,
    /^\ncell +status[\s\S]*\n\n2 of 4 cells done in 3:20\. Results in \/o\/fox, all scores in matrix\.json there\.\n$/,
  );
});

test.run();
