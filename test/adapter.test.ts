import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GpuError, openGpu } from '../wgsl/core/index.ts';

async function refusal(adapter: string): Promise<string> {
  try {
    (await openGpu({ adapter })).close();
  } catch (error) {
    assert.instance(error, GpuError, String(error));
    return (error as Error).message;
  }
  throw new Error(`${adapter} was opened`);
}

test('an unknown adapter name is an error that lists the known ones, and each of those opens', async () => {
  const message = await refusal('no such card');
  assert.match(message, /^no adapter has "no such card" in its name; there is \S/);
  const names = message.replace(/^.*; there is /, '').split('; ');
  for (const name of names) {
    for (const adapter of [name, name.slice(0, -1), name.split(' ')[0]]) {
      const gpu = await openGpu({ adapter });
      assert.ok(gpu.adapter.device, adapter);
      gpu.close();
    }
  }
});

test('adapter names are case-sensitive', async () => {
  const [name] = (await refusal('no such card')).replace(/^.*; there is /, '').split('; ');
  const other = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
  assert.match(await refusal(other), /^no adapter has/);
});

test.run();
