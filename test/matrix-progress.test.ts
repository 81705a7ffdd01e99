/** The progress of a matrix: the lines of its running cells, and the table at the end. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CellRecord, MatrixEvent, MatrixRecord } from '../pipeline/matrix/record.ts';
import { printed, shownBy } from './helpers/terminal.ts';

const cellRecord = (name: string, more: Partial<CellRecord>): CellRecord => ({
  name,
  values: {},
  folder: name,
  status: 'done',
  scores: [],
  ...more,
});

const score = (name: string, value: number) => ({ name, value, unit: '', over: '' });

const CELLS = [
  cellRecord('rococo-1', {
    seconds: 185,
    scores: [score('psnr', 17.510823), score('psnr.before', 20), score('clip', 33.037675)],
  }),
  cellRecord('wood-1', {
    seconds: 4,
    scores: [
      ...[score('clip', -9.5), score('judge.clip', 21.5), score('judge.clip.before', 20)],
      ...[score('consistency.long', 0.1), score('consistency.long.covisible', 0.9)],
    ],
  }),
  cellRecord('day-of-the-dead-1', { status: 'failed', seconds: 0.5, error: 'as asked' }),
  cellRecord('last', { status: 'not started' }),
];

const RECORD: MatrixRecord = {
  format: 1,
  status: 'failed',
  name: 'fox',
  command: 'npx splatline run p.yaml',
  cwd: '/',
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
const cellProgress = (cell: string, step: number): MatrixEvent => ({
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

test('the table has the cells, how they ended and their scores', () => {
  const text = printed(false, [[0, { event: 'matrix-result', out: '/o/fox', record: RECORD }]]);
  assert.equal(text.split('\n').slice(1, 6), [
    'cell               status       time   psnr    clip    judge.clip  consistency.long',
    'rococo-1           done         3:05   17.511  33.038',
    'wood-1             done         4.0 s          -9.5    21.5        0.1',
    'day-of-the-dead-1  failed       0.5 s',
    'last               not started',
  ]);
});

test('on a terminal the running cells have a line each, below the permanent lines', () => {
  const before: [number, MatrixEvent][] = [
    [0, MATRIX],
    [0, starts('rococo-1', 0)],
    [0, starts('wood-1', 1)],
    [1, cellProgress('rococo-1', 10)],
    [2, cellProgress('wood-1', 30)],
    [2.01, cellProgress('wood-1', 31)],
    [3, { event: 'warn', cell: 'wood-1', stage: 'train', text: 'repaired' }],
  ];
  assert.equal(shownBy(printed(true, before, 50)), [
    'fox: 2 cells of prompt (2) × seed (1), 2 at a time',
    'wood-1    train  warning: repaired',
    'rococo-1  train  ░░░░░░░░  10%  45 s left',
    'wood-1    train  ██░░░░░░  31%  35 s left',
    '',
  ]);
  const after = shownBy(printed(true, [...before, [4, END]], 50));
  assert.equal(after.slice(2), [
    'rococo-1  failed after 3.0 s: as asked',
    'wood-1    train  ██░░░░░░  31%  35 s left',
    '',
  ]);
});

test('elsewhere every line names its cell, and progress is printed occasionally', () => {
  const text = printed(false, [
    [0, MATRIX],
    [0, starts('rococo-1', 0)],
    [0, { event: 'note', cell: 'rococo-1', stage: 'load', text: '43 views' }],
    [1, { event: 'cached', cell: 'rococo-1', stage: 'load', key: 'k', seconds: 3 }],
    [2, { event: 'wait', cell: 'rococo-1', stage: 'train', text: 'waits for process 7' }],
    [3, cellProgress('rococo-1', 1)],
    [13, cellProgress('rococo-1', 20)],
    [14, cellProgress('rococo-1', 21)],
    [15, { event: 'done', cell: 'rococo-1', stage: 'train', seconds: 12 }],
    [16, { event: 'stopping', why: 'SIGINT' }],
    [17, END],
  ]);
  assert.is(
    text,
    [
      'fox: 2 cells of prompt (2) × seed (1), 2 at a time',
      'rococo-1  starts (1 of 2)',
      'rococo-1  load  cached (took 3.0 s)',
      'rococo-1  train  waits for process 7',
      'rococo-1  train  20/100  2.00 it/s  loss 0.125  40 s left',
      'rococo-1  train  done in 12 s, 21 steps, 1.75 it/s, loss 0.125',
      'stopping (SIGINT): the running cells save first',
      'rococo-1  failed after 3.0 s: as asked',
      '',
    ].join('\n'),
  );
});

test('the end is a table and the folder of the results', () => {
  const text = printed(false, [[0, { event: 'matrix-result', out: '/o/fox', record: RECORD }]]);
  assert.match(
    text,
    /^\ncell +status[\s\S]*\n\n2 of 4 cells done in 3:20\. Results in \/o\/fox, all scores in matrix\.json there\.\n$/,
  );
});

test('the line of a download disappears when the cells of a matrix start', () => {
  const fetched = {
    event: 'fetch',
    model: 'owner/clip',
    bytes: 8,
    total: 8,
    perSecond: 1,
    secondsLeft: 0,
  } as const;
  const lines = shownBy(
    printed(true, [
      [0, fetched],
      [1, MATRIX],
    ]),
  );
  assert.not.match(lines.join('\n'), 'owner/clip');
});

test.run();
