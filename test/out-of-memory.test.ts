import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Gpu, GpuError } from '../wgsl/core/index.ts';
import { testGpu } from './helpers/gpu.ts';

/** A device that reports an error asynchronously. */
async function reporting(error: (message: string) => GPUError): Promise<Gpu> {
  // Puts WebGPU's classes where a browser has them.
  const { adapter, device: real } = await testGpu();
  const device = Object.assign(new EventTarget(), {
    limits: real.limits,
    lost: new Promise(() => {}),
    createBuffer: () => ({ destroy() {} }),
  }) as unknown as GPUDevice;
  const gpu = new Gpu(device, adapter);
  gpu.buffer('state', 3 * 2 ** 30);
  device.dispatchEvent(Object.assign(new Event('uncapturederror'), { error: error('allocation failed') }));
  return gpu;
}

test('an out-of-memory error states the memory in use and the remedy', async () => {
  const gpu = await reporting((message) => new GPUOutOfMemoryError(message));
  assert.throws(
    () => gpu.check(),
    (error: Error) =>
      error instanceof GpuError &&
      /no memory left.*3\.0 GiB.*load\.downscale.*train\.cap.*init\.shDegree.*allocation failed/.test(
        error.message,
      ),
  );
});

test('other errors are reported unchanged', async () => {
  const gpu = await reporting((message) => new GPUValidationError(message));
  assert.throws(
    () => gpu.check(),
    (error: Error) =>
      error instanceof GpuError && error.message === 'the GPU reported an error: allocation failed',
  );
});

test.run();
