import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Test } from 'uvu';
import { testUnless } from './skip.ts';

const ROOT = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

/**
 * Registers a test that needs real captures or splats from `../shared/data`, which the repository does not contain: where
 * they are absent, it counts as skipped, with the reason.
 */
export function testWithData(
  test: Test,
  path: string,
  name: string,
  body: (path: string) => Promise<void>,
): void {
  const full = ROOT + path;
  const reason = existsSync(full) ? undefined : `../shared/data/${path} is absent`;
  testUnless(test, reason, name, () => body(full));
}
