/**
 * Runs every test file in its own process, two at a time, and adds up uvu's counts. The last line says
 * `N passed, N failed`. A file that crashes, hangs or runs no test counts as a failure.
 *
 *     npm test [-- NAME…]     only files whose name contains one of the words
 *     JOBS=4 npm test         more at a time
 */
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { $ } from './helpers/shell.ts';

const FILE_TIMEOUT = '10m';
/** Takes minutes and lies in the middle of the list, where it would run last and alone. */
const FIRST = 'lint.test.ts';

interface Outcome {
  file: string;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
  output: string;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const words = process.argv.slice(2);
const files = (await readdir(new URL('./', import.meta.url)))
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => !words.length || words.some((word) => name.includes(word)))
  .sort();
const jobs = Math.max(1, Number(process.env.JOBS) || 2);

const start = performance.now();
const outcomes: Outcome[] = [];
// From both ends: neighbours in the alphabet compile the same kernels, and side by side they would do so twice.
const queue = [...files].sort((a, b) => Number(b === FIRST) - Number(a === FIRST));
await Promise.all(
  Array.from({ length: jobs }, async (_, job) => {
    const next = () => (job % 2 ? queue.pop() : queue.shift());
    for (let file = next(); file; file = next()) {
      const outcome = await runFile(file);
      outcomes.push(outcome);
      print(outcome);
    }
  }),
);

const sum = (key: 'passed' | 'failed' | 'skipped') =>
  outcomes.reduce((total, outcome) => total + outcome[key], 0);
const failed = sum('failed') + (files.length ? 0 : 1);
const seconds = Math.round((performance.now() - start) / 1000);
console.log(`\n${files.length} files in ${seconds} s${sum('skipped') ? `, ${sum('skipped')} skipped` : ''}`);
if (!files.length) console.log(`no test file matches ${words.join(', ')}`);
console.log(`${sum('passed')} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

async function runFile(file: string): Promise<Outcome> {
  const began = performance.now();
  const result = await $({
    cwd: root,
    nothrow: true,
    timeout: FILE_TIMEOUT,
    env: { ...process.env, FORCE_COLOR: '0' },
  })`
    ${process.execPath} --import tsx ${`test/${file}`}`;
  const output = `${result.stdout}${result.stderr}`;
  const count = (name: string) =>
    Number(new RegExp(`^ {2}${name}: +(\\d+)`, 'm').exec(result.stdout)?.[1] ?? Number.NaN);
  const [total, passed, skipped] = [count('Total'), count('Passed'), count('Skipped')];
  const finished = total + skipped > 0; // not so for NaN
  if (finished && total === 0) console.log(`note: every test of ${file} is skipped`);
  // A process that fails though its tests passed has failed after them: a crash on the way out is a failure, too.
  const crashed = result.exitCode !== 0 && passed === total;
  return {
    file,
    passed: finished ? passed : 0,
    failed: finished ? total - passed + (crashed ? 1 : 0) : 1,
    skipped: finished ? skipped : 0,
    seconds: (performance.now() - began) / 1000,
    output: finished && !crashed ? output : `${output}\n${ending(result.exitCode, result.signal, finished)}`,
  };
}

function ending(code: number | null, signal: string | null, finished: boolean): string {
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  return finished ? `The process ${how} after its tests.` : `The process ${how} and reported no test.`;
}

function print({ file, passed, failed, skipped, seconds, output }: Outcome): void {
  const skips = skipped ? `, ${skipped} skipped` : '';
  console.log(
    `${failed ? 'FAIL' : 'ok  '} ${file}  ${passed} passed, ${failed} failed${skips}  ${seconds.toFixed(1)} s`,
  );
  const lines = output.split('\n').filter((line) => /^(skipped|warning)\b/.test(line));
  if (failed) console.log(output.replace(/^/gm, '     | '));
  else for (const line of lines) console.log(`     ${line}`);
}
