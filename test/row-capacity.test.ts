import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyGaussians, uploadGaussians } from '../stages/artefacts/gaussians.ts';
import { init } from '../stages/init/stage.ts';
import { type Gpu, InputError } from '../wgsl/core/index.ts';
import { MAX_CAPACITY } from '../wgsl/sort/radix-sort.ts';
import { requireRows, rowLimit } from '../wgsl/splat/row-capacity.ts';
import { ringDataset } from './helpers/tiny-scene.ts';

const gpuWith = (maxBufferSize: number, maxStorageBufferBindingSize: number) =>
  ({ device: { limits: { maxBufferSize, maxStorageBufferBindingSize } } }) as Gpu;
/** What Mesa's software driver and an H200 offer. */
const software = gpuWith(2 ** 32 - 1, 2 ** 27);
const h200 = gpuWith(2 ** 32 - 2 ** 21, 2 ** 31);

test('the largest buffer limits SH, the largest binding limits projected Gaussians', () => {
  assert.is(rowLimit(software, 3), Math.floor((2 ** 27 - 16) / 48));
  assert.is(rowLimit(software, 0), rowLimit(software, 3));
  assert.ok(rowLimit(software, 3) > 2_700_000);
  assert.is(rowLimit(h200, 3), Math.floor((2 ** 32 - 2 ** 21 - 16) / 192));
  assert.ok(rowLimit(h200, 3) > 20_000_000);
  assert.is(rowLimit(h200, 1), Math.floor((2 ** 31 - 16) / 48));
  assert.is(rowLimit(gpuWith(2 ** 40, 2 ** 40), 3), MAX_CAPACITY);
});

function refusal(gpu: Gpu, shDegree: number, rows: number): string {
  try {
    requireRows(gpu, { shDegree, rows }, 'init makes', (limit) => `Set init.count to at most ${limit}`);
  } catch (error) {
    assert.instance(error, InputError);
    return (error as Error).message;
  }
  return '';
}

test('too many Gaussians are refused with both figures, the reason, and the options that help', () => {
  const limit = rowLimit(h200, 3);
  assert.is(refusal(h200, 3, limit), '');
  assert.is(
    refusal(h200, 3, limit + 1),
    `init makes ${limit + 1} Gaussians of SH degree 3; this adapter holds ${limit} (each takes 192 bytes of parameters in a ` +
      `buffer of 4.00 GiB at most). Set init.count to at most ${limit}, or take a lower SH degree (init.shDegree)`,
  );
  assert.match(
    refusal(software, 3, 3_000_000),
    /holds 2796202 \(each takes 48 bytes in a binding of 0\.13 GiB at most\)\. Set init\.count to at most 2796202$/,
    'a lower degree would not help',
  );
});

test('init and every splat reader check the limit before they allocate', async () => {
  const tiny = gpuWith(2 ** 32, 48 * 100 + 16);
  tiny.upload = () => {
    throw new Error('it made a buffer');
  };
  await init(tiny, { dataset: ringDataset() }, { from: 'random', count: 101 }).then(
    () => assert.unreachable('it fits'),
    (error: Error) => {
      assert.instance(error, InputError);
      assert.match(error.message, /init makes 101 Gaussians.*holds 100 .*Set init\.count to at most 100/);
    },
  );
  assert.throws(
    () => uploadGaussians(tiny, 'load', emptyGaussians(101, 0), 'splat-in'),
    (error: Error) => error instanceof InputError && /the splat has 101 .*holds 100 /.test(error.message),
  );
  assert.throws(() => uploadGaussians(tiny, 'load', emptyGaussians(100, 0), 'splat-in'), /it made a buffer/);
});

test.run();
