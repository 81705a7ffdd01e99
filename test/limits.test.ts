import { readdir, readFile } from 'node:fs/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GpuError, missingLimits, NEEDED_LIMITS, openGpu } from '../wgsl/core/index.ts';
import { testGpu } from './helpers/gpu.ts';

const wgsl = new URL('../wgsl/', import.meta.url);
/** What WebGPU promises everywhere. */
const PROMISED = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
};

test('no kernel binds more storage buffers than the requested limit', async () => {
  const kernels = (await readdir(wgsl, { recursive: true })).filter((path) => path.endsWith('.wgsl'));
  const bound = await Promise.all(
    kernels.map(async (path) => {
      const text = await readFile(new URL(path, wgsl), 'utf8');
      return { path, storage: text.match(/var<storage/g)?.length ?? 0 };
    }),
  );
  const maximum = Math.max(...bound.map(({ storage }) => storage));
  assert.ok(
    maximum > PROMISED.maxStorageBuffersPerShaderStage,
    'the promised limit would do: do not ask for more',
  );
  assert.equal(
    bound.filter(({ storage }) => storage > NEEDED_LIMITS.maxStorageBuffersPerShaderStage),
    [],
  );
});

test('limits that are too low are listed, and sufficient ones are not', () => {
  assert.equal(missingLimits(NEEDED_LIMITS), []);
  assert.equal(missingLimits(PROMISED), [{ name: 'maxStorageBuffersPerShaderStage', found: 8, needed: 16 }]);
  assert.equal(
    missingLimits({ ...NEEDED_LIMITS, maxComputeWorkgroupStorageSize: 16383 }).map(({ name }) => name),
    ['maxComputeWorkgroupStorageSize'],
  );
});

test('this adapter suffices; a device whose limits are too low is refused in one sentence', async () => {
  const { device } = await testGpu();
  assert.equal(missingLimits(device.limits), []);
  const small = { limits: PROMISED, features: device.features, adapterInfo: device.adapterInfo };
  const error = await openGpu({ device: small as unknown as GPUDevice }).then(
    () => new Error('it opened'),
    (error: Error) => error,
  );
  assert.instance(error, GpuError);
  assert.is(
    error.message,
    'the device is too small for the kernels: maxStorageBuffersPerShaderStage is 8 and 16 is needed; ' +
      'request it with the limits of its adapter as requiredLimits',
  );
});

test.run();
