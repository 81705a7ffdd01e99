import { z } from 'zod';

/** What `golden.json` holds, format 1. Lengths are pixels, differences are 8-bit levels (0–255) unless said otherwise. */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().regex(/^[\w.-]{1,100}$/);
const finite = z.number();

const camera = z.strictObject({
  width: z.int().min(11).max(8192),
  height: z.int().min(11).max(8192),
  fx: finite,
  fy: finite,
  cx: finite,
  cy: finite,
  viewmat: z.array(finite).length(16),
});

const difference = z.strictObject({ max: finite, mean: finite, ssim: finite });

/** The adapter's own report, with what other versions of it may add. */
const adapter = z.looseObject({
  vendor: z.string(),
  architecture: z.string(),
  device: z.string(),
  description: z.string(),
  features: z.array(z.string()),
  subgroupMinSize: z.number(),
  subgroupMaxSize: z.number(),
  software: z.boolean(),
  cpu: z.string().optional(),
});

const score = z.strictObject({
  name: z.string(),
  value: finite,
  unit: z.string(),
  over: z.string(),
  /** On another adapter the score may be this far off, either way. */
  bound: z.number().nonnegative(),
  /** The largest distance that the chain with other seeds was seen to have. */
  spread: z.number().nonnegative(),
});

export const goldenSchema = z.strictObject({
  format: z.literal('splatline golden 1'),
  name: z.string(),
  seed: z.number(),
  /** `--set` of the recording; the check repeats it. Relative paths in it start at `cwd`, itself relative to the file. */
  set: z.array(z.string()),
  cwd: z.string(),
  /** Of a file with a matrix: the name of the cell. */
  cell: z.string().optional(),
  versions: z.strictObject({ splatline: z.string(), node: z.string(), webgpu: z.string() }),
  adapter,
  splat: z.strictObject({
    stage: z.string(),
    count: z.int(),
    shDegree: z.int(),
    bytes: z.int(),
    sha256,
  }),
  background: z.tuple([finite, finite, finite]),
  frames: z.array(z.strictObject({ name, sha256, camera })).min(1),
  tolerance: difference,
  /** What renders with other, equally legitimate arithmetic were seen to differ by, the worst of all frames. */
  margin: z.strictObject({
    factor: finite,
    worst: difference,
    renders: z.array(z.strictObject({ how: z.string(), ...difference.shape })),
  }),
  chain: z.strictObject({
    /** By stage and tensor, in the order of the run. */
    tensors: z.array(z.strictObject({ stage: z.string(), tensor: z.string(), sha256 })),
    /** The published turntable, by file stem. */
    frames: z.array(z.strictObject({ name, sha256 })),
    /** The turntable's cameras, where they do not depend on what was trained. */
    cameras: z.array(z.strictObject({ name, camera })).optional(),
    scores: z.array(score),
    /** The other seeds that the bounds were measured with. */
    seeds: z.array(z.number()),
  }),
});

export type Golden = z.output<typeof goldenSchema>;
export type GoldenCamera = z.output<typeof camera>;
export type GoldenScore = z.output<typeof score>;
