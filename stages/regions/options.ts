import * as z from 'zod';
import type { Region } from '../../wgsl/splat/edit/region-weights.ts';

const triple = z.tuple([z.number(), z.number(), z.number()]);

const shape = {
  box: z
    .strictObject({
      min: triple.describe('Smallest x, y and z'),
      max: triple.describe('Largest x, y and z'),
    })
    .refine(({ min, max }) => min.every((value, i) => value < max[i]), {
      message: 'expected min below max in x, y and z',
    })
    .optional()
    .describe('An axis-aligned box'),
  sphere: z
    .strictObject({
      center: triple.describe('Its centre'),
      radius: z.number().positive().describe('Its radius'),
    })
    .optional()
    .describe('A sphere'),
  halfSpace: z
    .strictObject({
      point: triple.describe('A point of the plane'),
      normal: triple
        .refine((normal) => normal.some((value) => value !== 0), {
          message: 'expected a direction, got [0, 0, 0]',
        })
        .describe('The direction into the half-space, of any length'),
    })
    .optional()
    .describe('One side of a plane'),
  soft: z
    .number()
    .min(0)
    .default(0)
    .describe('Width of the edge over which the effect fades, half of it inside; 0 is a sharp edge'),
  not: z.boolean().default(false).describe('Takes what is outside instead'),
};

/** The number of these keys that are there must be one. */
function exactlyOne<Key extends string>(...keys: Key[]) {
  return [
    (given: Partial<Record<Key, unknown>>) => keys.filter((key) => given[key] !== undefined).length === 1,
    { message: `expected exactly one of ${keys.map((key) => `\`${key}\``).join(', ')}` },
  ] as const;
}

const shapes = z
  .array(z.strictObject(shape).refine(...exactlyOne('box', 'sphere', 'halfSpace')))
  .min(1)
  .optional();

/** A region of space in world units of the capture: a shape, or a union or intersection of shapes. */
export const regionOption = z
  .strictObject({
    ...shape,
    any: shapes.describe('Union of shapes, each with the keys of a region'),
    all: shapes.describe('Intersection of shapes, each with the keys of a region'),
  })
  .refine(...exactlyOne('box', 'sphere', 'halfSpace', 'any', 'all'))
  .refine(({ any, all, soft }) => !soft || !(any ?? all), {
    path: ['soft'],
    message: 'expected in each shape of `any` or `all`, not beside them',
  });
export type RegionOption = z.output<typeof regionOption>;
type ShapeOption = NonNullable<RegionOption['any']>[number];

/** The region as the kernels take it. */
export function regionOf({ any, all, ...option }: RegionOption): Region {
  const list = any ?? all;
  if (!list) return shapeOf(option);
  const region: Region = { kind: any ? 'any' : 'all', regions: list.map(shapeOf) };
  return option.not ? { kind: 'not', region } : region;
}

function shapeOf({ box, sphere, halfSpace, soft, not }: ShapeOption): Region {
  const region = (): Region => {
    if (box) return { kind: 'box', ...box, soft };
    if (sphere) return { kind: 'sphere', ...sphere, soft };
    return { kind: 'halfSpace', ...halfSpace!, soft };
  };
  return not ? { kind: 'not', region: region() } : region();
}
