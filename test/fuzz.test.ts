/** A few hundred files with random changes, and archives that no writer of splats makes. */
import { deflateRawSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withFileBytes } from '../stages/artefacts/file-bytes.ts';
import { readSogArchive } from '../stages/artefacts/sog-check.ts';
import { checkSplatFile } from '../stages/artefacts/splat-file-check.ts';
import { fuzz } from './fuzz/fuzz.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { sogArchive, sogFiles, type ZipEntry, zip } from './helpers/splat-files.ts';
import { throwsInput } from './helpers/throws.ts';

const SEED = 3;
const CASES = 100;

test('whole inputs load, and changed ones load or are refused in one sentence with their file', async () => {
  const cases = (targets: number) => Array.from({ length: targets + CASES }, (_, i) => i - targets);
  const verdicts = { loaded: 0, refused: 0 };
  for await (const { index, target, verdict, fault, message } of fuzz(SEED, cases)) {
    if (verdict === 'fault')
      assert.unreachable(`case ${index} of seed ${SEED}, ${target}: ${fault}\n${message}`);
    else verdicts[verdict]++;
    if (index < 0) assert.is(verdict, 'loaded', `${target}: ${message}`);
  }
  assert.ok(verdicts.refused > CASES / 2, `${verdicts.refused} refused`);
});

const folder = scratchFolder();
const files = await sogFiles();
const entries: ZipEntry[] = Object.entries(files).map(([name, data]) => ({ name, data }));
const refuses = async (archive: Buffer, ...patterns: (string | RegExp)[]) => {
  const path = put(folder, 'a.sog', archive);
  await throwsInput(() => checkSplatFile(path), path, ...patterns);
};

test('the files of a SOG, stored or deflated', async () => {
  const read = (name: string, archive: Buffer) => withFileBytes(put(folder, name, archive), readSogArchive);
  const whole = await read('whole.sog', sogArchive(files));
  const deflated = entries.map(({ name, data }) => ({
    ...{ name, data: deflateRawSync(data), contents: data },
    method: 8,
  }));
  assert.equal([...whole], Object.entries(files));
  assert.equal(await read('deflated.sog', zip(deflated)), whole);
});

test('archives: names that lead out, links, doubles and encryption are refused', async () => {
  const data = Buffer.from('x');
  for (const name of ['../a', 'a/../../b', '/etc/passwd', '\\\\host\\a', '..\\a', 'C:\\a', 'c:a', 'a\0b'])
    await refuses(
      zip([...entries, { name, data }]),
      JSON.stringify(name),
      'leads out of the archive',
      /byte \d+/,
    );
  await refuses(zip([...entries, { name: 'a', data, mode: 0o120777 }]), '"a" is a link');
  await refuses(zip([...entries, entries[0]]), '"meta.json" is in the archive twice');
  await refuses(zip([...entries, { name: 'a', data, flags: 1 }]), '"a" is encrypted');
  await refuses(zip([...entries, { name: 'a', data, method: 12 }]), 'compressed by method 12');
  await refuses(zip([...entries, { name: 'a', data, size: 0xffffffff }]), 'zip64');
});

test('archives: bombs are refused before they expand', async () => {
  const zeros = Buffer.alloc(2 ** 24);
  const bomb = { method: 8, data: deflateRawSync(zeros), contents: zeros };
  await refuses(zip([...entries, { name: 'a', ...bomb }]), `declares ${2 ** 24} bytes from`);
  const [meta, ...pictures] = entries;
  // It declares little, and expands to more.
  await refuses(
    zip([{ name: 'meta.json', ...bomb, size: 100 }, ...pictures]),
    '"meta.json" is larger than the 100',
  );
  await refuses(zip([{ ...meta, size: 9, stored: 9 }, ...pictures]), 'checksum');
  // Two files at one place.
  const offset = 0;
  await refuses(zip([...entries, { ...meta, name: 'meta.jso2', offset }]), 'is not at byte 0');
  // An archive in the place of a picture.
  const nested = Buffer.concat([sogArchive(files)]);
  const replaced = entries.map((entry) => (entry.name === 'quats.webp' ? { ...entry, data: nested } : entry));
  await refuses(zip(replaced), 'quats.webp', 'is no WebP picture');
});

test('archives: cut short, damaged, and with counts that they do not have', async () => {
  const whole = sogArchive(files);
  await refuses(whole.subarray(0, whole.length - 30), 'no directory of a zip archive');
  await refuses(zip(entries, { count: 7 }), 'no record of file 6 of 7');
  await refuses(zip(entries, { count: 60_000 }), 'declares 60000 files');
  await refuses(whole.subarray(100), /puts the directory at bytes \d+ to \d+/);
  const damaged = Buffer.from(whole);
  damaged[whole.indexOf('"version"') + 3] ^= 1;
  await refuses(damaged, 'meta.json', 'another checksum');
});

test('a SOG must have the pictures for the Gaussians that it declares, beside meta.json', async () => {
  const text = files['meta.json'].toString();
  const changed = (from: string, to: string) => ({
    ...files,
    'meta.json': Buffer.from(text.replace(from, to)),
  });
  await refuses(sogArchive(changed('"count":16', '"count":16000000')), 'is 4×4, expected 16000000 pixels');
  await refuses(
    sogArchive(changed('"count":16', '"count":4000000000')),
    'declares 4000000000 Gaussians, not 1 to',
  );
  const nested = '['.repeat(1e5) + ']'.repeat(1e5);
  await refuses(sogArchive(changed('"count":16', `"count":${nested}`)), 'declares a value nested too deeply');
  for (const name of ['../../quats.webp', '/quats.webp', 'a/quats.webp', 'a\\\\quats.webp'])
    await refuses(
      sogArchive(changed('quats.webp', name)),
      'quats.files.0: expected the name of a file beside',
    );
  await refuses(sogArchive(changed('quats.webp', 'other.webp')), 'has no file "other.webp"');
  const meta = put(folder, 'sog/meta.json', changed('quats.webp', '../a.sog')['meta.json']);
  await throwsInput(() => checkSplatFile(meta), meta, 'quats.files.0');
});

test('four billion Gaussians in a small file are refused by its header', async () => {
  const header = Buffer.alloc(64);
  header.write('NGSP', 'latin1');
  header.writeUInt32LE(2, 4);
  header.writeUInt32LE(4e9, 8);
  const spz = put(folder, 'a.spz', header);
  await throwsInput(() => checkSplatFile(spz), spz, 'byte 8: declares 4000000000 Gaussians');
  header.writeUInt32LE(4, 4);
  header[15] = 5;
  header.writeUInt32LE(32, 16);
  await throwsInput(
    () => checkSplatFile(put(folder, 'b.spz', header)),
    'b.spz',
    'byte 15: declares 5 streams',
  );
  const ksplat = Buffer.alloc(4096 + 1024);
  ksplat[1] = 1;
  ksplat.writeUInt32LE(1, 4);
  ksplat.writeUInt32LE(4e9, 16);
  await throwsInput(
    () => checkSplatFile(put(folder, 'a.ksplat', ksplat)),
    'byte 16: declares 4000000000 Gaussians',
  );
});

test.run();
