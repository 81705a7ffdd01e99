import { createRequire } from 'node:module';
import { packageVersion } from '../run/manifest.ts';
import type { Golden } from './format.ts';

/** What computes: this package, Node, and the `webgpu` package that brings Dawn. */
export async function versions(): Promise<Golden['versions']> {
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return { splatline: await packageVersion(), node: process.version, webgpu: version };
}
