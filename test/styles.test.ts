/** The table of restylings at its smallest: one prompt, two configurations, a tiny model that is also its own judge. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { type Cell, summaryOf } from './styles/report.ts';

const folder = scratchFolder();
const script = fileURLToPath(new URL('styles/run.ts', import.meta.url));
const tiny = fileURLToPath(new URL('data/clip-tiny', import.meta.url));
const configurations = ['paper', 'wall-without-patch'];
const args = [
  ...['--prompts', 'wood', '--configurations', configurations.join(), '--model', tiny, '--judge', tiny],
  ...['--steps', '2', '--set', 'train.steps=2', '--set', 'load.downscale=8', '--set', 'orbit.frames=8'],
  ...['--out', folder, '--json', join(folder, 'styles.json'), '--sheet', join(folder, 'sheets')],
];

test('prints a row for each configuration; a second run restyles nothing and prints the same rows', async () => {
  const run = async () => (await $`${process.execPath} --import tsx ${script} ${args}`).stdout.split('\n');
  const first = await run();
  const rows = first.filter((line) => line.startsWith('| playbot '));
  assert.equal(
    rows.map((row) => row.split(' | ')[2]),
    configurations,
  );
  for (const row of rows) assert.not(row.includes('–'), row);
  assert.ok(first.includes('2 of 2 restylings ran now'));
  assert.ok(existsSync(join(folder, 'sheets/playbot.png')));
  const { cells } = JSON.parse(readFileSync(join(folder, 'styles.json'), 'utf8')) as { cells: Cell[] };
  assert.is(cells[0].scores['judge.clip'], cells[0].scores.clip);

  const second = await run();
  // The first run's seconds include the saving of the result, those of the store do not.
  const figures = (row: string) => row.split(' | ').slice(0, -1);
  assert.equal(second.filter((line) => line.startsWith('| playbot ')).map(figures), rows.map(figures));
  assert.ok(second.includes('0 of 2 restylings ran now'));
});

const ONE = ['--configurations', 'paper-without-patch'];
const refusals: [what: string, options: string[], message: RegExp][] = [
  ['configuration', ONE, /^--configurations: paper-without-patch is none of paper, wall, wall-without-clip/],
  ['stage', ['--set', 'stlye.steps=1'], /^--set: stlye is none of load, init, train, stylize, orbit, score/],
];
for (const [what, options, message] of refusals) {
  test(`refuses a ${what} that does not exist`, async () => {
    const { exitCode, stderr } = await $({
      nothrow: true,
    })`${process.execPath} --import tsx ${script} ${options}`;
    assert.is(exitCode, 2);
    assert.match(stderr, message);
  });
}

test('counts by configuration, against paper for the same prompt', () => {
  const cell = (
    configuration: string,
    prompt: string,
    clip: number,
    rank: number,
    structure: number,
  ): Cell => ({
    ...{ capture: 'fox', prompt, configuration, seconds: 1, hasRun: false, folder: '' },
    scores: { 'judge.clip': clip, 'judge.rank': rank, structure },
  });
  const lines = summaryOf([
    cell('paper', 'gold', 30, 1, 0.9),
    cell('paper', 'ice', 20, 2, 0.7),
    cell('wall', 'gold', 29, 3, 0.8),
    cell('wall', 'ice', 21, 1, 0.79),
  ]);
  assert.equal(lines, [
    'paper: the judge names the right prompt on 1 of 2; structure is at least 0.8 on 1 of 2',
    "wall: the judge names the right prompt on 1 of 2; structure is at least 0.8 on 1 of 2; it beats paper in the judge's score on 1 of 2",
    '0 of 4 restylings ran now',
  ]);
});

test.run();
