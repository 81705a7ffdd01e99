import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePicture } from '../pipeline/golden/picture.ts';
import { failures, type Report } from '../pipeline/golden/report.ts';
import { faultyCopy, golden, ROOT, reportOf, TINY, twoAtATime } from './golden/bench.ts';
import { FAULTS } from './golden/faults.ts';
import { scratchFolder } from './helpers/scratch.ts';

interface Found {
  name: string;
  /** By `golden check` on the adapter that recorded: its exit code. */
  exitCode: number | null;
  stderr: string;
  report: Report;
}

const folder = scratchFolder();
const found = new Map<string, Found>();

/** The failures of the same run when judged as on another adapter. */
const foreignFailures = ({ report }: Found) => failures({ ...report, mode: 'tolerance' });

// Outside of `test.before`: uvu swallows an error that is thrown there.
await writeFile(join(folder, 'tiny.yaml'), TINY);
const recorded = await golden(
  ROOT,
  ['record', 'tiny.yaml', '--frames', '4', '--size', '96', '--out', 'recorded'],
  folder,
);
assert.is(recorded.exitCode, 0, recorded.stderr);
const check = async (name: string, root: string): Promise<Found> => {
  const outcome = await golden(root, ['check', 'tiny.yaml', '--json'], folder);
  return { name, exitCode: outcome.exitCode, stderr: outcome.stderr, report: reportOf(outcome) };
};
const outcomes = await twoAtATime([
  () => check('no fault', ROOT),
  ...FAULTS.map(
    (fault, i) => async () => check(fault.name, await faultyCopy(join(folder, `fault-${i}`), fault)),
  ),
]);
for (const outcome of outcomes) found.set(outcome.name, outcome);

test('without a fault there is no regression, by bytes', () => {
  const { exitCode, report } = found.get('no fault')!;
  assert.is(exitCode, 0);
  assert.is(report.mode, 'bytes');
  assert.equal(failures(report), []);
});

test('without a fault there is no regression, by tolerance', () => {
  assert.equal(foreignFailures(found.get('no fault')!), []);
});

for (const { name } of FAULTS) {
  test(`caught on the recording adapter: ${name}`, () => {
    const { exitCode, stderr, report } = found.get(name)!;
    assert.is(report.mode, 'bytes', 'another adapter answered');
    assert.is(exitCode, 1, stderr);
    assert.match(stderr, /are not as recorded/);
    assert.not.match(stderr, /\n {4}at /, 'a regression is reported without a stack');
  });
}

test('docs/golden.md lists the verdict on each fault', async () => {
  const docs = await readFile(join(ROOT, 'docs/golden.md'), 'utf8');
  const table = FAULTS.map((fault) => {
    const elsewhere = foreignFailures(found.get(fault.name)!);
    return `| ${fault.name} | caught | ${elsewhere.length ? 'caught' : 'missed'} |`;
  });
  const missing = table.filter((row) => !docs.includes(row));
  assert.equal(missing, [], 'measured rows that docs/golden.md lacks');
});

test('a refused recording names the fix and leaves the old one unchanged', async () => {
  const before = await readFile(join(folder, 'tiny.golden/golden.json'), 'utf8');
  await writeFile(join(folder, 'tiny.yaml'), TINY.replace(/ {2}- (orbit|score).*\n/g, ''));
  const refused = await golden(ROOT, ['record', 'tiny.yaml'], folder);
  await writeFile(join(folder, 'tiny.yaml'), TINY);
  assert.is(refused.exitCode, 2);
  assert.match(
    refused.stderr,
    /golden renders need a stage that renders a turntable: add orbit \(found load/,
  );
  assert.is(await readFile(join(folder, 'tiny.golden/golden.json'), 'utf8'), before);
  const left = (await readdir(folder)).filter((name) => /golden\.(partial|old)/.test(name));
  assert.equal(left, []);
});

test('an edited pipeline file fails with one sentence', async () => {
  await writeFile(join(folder, 'tiny.yaml'), TINY.replace('steps: 20', 'steps: 22'));
  const { exitCode, stdout, stderr } = await golden(ROOT, ['check', 'tiny.yaml'], folder);
  await writeFile(join(folder, 'tiny.yaml'), TINY);
  assert.is(exitCode, 1);
  const expected = 'tiny.yaml: the file changed: train.steps 20 → 22; record again if this is intended\n';
  assert.ok(stderr.endsWith(expected), stderr);
  assert.not.match(stdout, 'required');
});

test('a check that cannot run is an error before anything runs', async () => {
  await writeFile(join(folder, 'bare.yaml'), 'stages:\n  - load: { ply: none.ply }\n');
  const [file] = await readdir(join(folder, 'tiny.golden/frames'));
  const frame = join(folder, 'tiny.golden/frames', file);
  const bytes = await readFile(frame);
  const ran = (args: string[]) => golden(ROOT, args, folder);
  const bare = await ran(['check', 'bare.yaml']);
  assert.is(bare.exitCode, 2);
  assert.match(bare.stderr, /no golden renders were recorded.*splatline golden record bare\.yaml/);
  await writeFile(frame, encodePicture({ width: 16, height: 16, rgb: new Uint8Array(768) }));
  const damaged = await ran(['check', 'tiny.yaml']);
  await writeFile(frame, bytes);
  assert.is(damaged.exitCode, 2);
  assert.match(damaged.stderr, `${file}: differs from the recording: restore it from git, or record again`);
});

test.run();
