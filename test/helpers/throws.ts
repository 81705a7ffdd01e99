import * as assert from 'uvu/assert';
import { InputError } from '../../wgsl/core/index.ts';

/** The work must fail with an InputError whose message matches every pattern. Gives the message. */
export async function throwsInput(
  work: () => unknown,
  ...patterns: readonly (RegExp | string)[]
): Promise<string> {
  let error: unknown;
  try {
    await work();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error, 'expected an InputError, and nothing was thrown');
  assert.instance(
    error,
    InputError,
    `expected an InputError, got ${error instanceof Error ? error.stack : error}`,
  );
  const { message } = error as InputError;
  for (const pattern of patterns) {
    const found = typeof pattern === 'string' ? message.includes(pattern) : pattern.test(message);
    assert.ok(found, `"${message}" does not say ${pattern}`);
  }
  return message;
}
