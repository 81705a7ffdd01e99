import * as z from 'zod';
import { bounds } from './bounds.ts';
import { ellipse } from './ellipse.ts';
import { interpolate } from './interpolate.ts';
import { keyframes } from './keyframes.ts';
import { nerfstudio } from './nerfstudio.ts';
import type { CameraPath } from './path.ts';
import { spiral } from './spiral.ts';
import { turntable } from './turntable.ts';
import { views } from './views.ts';

/** The camera paths. The option `orbit.path`, help and docs derive from this table. */
export const PATHS = {
  turntable,
  bounds,
  ellipse,
  spiral,
  interpolate,
  keyframes,
  nerfstudio,
  views,
} as const;
type PathName = keyof typeof PATHS;

// biome-ignore lint/suspicious/noExplicitAny: the options of a row are those of its own schema.
const rows: readonly CameraPath<any>[] = Object.values(PATHS);
/** Paths without required options, which their name alone selects. */
const plain = rows.filter(({ options }) => options.safeParse({}).success).map(({ name }) => name);

/** A name, or one name with its options. */
type PathInputOption = PathName | { [Name in PathName]?: z.input<(typeof PATHS)[Name]['options']> };
/** One name with all its options. */
export type PathOption = { [Name in PathName]?: z.output<(typeof PATHS)[Name]['options']> };

const anyPath = z
  .union([
    z.enum(plain as [PathName]),
    z
      .strictObject(
        Object.fromEntries(
          rows.map(({ name, summary, options }) => [name, options.optional().describe(summary)]),
        ),
      )
      .refine((given) => Object.values(given).filter((options) => options !== undefined).length === 1, {
        message: `expected exactly one of ${rows.map(({ name }) => name).join(', ')}`,
      }),
  ])
  .transform((given) =>
    typeof given === 'string' ? { [given]: PATHS[given].options.parse({}) } : given,
  ) as z.ZodType<PathOption, PathInputOption>;

/** The option `path`. Its parsed value is also valid input. */
export const pathOption = anyPath
  .prefault('turntable')
  .describe(
    `Camera path: a name, or a map of one name and its options; ${rows.map(({ name, summary }) => `${name}: ${summary}`).join('; ')}`,
  );

/** The row of the table that the parsed option selects, and its options. */
export function chosenPath(option: PathOption): { path: CameraPath; options: unknown } {
  const [name] = (Object.keys(option) as PathName[]).filter((key) => option[key] !== undefined);
  return { path: PATHS[name] as CameraPath, options: option[name] };
}
