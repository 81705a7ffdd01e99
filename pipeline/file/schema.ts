import { z } from 'zod';
import type { Stage } from '../../stages/stage.ts';
import { isMap, type JsonSchema } from './describe.ts';

/** A run's name is the name of its folder. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

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

export const matrixAxes = z
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

/** The head of a pipeline file. The stages' own options are checked by their stages. */
export const pipelineHead = z.strictObject({
  name: z
    .string()
    .max(100)
    .regex(
      NAME,
      'expected letters, digits, dots, dashes and underscores, a letter or digit first, as it names the folder out/<name>',
    )
    .optional()
    .describe('The name of the run: results go to out/<name>. Default: the name of the file.'),
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
    .array(z.unknown())
    .min(1)
    .describe('The stages to run, in order; each entry is one stage with its options.'),
});

/** The keys of every stage besides its own options. */
export const stageHead = z.strictObject({
  id: z
    .string()
    .max(100)
    .regex(NAME, 'expected letters, digits, dots, dashes and underscores, a letter or digit first')
    .refine((id) => !RESERVED_IDS.includes(id), {
      error: ({ input }) => `${input} is reserved: choose another one`,
    })
    .optional()
    .describe(
      'The name of this stage on the command line and in the results. Default: the name of the stage. Required if a stage appears twice.',
    ),
});

const schemas = new WeakMap<z.ZodType, JsonSchema>();

/** The JSON Schema of a parser's input. Only zod makes checks that JSON Schema cannot express. */
export function jsonSchema(parser: z.ZodType): JsonSchema {
  const known = schemas.get(parser);
  if (known) return known;
  // Editors' YAML servers support draft 7 best.
  const options = { io: 'input', target: 'draft-7', unrepresentable: 'any' } as const;
  const { $schema: _, ...schema } = JSON.parse(JSON.stringify(z.toJSONSchema(parser, options))) as JsonSchema;
  schemas.set(parser, schema);
  return schema;
}

/** The JSON Schema of one stage's options as in a file (defaults may be omitted), `id` included. */
export function stageSchema({ options, summary }: Stage): JsonSchema {
  const own = jsonSchema(options);
  const properties = { ...jsonSchema(stageHead).properties, ...own.properties };
  return { ...own, description: summary, properties };
}

/** The JSON Schema of a pipeline file, for editors: `pipeline/schema.json`. */
export function pipelineSchema(registry: readonly Stage[]): JsonSchema {
  const head = jsonSchema(pipelineHead);
  const { matrix, stages, ...scalars } = head.properties ?? {};
  const entries = registry.map((stage) => {
    const schema = stageSchema(stage);
    // `- score:` with nothing after it is a stage with all its defaults, if it needs no option.
    return [stage.name, schema.required?.length ? schema : { ...schema, type: ['object', 'null'] }];
  });
  const entry: JsonSchema = {
    type: 'object',
    properties: withSubstitution(Object.fromEntries(entries)),
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'splatline pipeline',
    ...head,
    definitions: { substitution: SUBSTITUTION },
    properties: { ...withSubstitution(scalars), matrix, stages: { ...stages, items: entry } },
  };
}

/** A text with `${…}` in it that is not written `$${…}`. */
const SUBSTITUTION: JsonSchema = { type: 'string', pattern: '(^|[^$])\\$\\{(matrix|env)\\.[^}]+\\}' };

/**
 * The schemas with `${…}` allowed wherever a scalar may stand; a union is opened as a whole. Errors about all other values
 * stay the same.
 */
function withSubstitution(properties: Record<string, JsonSchema>): Record<string, JsonSchema> {
  const closed = (schema: JsonSchema) => (schema.else ?? schema) as JsonSchema;
  const open = (_: string, schema: JsonSchema): JsonSchema => {
    const alternatives = isMap(schema) ? (schema.anyOf ?? []).map(closed) : [];
    if (!isMap(schema) || ![schema, ...alternatives].some(takesScalar) || takesAnyText(schema)) return schema;
    // Editors read these two beside the key, not in `else`.
    const { description, default: fallback, ...rest } = schema;
    return {
      ...(description !== undefined && { description }),
      ...(fallback !== undefined && { default: fallback }),
      if: { $ref: '#/definitions/substitution' },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: true,
      else: { ...rest, ...(schema.anyOf && { anyOf: alternatives }) },
    };
  };
  return JSON.parse(JSON.stringify(properties), open);
}

function takesScalar({ type, enum: listed, const: only }: JsonSchema): boolean {
  return (
    Array.isArray(listed) || only !== undefined || SCALARS.some((scalar) => [type].flat().includes(scalar))
  );
}

const SCALARS = ['string', 'number', 'integer', 'boolean'];

function takesAnyText({ type, pattern, enum: listed, const: only }: JsonSchema): boolean {
  return type === 'string' && pattern === undefined && listed === undefined && only === undefined;
}
