import type { AdapterReport } from '../../wgsl/core/index.ts';

/**
 * What makes an adapter another one: bytes are promised only where all of these are equal. A software driver compiles for the
 * CPU that it meets, which `cpu` names; `description` names the driver and its version.
 */
const FIELDS = [
  'vendor',
  'architecture',
  'device',
  'description',
  'cpu',
  'features',
  'subgroupMinSize',
  'subgroupMaxSize',
  'software',
] as const;

/** Any report of an adapter: what a file of another version lacks is absent. */
export type KnownAdapter = Partial<AdapterReport> & { cpu?: string };

/** In words, what differs; empty for the same adapter. */
export function adapterDifferences(recorded: KnownAdapter, now: KnownAdapter): string[] {
  return FIELDS.flatMap((field) => {
    const [was, is] = [textOf(recorded[field]), textOf(now[field])];
    return was === is ? [] : [`${field} was ${was || 'not known'}, is ${is || 'not known'}`];
  });
}

/** One line for people: `llvmpipe (LLVM 15.0.6, 256 bits), Mesa 25.0.7`. */
export function adapterName({ vendor, device, description, cpu }: KnownAdapter): string {
  return [device || vendor || 'unnamed adapter', description, cpu].filter(Boolean).join(', ');
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? [...value].sort().join(' ') : String(value ?? '');
}
