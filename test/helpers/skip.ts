import type { Test } from 'uvu';

/** Registers a test. If there is a reason why it cannot run here, it is counted as skipped, and the reason is printed. */
export function testUnless(
  test: Test,
  reason: string | undefined,
  name: string,
  body: () => unknown | Promise<unknown>,
): void {
  if (reason === undefined) {
    test(name, async () => void (await body()));
    return;
  }
  console.log(`skipped "${name}": ${reason}`);
  test.skip(name);
}
