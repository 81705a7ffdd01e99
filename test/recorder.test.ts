/** The order of writes and recorded commands. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withGpu } from './helpers/gpu.ts';

test('a buffer that recorded commands use cannot be written before they are submitted', () =>
  withGpu(async (gpu, arena) => {
    const [uniform, other, first, second] = ['uniform', 'other', 'first', 'second'].map((role) =>
      arena.buffer(role, 16),
    );
    const value = (number: number) => new Uint32Array([number]);
    gpu.write(uniform, value(1), 'parameters');
    const recorder = gpu.recorder('test/two-steps');
    recorder.copy(uniform, first, 4);
    assert.throws(
      () => gpu.write(uniform, value(2), 'parameters'),
      /uniform: commands of the recorder test\/two-steps use this buffer .* Submit the recorder first/,
    );
    assert.throws(() => gpu.write(first, value(2), 'parameters'), /first: commands/);
    gpu.write(other, value(3), 'parameters');
    gpu.submit(recorder);
    gpu.write(uniform, value(2), 'parameters');
    gpu.run('test/next', (next) => next.copy(uniform, second, 4));
    assert.is((await gpu.readWords(first, 'metrics'))[0], 1);
    assert.is((await gpu.readWords(second, 'metrics'))[0], 2);
  }));

test('a record that throws submits nothing and lets its buffers be written', () =>
  withGpu(async (gpu, arena) => {
    const [from, to] = ['from', 'to'].map((role) => arena.buffer(role, 16));
    gpu.write(from, new Uint32Array([7]), 'parameters');
    assert.throws(
      () =>
        gpu.run('test/fails', (recorder) => {
          recorder.copy(from, to, 4);
          throw new Error('halfway');
        }),
      /halfway/,
    );
    gpu.write(from, new Uint32Array([8]), 'parameters');
    assert.is((await gpu.readWords(to, 'metrics'))[0], 0);
  }));

test.run();
