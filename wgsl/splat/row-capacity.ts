import { type Gpu, InputError } from '../core/index.ts';
import { MAX_CAPACITY } from '../sort/radix-sort.ts';
import { PROJECTED_BYTES, shRowBytes } from './types.ts';

interface Bound {
  rows: number;
  /** The resource that is exhausted. */
  reason: string;
}

/**
 * Limit on the number of Gaussians. Their SH, the widest parameter, are bound window by window but share one buffer; projected
 * Gaussians are bound whole.
 */
function bound(gpu: Gpu, shDegree: number): Bound {
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  const widest = Math.max(16, shRowBytes(shDegree));
  const bounds = [
    { bytes: maxBufferSize, each: widest, reason: `${widest} bytes of parameters in a buffer of` },
    {
      bytes: maxStorageBufferBindingSize,
      each: PROJECTED_BYTES,
      reason: `${PROJECTED_BYTES} bytes in a binding of`,
    },
  ].map(({ bytes, each, reason }) => ({
    // A buffer of rows ends on a whole vec4f.
    rows: Math.floor((bytes - 16) / each),
    reason: `each takes ${reason} ${(bytes / 2 ** 30).toFixed(2)} GiB at most`,
  }));
  const sorted = { rows: MAX_CAPACITY, reason: 'the limit of the sort' };
  return [...bounds, sorted].reduce((least, next) => (next.rows < least.rows ? next : least));
}

/** Maximum number of Gaussians with this many SH bands that the adapter can render and train. */
export function rowLimit(gpu: Gpu, shDegree: number): number {
  return bound(gpu, shDegree).rows;
}

/**
 * Call it before allocating. `what`: subject and verb of the message, e.g. `init makes`. `fix`: the advice for a limit.
 * @throws InputError when this adapter cannot hold them.
 */
export function requireRows(
  gpu: Gpu,
  { shDegree, rows }: { shDegree: number; rows: number },
  what: string,
  fix: (limit: number) => string,
): void {
  const { rows: limit, reason } = bound(gpu, shDegree);
  if (rows <= limit) return;
  const lower = rowLimit(gpu, 0) > limit ? ', or take a lower SH degree (init.shDegree)' : '';
  throw new InputError(
    `${what} ${rows} Gaussians of SH degree ${shDegree}; this adapter holds ${limit} (${reason}). ${fix(limit)}${lower}`,
  );
}
