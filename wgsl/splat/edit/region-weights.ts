import { type Arena, defineKernel, gridFor } from '../../core/index.ts';

type Triple = readonly [number, number, number];

/** A region of space. Lengths are world units. `soft`: width of the edge, over which the weight falls from 1 to 0; 0 is sharp. */
export type Region =
  | { kind: 'box'; min: Triple; max: Triple; soft: number }
  | { kind: 'sphere'; center: Triple; radius: number; soft: number }
  /** The side of the plane through `point` to which `normal`, of any length, points. */
  | { kind: 'halfSpace'; point: Triple; normal: Triple; soft: number }
  | { kind: 'not'; region: Region }
  /** Union or intersection: the largest or smallest weight. */
  | { kind: 'any' | 'all'; regions: readonly Region[] };

const KINDS = { BOX: 0, SPHERE: 1, HALF_SPACE: 2, ANY: 3, ALL: 4, NOT: 5 };
/** Weights that a program may hold at a time. Lists need two, and each level of nesting one more. */
const DEPTH = 16;
const GROUP = 256;

export const REGION_WEIGHTS = defineKernel({
  label: 'splat/edit/region-weights',
  constants: { ...KINDS, DEPTH, GROUP },
  variants: { portable: { source: new URL('./region-weights.wgsl', import.meta.url) } },
});

/** One step of the postfix program that the kernel runs. */
interface RegionStep {
  kind: number;
  soft: number;
  a: Triple;
  b: Triple;
}

/** A region's Gaussians. */
export interface RegionWeights {
  /** f32 [N], in [0, 1]: 1 inside, 0 outside, linear over soft edges. */
  weights: GPUBuffer;
  /** u32 [1]: the number of Gaussians of a weight above 0. */
  insideCount: GPUBuffer;
}

/**
 * Computes the weight of every Gaussian in a region, from its mean. The arena owns the buffers.
 * @throws Error for an empty list, a normal of length 0, or more than sixteen levels of nesting.
 */
export async function regionWeights(
  arena: Arena,
  region: Region,
  { means, count }: { means: GPUBuffer; count: number },
): Promise<RegionWeights> {
  const { gpu } = arena;
  const steps = compile(region);
  if (stackDepth(steps) > DEPTH) throw new Error(`a region has at most ${DEPTH} levels of nesting`);
  const kernel = await gpu.kernel(REGION_WEIGHTS);
  const weights = arena.buffer('region/weights', 4 * Math.max(1, count));
  const insideCount = arena.buffer('region/insideCount', 4);
  const bytes = kernel.struct('RegionStep').size;
  const packed = new Uint8Array(bytes * steps.length);
  steps.forEach((step, i) => {
    packed.set(new Uint8Array(kernel.pack('RegionStep', { ...step })), bytes * i);
  });
  const program = arena.upload('region/program', packed, 'parameters');
  const sizes = arena.uniform('region/sizes', kernel.struct('Sizes').size);
  gpu.write(sizes, kernel.pack('Sizes', { count, steps: steps.length }), 'parameters');
  gpu.run('splat/edit/region-weights', (recorder) =>
    recorder.run(kernel.bind({ sizes, program, means, weights, insideCount }), gridFor(count, GROUP)),
  );
  return { weights, insideCount };
}

function compile(region: Region): RegionStep[] {
  switch (region.kind) {
    case 'box': {
      const { min, max, soft } = region;
      const a = triple((i) => (min[i] + max[i]) / 2);
      return [{ kind: KINDS.BOX, soft, a, b: triple((i) => (max[i] - min[i]) / 2) }];
    }
    case 'sphere':
      return [{ kind: KINDS.SPHERE, soft: region.soft, a: region.center, b: [region.radius, 0, 0] }];
    case 'halfSpace': {
      const { point, normal, soft } = region;
      const length = Math.hypot(...normal);
      if (!length) throw new Error('the normal of a half-space has the length 0');
      return [{ kind: KINDS.HALF_SPACE, soft, a: point, b: triple((i) => normal[i] / length) }];
    }
    case 'not':
      return [...compile(region.region), operation(KINDS.NOT)];
    default: {
      const { kind, regions } = region;
      if (!regions.length) throw new Error('a list of regions is empty');
      const combine = operation(kind === 'any' ? KINDS.ANY : KINDS.ALL);
      return regions.flatMap((each, i) => (i ? [...compile(each), combine] : compile(each)));
    }
  }
}

function operation(kind: number): RegionStep {
  return { kind, soft: 0, a: [0, 0, 0], b: [0, 0, 0] };
}

function stackDepth(steps: readonly RegionStep[]): number {
  let depth = 0;
  let deepest = 0;
  for (const { kind } of steps) {
    if (kind === KINDS.ANY || kind === KINDS.ALL) depth--;
    else if (kind !== KINDS.NOT) deepest = Math.max(deepest, ++depth);
  }
  return deepest;
}

function triple(value: (axis: number) => number): Triple {
  return [value(0), value(1), value(2)];
}
