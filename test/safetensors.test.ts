import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readSafetensors } from '../stages/clip/safetensors.ts';
import { InputError } from '../wgsl/core/index.ts';

let folder: string;
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
test.after(() => rm(folder, { recursive: true }));

type Head = Record<string, unknown> | string;

function pack(header: Head, data: Uint8Array | number, announced?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const body = typeof data === 'number' ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, announced ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

async function written(bytes: Uint8Array): Promise<string> {
  const path = join(folder, 'x.safetensors');
  await writeFile(path, bytes);
  return path;
}

test('reads every dtype', async () => {
  const data = new Uint8Array(4 + 8 + 4 + 4 + 8);
  const view = new DataView(data.buffer);
  view.setFloat32(0, 1.5, true);
  [0x3c00, 0xc100, 0x0001, 0x7bff].forEach((bits, i) => {
    view.setUint16(4 + 2 * i, bits, true);
  });
  [0x3f80, 0xc049].forEach((bits, i) => {
    view.setUint16(12 + 2 * i, bits, true);
  });
  view.setInt32(16, -7, true);
  view.setBigInt64(20, -9n, true);
  const path = await written(
    pack(
      {
        a: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
        b: { dtype: 'F16', shape: [2, 2], data_offsets: [4, 12] },
        c: { dtype: 'BF16', shape: [2], data_offsets: [12, 16] },
        d: { dtype: 'I32', shape: [1], data_offsets: [16, 20] },
        e: { dtype: 'I64', shape: [1], data_offsets: [20, 28] },
        __metadata__: { format: 'pt' },
      },
      data,
    ),
  );
  const { tensors, metadata } = await readSafetensors(path);
  const values = (name: string) => [...tensors.get(name)!.data];
  assert.equal(values('a'), [1.5]);
  assert.equal(values('b'), [1, -2.5, 2 ** -24, 65504]);
  assert.equal(tensors.get('b')!.shape, [2, 2]);
  assert.equal(values('c'), [1, -3.140625]);
  assert.equal([values('d'), values('e')], [[-7], [-9]]);
  assert.equal(metadata, { format: 'pt' });
});

const f32 = (shape: unknown, data_offsets: unknown, dtype: unknown = 'F32') => ({
  x: { dtype, shape, data_offsets },
});
const hostile: [string, Uint8Array, RegExp][] = [
  ['empty', new Uint8Array(0), /0 bytes long/],
  ['short', new Uint8Array(7), /7 bytes long/],
  ['huge header length', pack('{}', 0, 2n ** 63n), /truncated or is not safetensors/],
  ['header beyond the file', pack('{}', 0, 3n), /header of 3 bytes .* 2 follow/],
  ['not JSON', pack('{x', 0), /bytes 8–10: the header is not JSON/],
  ['not UTF-8', pack('{}', new Uint8Array([255]), 3n), /not JSON/],
  ['not an object', pack('[]', 0), /not a JSON object/],
  ['entry not an object', pack({ x: 3 }, 0), /tensor "x": its entry/],
  ['unknown dtype', pack(f32([1], [0, 4], 'F8'), 4), /dtype "F8" is not one of F32/],
  ['dtype of the prototype', pack(f32([1], [0, 4], 'toString'), 4), /dtype "toString"/],
  ['negative shape', pack(f32([-1], [0, 4]), 4), /shape \[-1\]/],
  ['fractional shape', pack(f32([1.5], [0, 6]), 6), /shape \[1\.5\]/],
  ['shape too large', pack(f32([2 ** 40, 2 ** 40], [0, 4]), 4), /takes \S+ bytes, data_offsets span 4/],
  ['shape and bytes disagree', pack(f32([2], [0, 4]), 4), /F32 \[2\] takes 8 bytes/],
  ['offsets reversed', pack(f32([1], [4, 0]), 4), /truncated/],
  ['offsets beyond the file', pack(f32([2], [0, 8]), 4), /the file has \d+: it is truncated/],
  ['bytes left over', pack(f32([1], [0, 4]), 8), /tensors end at byte/],
  [
    'overlap',
    pack({ ...f32([2], [0, 8]), y: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }, 8),
    /"y" at byte \d+ overlaps/,
  ],
  ['gap', pack(f32([1], [4, 8]), 8), /leaves a gap/],
  ['I64 too large', pack(f32([1], [0, 8], 'I64'), new Uint8Array(8).fill(127)), /value 0 is \d+; 32-bit/],
];

for (const [name, bytes, expected] of hostile) {
  test(`refuses: ${name}`, async () => {
    const path = await written(bytes);
    const error = await readSafetensors(path).then(
      () => assert.unreachable('it was read'),
      (reason: unknown) => reason,
    );
    assert.instance(error, InputError);
    assert.match((error as Error).message, expected);
    assert.ok((error as Error).message.startsWith(path), 'names the file');
  });
}

test('every truncation of a good file is refused', async () => {
  const whole = pack({ ...f32([4], [0, 16]) }, 16);
  for (let length = 0; length < whole.length; length++) {
    const path = await written(whole.subarray(0, length));
    const error = await readSafetensors(path).catch((reason: unknown) => reason);
    assert.instance(error, InputError, `${length} bytes`);
  }
  assert.is((await readFile(await written(whole))).length, whole.length);
});

test('a folder and a missing file are refused', async () => {
  for (const path of [folder, join(folder, 'none.safetensors')]) {
    assert.instance(await readSafetensors(path).catch((reason: unknown) => reason), InputError);
  }
});

test.run();
