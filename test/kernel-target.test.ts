import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  defineKernel,
  Gpu,
  GpuError,
  KERNEL_TARGETS,
  openGpu,
  probeLinearSubgroups,
} from '../wgsl/core/index.ts';
import {
  hasSubgroupMatrices,
  MAX_MATRIX_SUBGROUPS,
  SUBGROUP_MATRIX,
  supportsTarget,
  targetFor,
} from '../wgsl/core/target.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { testUnless } from './helpers/skip.ts';

const noSubgroups = (await testGpu()).subgroupSize ? undefined : 'this adapter has no subgroups of one size';

test('the target follows from the adapter and from the size of its subgroups', () => {
  const of = (software: boolean, subgroup: number) => targetFor({ software }, subgroup);
  assert.equal(
    [0, 4, 8, 16, 32, 64].map((size) => of(false, size)),
    ['portable', 'subgroup', 'subgroup', 'subgroup', 'subgroup', 'portable'],
  );
  assert.equal(
    [0, 4, 8, 16, 32].map((size) => of(true, size)),
    ['portable', 'cpu', 'cpu', 'cpu', 'portable'],
  );
  assert.ok(KERNEL_TARGETS.every((target) => supportsTarget(target, 8)));
});

test('tensor cores are used where a workgroup of the largest product fits the limits', () => {
  const config = { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 };
  const hasMatrices = (invocations: number, sizeX: number, subgroup: number, K = 16) =>
    hasSubgroupMatrices(
      {
        features: new Set(['shader-f16', SUBGROUP_MATRIX]),
        limits: {
          maxComputeInvocationsPerWorkgroup: invocations,
          maxComputeWorkgroupSizeX: sizeX,
          maxComputeWorkgroupStorageSize: 36864,
        },
      } as unknown as GPUDevice,
      { subgroupMatrixConfigs: [{ ...config, K }] } as unknown as GPUAdapterInfo,
      subgroup,
    );
  const needed = 32 * MAX_MATRIX_SUBGROUPS;
  assert.ok(hasMatrices(needed, needed, 32));
  assert.not(hasMatrices(256, needed, 32), 'invocations of a device without requiredLimits');
  assert.not(hasMatrices(needed, 256, 32), 'its workgroup size');
  assert.not(hasMatrices(needed, needed, 64), 'wider subgroups');
  assert.not(hasMatrices(needed, needed, 32, 8), 'other matrices');
});

test('without subgroups the target is portable, and others are refused', async () => {
  const gpu = await openGpu({ without: ['subgroups'] });
  assert.is(gpu.target, 'portable');
  assert.is(gpu.subgroupSize, 0);
  gpu.close();
  const error = await openGpu({ without: ['subgroups'], target: 'subgroup' }).then(
    () => assert.unreachable(),
    (error: Error) => error,
  );
  assert.instance(error, GpuError);
  assert.is(
    error!.message,
    'the device: the kernel target subgroup needs subgroups of one supported size; this device has none. ' +
      'Use the target portable',
  );
});

test('the kernels of a given target run', async () => {
  const gpu = await openGpu({ target: 'portable' });
  assert.is(gpu.target, 'portable');
  gpu.close();
});

testUnless(
  test,
  noSubgroups,
  'the probe accepts this adapter where it has subgroups of one size, and refuses a wrong size',
  async () => {
    const { device, subgroupSize } = await testGpu();
    assert.ok(await probeLinearSubgroups(device, subgroupSize));
    assert.not(await probeLinearSubgroups(device, 2 * subgroupSize));
  },
);

const code = (text: string) => new URL(`data:text/plain,${encodeURIComponent(text)}`);
/** Writes the number of each thread of a workgroup of four subgroups. */
const THREADS = defineKernel({
  label: 'test/threads',
  variants: {
    portable: {
      source: code(`#include <subgroup-thread>
@group(0) @binding(0) var<storage, read_write> found: array<u32>;
@compute @workgroup_size(THREADS)
fn main(at: SubgroupThread) {
  found[threadOf(at)] = subgroupOf(at) * 1000u + at.lane;
}`),
      enables: ['subgroups'],
    },
  },
});

testUnless(
  test,
  noSubgroups,
  'subgroup-thread numbers the threads of a workgroup, with subgroup_id and without',
  () =>
    withGpu(async (gpu, arena) => {
      const { device, adapter, subgroupSize: size } = gpu;
      for (const numbering of [
        'linear',
        ...(gpu.numbering === 'builtin' ? ['builtin' as const] : []),
      ] as const) {
        const kernel = await new Gpu(device, adapter, { numbering, target: gpu.target }).kernel(THREADS, {
          constants: { THREADS: 4 * size },
        });
        const found = arena.buffer(numbering, 16 * size);
        gpu.run('test', (recorder) => recorder.run(kernel.bind({ found }), 1));
        assert.equal(
          [...(await gpu.readWords(found, 'test'))],
          Array.from({ length: 4 * size }, (_, i) => 1000 * Math.floor(i / size) + (i % size)),
          numbering,
        );
      }
    }),
);

test('a kernel that failed to compile is compiled again', () =>
  withGpu(async (gpu) => {
    let attempts = 0;
    const source = code('@compute @workgroup_size(1) fn main() {}');
    // A source that cannot be read the first time.
    const broken = Object.defineProperty(new URL(source), 'protocol', {
      get() {
        if (attempts++ === 0) throw new Error('cannot be read');
        return 'data:';
      },
    });
    const definition = defineKernel({ label: 'test/broken', variants: { portable: { source: broken } } });
    const message = await gpu.kernel(definition).then(
      () => 'compiled',
      (error: Error) => error.message,
    );
    assert.is(message, 'cannot be read');
    assert.is((await gpu.kernel(definition)).label, 'test/broken');
  }));

test.run();
