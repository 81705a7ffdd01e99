import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Gpu, Readback, type ReadbackPart, type ReadbackSlot } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';

const WORDS = 1000;
const filled = (value: number, words = WORDS) => new Uint32Array(words).fill(value);
const wordsOf = (bytes: Uint8Array) => [
  ...new Uint32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / 4),
];

const transfers = (gpu: Gpu) =>
  gpu.ledger
    .rows()
    .filter(({ stage, purpose }) => stage === 'readback' && purpose === 'checkpoints')
    .map(({ direction, bytes }) => ({ direction, bytes }));

test('a slot holds the buffers as they were at that point of the queue, though later work overwrites them', () =>
  withGpu(async (gpu, arena) => {
    const { stage } = gpu.ledger;
    gpu.ledger.stage = 'readback';
    const readback = new Readback(gpu, 'test');
    const a = arena.upload('a', filled(1), 'test');
    const b = arena.upload('b', filled(2), 'test');
    const other = arena.upload('other', filled(9), 'test');
    const parts = {
      a: { buffer: a, bytes: 4 * WORDS },
      b: { buffer: b, bytes: 12 },
      none: { buffer: b, bytes: 0 },
    };
    const first = (await readback.capture(parts))!;
    gpu.run('test', (recorder) => recorder.copy(other, a).copy(other, b));
    const second = (await readback.capture(parts))!;
    gpu.write(a, filled(5), 'test');
    assert.is(await readback.capture(parts), undefined, 'both slots are taken');
    assert.equal(transfers(gpu), [], 'nothing was waited for');

    const before = await first.read();
    const after = await second.read();
    assert.equal(Object.keys(before), ['a', 'b', 'none']);
    assert.equal(wordsOf(before.a), [...filled(1)]);
    assert.equal(wordsOf(before.b), [2, 2, 2]);
    assert.is(before.none.length, 0);
    assert.equal(wordsOf(after.a), [...filled(9)]);
    assert.equal(transfers(gpu), [{ direction: 'down', bytes: 2 * (4 * WORDS + 12) }]);
    assert.is(await readback.capture(parts), undefined, 'what was read is taken until it is released');
    first.release();
    first.release();
    const third = (await readback.capture(parts))!;
    assert.equal(wordsOf((await third.read()).a), [...filled(5)]);
    second.release();
    third.release();
    readback.destroy();
    gpu.ledger.stage = stage;
  }));

test('staging buffers are created once, and again only if a part outgrows them', () =>
  withGpu(async (gpu, arena) => {
    const made: string[] = [];
    const { device } = gpu;
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      made.push(descriptor.label!);
      return createBuffer(descriptor);
    };
    try {
      const buffers = [arena.upload('a', filled(1), 'test'), arena.upload('b', filled(2), 'test')];
      made.length = 0;
      const readback = new Readback(gpu, 'test');
      const capture = async (a: number, b: number) => {
        const [first, second] = buffers;
        const slot = (await readback.capture({
          a: { buffer: first, bytes: a },
          b: { buffer: second, bytes: b },
        }))!;
        const { a: words } = await slot.read();
        assert.equal(wordsOf(words), [...filled(1, a / 4)]);
        slot.release();
        return made.splice(0);
      };
      assert.equal(await capture(400, 800), ['test/readback/a', 'test/readback/b']);
      assert.equal(await capture(400, 800), []);
      assert.equal(await capture(480, 600), [], 'there is some room to grow');
      assert.equal(await capture(2000, 800), ['test/readback/a']);
      const bytes = readback.stagingBytes;
      assert.ok(bytes >= 2800 && bytes <= 1.25 * 2800, `${bytes}`);
      readback.destroy();
      assert.is(readback.stagingBytes, 0);
    } finally {
      device.createBuffer = createBuffer;
    }
  }));

test('staging stays within its limit: a second copy waits for the first, a larger one is read in pieces', () =>
  withGpu(async (gpu, arena) => {
    const numbers = Uint32Array.from({ length: WORDS }, (_, i) => i);
    const a = arena.upload('a', numbers, 'test');
    const b = arena.upload('b', filled(7), 'test');
    const both = { a: { buffer: a, bytes: 4 * WORDS }, b: { buffer: b, bytes: 40 } };

    const tight = new Readback(gpu, 'test', { limit: 6 * WORDS });
    const slot = (await tight.capture(both))!;
    assert.is(await tight.capture(both), undefined, 'no memory for the second');
    assert.equal(wordsOf((await slot.read()).a), [...numbers]);
    slot.release();
    const again = (await tight.capture(both))!;
    assert.ok(tight.stagingBytes <= 6 * WORDS);
    again.release();
    tight.destroy();

    const tiny = new Readback(gpu, 'test', { limit: 330 });
    const pieces = (await tiny.capture(both))!;
    gpu.write(a, filled(0), 'test');
    assert.is(tiny.stagingBytes, 0);
    assert.is(await tiny.capture(both), undefined);
    const read = await pieces.read();
    assert.equal(wordsOf(read.a), [...numbers], 'it was read before capture resolved');
    assert.equal(wordsOf(read.b), [...filled(7, 10)]);
    pieces.release();
    const small = (await tiny.capture({ b: both.b }))!;
    assert.equal(wordsOf((await small.read()).b), [...filled(7, 10)], 'what fits is staged');
    assert.ok(tiny.stagingBytes > 0);
    small.release();
    tiny.destroy();
  }));

/** Waits for deliveries: mappings resolve after the queue's own promise. */
async function delivered(gpu: Gpu, done: () => boolean): Promise<void> {
  await gpu.settle();
  for (let i = 0; i < 40 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
}

const metricsRow = (gpu: Gpu) =>
  gpu.ledger
    .rows()
    .find(
      ({ stage, purpose, direction }) => stage === 'sample' && purpose === 'metrics' && direction === 'down',
    );

test('a sample is the buffer as it was at that point, is skipped when no slot is free, and counts as metrics', () =>
  withGpu(async (gpu, arena) => {
    const { stage } = gpu.ledger;
    gpu.ledger.stage = 'sample';
    const readback = new Readback(gpu, 'test', { slots: 2, purpose: 'metrics' });
    const source = arena.upload('source', new Uint32Array([1, 2, 3]), 'test');
    const other = arena.upload('other', new Uint32Array([7, 8, 9]), 'test');
    const seen: number[][] = [];
    const show = ({ part }: Record<string, Uint8Array>) => void seen.push(wordsOf(part));
    const part = (buffer: GPUBuffer): { part: ReadbackPart } => ({ part: { buffer, bytes: 8 } });
    const slots: (ReadbackSlot | undefined)[] = [];
    gpu.run('test', (recorder) => {
      slots.push(readback.record(recorder, part(source)));
      recorder.copy(other, source, 12);
      slots.push(readback.record(recorder, part(source)));
      slots.push(readback.record(recorder, part(source)));
    });
    assert.is(slots[2], undefined, 'both slots are in flight');
    assert.is(metricsRow(gpu), undefined, 'nothing crosses before it is submitted');
    for (const slot of slots) slot?.deliver(show);
    assert.equal(seen, [], 'nothing is waited for');
    await delivered(gpu, () => seen.length >= 2);
    assert.equal(seen, [
      [1, 2],
      [7, 8],
    ]);
    assert.equal(metricsRow(gpu), {
      stage: 'sample',
      purpose: 'metrics',
      direction: 'down',
      bytes: 16,
      transfers: 2,
      largest: 8,
    });

    let again: ReadbackSlot | undefined;
    gpu.run('test', (recorder) => {
      again = readback.record(recorder, part(other));
    });
    again!.deliver(show);
    await delivered(gpu, () => seen.length >= 3);
    assert.equal(seen[2], [7, 8], 'slots are free again');
    assert.is(metricsRow(gpu)!.bytes, 24);
    readback.destroy();
    gpu.ledger.stage = stage;
  }));

test('a readback that is destroyed in the meantime delivers nothing and causes no error', () =>
  withGpu(async (gpu, arena) => {
    const readback = new Readback(gpu, 'test', { purpose: 'metrics' });
    const source = arena.upload('source', new Uint32Array([5]), 'test');
    let calls = 0;
    let slot: ReadbackSlot | undefined;
    gpu.run('test', (recorder) => {
      slot = readback.record(recorder, { part: { buffer: source, bytes: 4 } });
    });
    slot!.deliver(() => calls++);
    readback.destroy();
    await delivered(gpu, () => calls > 0);
    assert.is(calls, 0);
    gpu.check();
  }));

test.run();
