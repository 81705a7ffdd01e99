import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Gpu, Snapshot } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';

const WORDS = 1000;
const filled = (value: number, words = WORDS) => new Uint32Array(words).fill(value);
const wordsOf = (bytes: Uint8Array) => [
  ...new Uint32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / 4),
];

const readBack = (gpu: Gpu) =>
  gpu.ledger
    .rows()
    .filter(({ stage, purpose }) => stage === 'snapshot' && purpose === 'checkpoints')
    .map(({ direction, bytes }) => ({ direction, bytes }));

test('a shot is the buffers as they were at that point of the queue, though later work overwrites them', () =>
  withGpu(async (gpu, arena) => {
    const { stage } = gpu.ledger;
    gpu.ledger.stage = 'snapshot';
    const snapshot = new Snapshot(gpu, 'test');
    const a = arena.upload('a', filled(1), 'test');
    const b = arena.upload('b', filled(2), 'test');
    const other = arena.upload('other', filled(9), 'test');
    const parts = {
      a: { buffer: a, bytes: 4 * WORDS },
      b: { buffer: b, bytes: 12 },
      none: { buffer: b, bytes: 0 },
    };
    const first = (await snapshot.take(parts))!;
    gpu.run('test', (recorder) => recorder.copy(other, a).copy(other, b));
    const second = (await snapshot.take(parts))!;
    gpu.write(a, filled(5), 'test');
    assert.is(await snapshot.take(parts), undefined, 'both slots are taken');
    assert.equal(readBack(gpu), [], 'nothing was waited for');

    const before = await first.read();
    const after = await second.read();
    assert.equal(Object.keys(before), ['a', 'b', 'none']);
    assert.equal(wordsOf(before.a), [...filled(1)]);
    assert.equal(wordsOf(before.b), [2, 2, 2]);
    assert.is(before.none.length, 0);
    assert.equal(wordsOf(after.a), [...filled(9)]);
    assert.equal(readBack(gpu), [{ direction: 'down', bytes: 2 * (4 * WORDS + 12) }]);
    assert.is(await snapshot.take(parts), undefined, 'what was read is taken until it is released');
    first.release();
    first.release();
    const third = (await snapshot.take(parts))!;
    assert.equal(wordsOf((await third.read()).a), [...filled(5)]);
    second.release();
    third.release();
    snapshot.destroy();
    gpu.ledger.stage = stage;
  }));

test('staging is made once, and anew only where a part has outgrown it', () =>
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
      const snapshot = new Snapshot(gpu, 'test');
      const shoot = async (a: number, b: number) => {
        const [first, second] = buffers;
        const shot = (await snapshot.take({
          a: { buffer: first, bytes: a },
          b: { buffer: second, bytes: b },
        }))!;
        const { a: words } = await shot.read();
        assert.equal(wordsOf(words), [...filled(1, a / 4)]);
        shot.release();
        return made.splice(0);
      };
      assert.equal(await shoot(400, 800), ['test/snapshot/a', 'test/snapshot/b']);
      assert.equal(await shoot(400, 800), []);
      assert.equal(await shoot(480, 600), [], 'there is some room to grow');
      assert.equal(await shoot(2000, 800), ['test/snapshot/a']);
      const bytes = snapshot.stagingBytes;
      assert.ok(bytes >= 2800 && bytes <= 1.25 * 2800, `${bytes}`);
      snapshot.destroy();
      assert.is(snapshot.stagingBytes, 0);
    } finally {
      device.createBuffer = createBuffer;
    }
  }));

test('staging stays within its limit: a second shot waits for the first, what is larger is read in pieces', () =>
  withGpu(async (gpu, arena) => {
    const numbers = Uint32Array.from({ length: WORDS }, (_, i) => i);
    const a = arena.upload('a', numbers, 'test');
    const b = arena.upload('b', filled(7), 'test');
    const both = { a: { buffer: a, bytes: 4 * WORDS }, b: { buffer: b, bytes: 40 } };

    const tight = new Snapshot(gpu, 'test', { limit: 6 * WORDS });
    const shot = (await tight.take(both))!;
    assert.is(await tight.take(both), undefined, 'no memory for the second');
    assert.equal(wordsOf((await shot.read()).a), [...numbers]);
    shot.release();
    const again = (await tight.take(both))!;
    assert.ok(tight.stagingBytes <= 6 * WORDS);
    again.release();
    tight.destroy();

    const tiny = new Snapshot(gpu, 'test', { limit: 330 });
    const pieces = (await tiny.take(both))!;
    gpu.write(a, filled(0), 'test');
    assert.is(tiny.stagingBytes, 0);
    assert.is(await tiny.take(both), undefined);
    const read = await pieces.read();
    assert.equal(wordsOf(read.a), [...numbers], 'it was read before take resolved');
    assert.equal(wordsOf(read.b), [...filled(7, 10)]);
    pieces.release();
    const small = (await tiny.take({ b: both.b }))!;
    assert.equal(wordsOf((await small.read()).b), [...filled(7, 10)], 'what fits is staged');
    assert.ok(tiny.stagingBytes > 0);
    small.release();
    tiny.destroy();
  }));

test.run();
