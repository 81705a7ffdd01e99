/**
 * Reads files with random changes, N of them, and says how each reader fared. A reader may load such a file or refuse it with one
 * sentence that names it; everything else is a fault: another error, a hang, memory beyond the size of the file, a written file.
 *
 *     npm run fuzz -- N [--seed S] [--first I] [--only NAME]
 *
 * --first   the number of the first case: `npm run fuzz -- 1 --first 812 --seed 7` repeats one
 * --only    targets whose name contains this
 */
import { parseArgs } from 'node:util';
import { targetOf } from './cases.ts';
import { fuzz } from './fuzz.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean' },
  },
});
const [count, seed, first] = [positionals[0] ?? '1000', values.seed, values.first].map(Number);
console.log(`seed ${seed}, cases ${first} to ${first + count - 1}`);

interface Row {
  cases: number;
  loaded: number;
  refused: number;
  faults: number;
  slowest: number;
  most: number;
}
const rows = new Map<string, Row>();
function* indices() {
  for (let index = first; index < first + count; index++)
    if (targetOf(index).name.includes(values.only)) yield index;
}
for await (const { index, target, verdict, fault, message, milliseconds, megabytes } of fuzz(seed, indices)) {
  const row = rows.get(target) ?? { cases: 0, loaded: 0, refused: 0, faults: 0, slowest: 0, most: 0 };
  rows.set(target, row);
  row.cases++;
  row[verdict === 'fault' ? 'faults' : verdict]++;
  row.slowest = Math.max(row.slowest, milliseconds);
  row.most = Math.max(row.most, megabytes);
  if (verdict === 'fault') console.log(`case ${index}, ${target}: ${fault}\n  ${message ?? ''}`);
  else if (values.verbose) console.log(`case ${index}, ${target}: ${verdict} ${message ?? ''}`);
}
console.log('\ncases loaded refused faults  slowest  memory  reader');
for (const [target, row] of rows) {
  const numbers = [row.cases, row.loaded, row.refused, row.faults].map((value) => String(value).padStart(6));
  const [slowest, most] = [`${row.slowest.toFixed(0)} ms`, `${row.most.toFixed(0)} MB`];
  console.log(`${numbers.join(' ')} ${slowest.padStart(9)} ${most.padStart(7)}  ${target}`);
}
const faults = [...rows.values()].reduce((sum, row) => sum + row.faults, 0);
console.log(`${faults} faults`);
process.exitCode = faults ? 1 : 0;
