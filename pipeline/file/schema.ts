import * as z from 'zod';
import type { Stage } from '../../stages/stage.ts';
import { type JsonSchema, mapTexts, type Path, variants } from './describe.ts';

/** The name of a run or a stage, which is that of a folder. */
const folderName = z
  .string()
  .max(100)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'expected letters, digits, dots, dashes and underscores, a letter or digit first',
  );

/** Without dots or braces, so that `${matrix.AXIS}` and `--set matrix.AXIS=…` are unambiguous. */
const AXIS = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** Keys reserved in `--set KEY.…` and `${KEY.…}`, which no stage may use as its id. */
export const RESERVED_IDS: readonly string[] = ['matrix', 'env', 'checkpoints'];

/** Limit on the cells of a matrix: each is a process and a folder. */
const MAX_CELLS = 1000;

/** The values of one axis. */
const axis = z
  .array(z.union([z.string(), z.number(), z.boolean()]))
  .min(1)
  .superRefine((values, context) => {
    // Compared as strings: `1` and `"1"` would give two cells the same name.
    const texts = values.map(String);
    for (const [index, text] of texts.entries()) {
      const message = `${text} appears twice: remove one`;
      if (texts.indexOf(text) < index) context.addIssue({ code: 'custom', path: [index], message });
    }
  });

const matrixAxes = z
  .record(
    z
      .string()
      .regex(AXIS, 'expected an axis named by letters, digits, dashes and underscores, a letter first'),
    axis,
  )
  .refine((axes) => Object.keys(axes).length > 0, 'expected at least one axis, such as `seed: [1, 2]`')
  .superRefine((axes, context) => {
    const cells = Object.values(axes).reduce((product, { length }) => product * length, 1);
    if (cells > MAX_CELLS) context.addIssue(`${cells} cells: expected at most ${MAX_CELLS}`);
  })
  .meta({ minProperties: 1 });

/** The parser of the matrix, whose values the rest of the file depends on. */
export const matrixParser = z.strictObject({ matrix: matrixAxes });

const checkpoints = z
  .union([
    z.literal('off'),
    z
      .strictObject({
        seconds: z.number().positive().optional().describe('Seconds between two checkpoints.'),
        steps: z.int().min(1).optional().describe('Finished steps between two checkpoints.'),
      })
      .refine(
        ({ seconds, steps }) => (seconds === undefined) !== (steps === undefined),
        'expected either seconds or steps, or off',
      )
      .meta({ minProperties: 1, maxProperties: 1 }),
  ])
  .default({ seconds: 30 });

/** The keys of every stage besides its own options. */
const stageHead = {
  id: folderName
    .refine((id) => !RESERVED_IDS.includes(id), {
      error: ({ input }) => `${input} is reserved: choose another one`,
    })
    .optional()
    .describe(
      'The name of this stage on the command line and in the results. Default: the name of the stage. Required if a stage appears twice.',
    ),
};

/** The parser of a pipeline file with these stages. */
export function pipelineParser(registry: readonly Stage[]) {
  const options = registry.map(({ name, summary, options }) => {
    const withId = (options as z.ZodObject).safeExtend(stageHead).describe(summary);
    // `- score:` is a stage without options.
    return [name, z.preprocess((given) => (given === null ? {} : given), withId).optional()];
  });
  const entry = z
    .strictObject(Object.fromEntries(options) as Record<string, z.ZodType>)
    .refine((stage) => Object.keys(stage).length === 1, {
      when: ({ issues }) => issues.length === 0,
      error: ({ input }) =>
        `expected one stage, found ${Object.keys(input as object).join(', ') || 'none'}; the next stage starts with \`- \``,
    })
    .meta({ minProperties: 1, maxProperties: 1 });
  return z.strictObject({
    name: folderName
      .optional()
      .describe('The name of the run: results go to `out/<name>`. Default: the name of the file.'),
    seed: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .default(42)
      .describe('Seed of all random numbers; the same seed gives the same bytes.'),
    checkpoints: checkpoints.describe(
      'Interval at which a long stage saves unfinished work, from which a stopped or killed run resumes: { seconds }, { steps } or off. It changes no result.',
    ),
    matrix: matrixAxes
      .optional()
      .describe(
        `Runs every combination of these values: each axis is a list, and \${matrix.AXIS} is replaced with its value wherever a string, a number, true or false is allowed.`,
      ),
    stages: z
      .array(entry)
      .min(1)
      .describe('The stages to run, in order; each entry is one stage with its options.'),
  });
}

const schemas = new WeakMap<z.ZodType, JsonSchema>();

/** The JSON Schema of a parser's input. Only zod makes checks that JSON Schema cannot express. */
export function jsonSchema(parser: z.ZodType): JsonSchema {
  const schema = schemas.get(parser) ?? toJsonSchema(parser);
  schemas.set(parser, schema);
  return schema;
}

/** The schema of the value at `path`, or undefined where the parser names none. Converts only this part of the parser. */
export function schemaAt(parser: z.ZodType, path: Path): JsonSchema | undefined {
  const part = parserAt(parser, path);
  return part && jsonSchema(part as z.ZodType);
}

function parserAt(parser: z.core.$ZodType | undefined, path: Path): z.core.$ZodType | undefined {
  const [key, ...rest] = path;
  if (!parser || key === undefined) return parser;
  const { def } = (parser as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'object':
      return Object.hasOwn(def.shape, key) ? parserAt(def.shape[key], rest) : undefined;
    case 'record':
      return parserAt(def.valueType, rest);
    case 'array':
      return parserAt(def.element, rest);
    case 'tuple':
      return parserAt(def.items[Number(key)], rest);
    case 'union':
      return def.options.map((option) => parserAt(option, path)).find((found) => found);
    case 'pipe':
      return parserAt(def.in._zod.def.type === 'transform' ? def.out : def.in, path); // a preprocess
    default:
      return 'innerType' in def ? parserAt(def.innerType, path) : undefined;
  }
}

/** An option that is a path: its schema has `path`. */
export interface PathOption {
  path: Path;
  kind: 'file' | 'folder' | 'file or folder';
  value: string;
  /** Whether the value is a name unless such a path exists. */
  mayBeName: boolean;
  /** The fix for a wrong path. */
  advice?: string;
}

/** A copy of a parser's value in which `replace` replaces each path option, at any depth. */
export function mapPaths(
  value: unknown,
  parser: z.ZodType,
  replace: (option: PathOption) => string,
): unknown {
  return mapTexts(value, (text, path) => {
    const own = variants(schemaAt(parser, path) ?? {});
    const { path: kind, names, advice } = own.find((variant) => variant.path) ?? {};
    const mayBeName = names !== undefined && new RegExp(names).test(text);
    // An alternative that lists this string (a name such as `demo`) is not a path.
    const isName = own.some((variant) => variant.const === text || variant.enum?.includes(text));
    return kind && !isName ? replace({ path, kind, value: text, mayBeName, advice }) : text;
  });
}

export function toJsonSchema(
  parser: z.ZodType,
  override?: z.core.JSONSchemaGeneratorParams['override'],
): JsonSchema {
  // Editors' YAML servers support draft 7 best.
  const options = { io: 'input', target: 'draft-7', unrepresentable: 'any', override } as const;
  const { $schema: _, ...schema } = JSON.parse(JSON.stringify(z.toJSONSchema(parser, options))) as JsonSchema;
  return schema;
}
