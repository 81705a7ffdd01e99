import { z } from 'zod';
import type { Stage } from '../../stages/stage.ts';
import { branches, type JsonSchema } from './describe.ts';

/** A run's name is the name of its folder. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Without dots or braces, so that `${matrix.AXIS}` and `--set matrix.AXIS=…` have one meaning. */
const AXIS = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** `--set KEY.…` and `${KEY.…}` with these keys name no stage, so no stage may have such an id. */
export const RESERVED_IDS: readonly string[] = ['matrix', 'env', 'checkpoints'];

/** A cell is a process and a folder: more cells than this are a mistake. */
const MAX_CELLS = 1000;

export const matrixAxes = z
  .record(
    z
      .string()
      .regex(AXIS, 'expected an axis named by letters, digits, dashes and underscores, a letter first'),
    z.array(z.union([z.string(), z.number(), z.boolean()])).min(1),
  )
  .refine((axes) => Object.keys(axes).length > 0, 'expected at least one axis, such as `seed: [1, 2]`')
  .superRefine((axes, context) => {
    const cells = Object.values(axes).reduce((product, values) => product * values.length, 1);
    if (cells > MAX_CELLS) context.addIssue(`${cells} cells: expected at most ${MAX_CELLS}`);
    for (const [axis, values] of Object.entries(axes)) {
      // As texts: `1` and `"1"` would give two cells of one name.
      const texts = values.map(String);
      texts.forEach((text, index) => {
        if (texts.indexOf(text) < index)
          context.addIssue({
            code: 'custom',
            path: [axis, index],
            message: `${text} is there twice: remove one`,
          });
      });
    }
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
    .describe('All random numbers follow from it: the same seed gives the same bytes.'),
  checkpoints: checkpoints.describe(
    'How often a stage that takes long saves its unfinished work, so that a run that was stopped or killed goes on from there: { seconds } or { steps }, one of them, or off. It changes no result.',
  ),
  matrix: matrixAxes
    .optional()
    .describe(
      `Runs every combination of these values: each axis is a list, and \${matrix.AXIS} stands for its value wherever a text, a number or true or false may stand.`,
    ),
  stages: z
    .array(z.unknown())
    .min(1)
    .describe('What runs, in order: each entry is one stage with its options.'),
});

export const STAGE_ID: JsonSchema = {
  type: 'string',
  pattern: NAME.source,
  description:
    'The name of this stage on the command line and in the results. Default: the stage. A stage that appears twice needs one.',
};

export function isStageId(id: unknown): id is string {
  return typeof id === 'string' && id.length <= 100 && NAME.test(id);
}

let head: JsonSchema | undefined;

export function headSchema(): JsonSchema {
  head ??= jsonSchema(pipelineHead);
  return head;
}

/** Draft 7 is what editors' YAML servers read best. A check that JSON Schema cannot say is left to zod. */
function jsonSchema(schema: z.ZodType): JsonSchema {
  const written = z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
  return JSON.parse(JSON.stringify(written)) as JsonSchema;
}

/** The JSON Schema of one stage's options as a file gives them (defaults may be left out), `id` included. */
export function stageSchema(stage: Stage): JsonSchema {
  const known = stageSchemas.get(stage);
  if (known) return known;
  const { $schema: _, ...rest } = jsonSchema(stage.options);
  const schema = { ...rest, description: stage.summary, properties: { id: STAGE_ID, ...rest.properties } };
  stageSchemas.set(stage, schema);
  return schema;
}

/** Cached: a matrix asks once for each cell. */
const stageSchemas = new WeakMap<Stage, JsonSchema>();

/** The JSON Schema of a pipeline file, for editors: `pipeline/schema.json`. */
export function pipelineSchema(registry: readonly Stage[]): JsonSchema {
  const { matrix, stages, ...scalars } = headSchema().properties ?? {};
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'splatline pipeline',
    ...headSchema(),
    definitions: { substitution: SUBSTITUTION },
    properties: {
      ...substitutables(scalars),
      matrix,
      stages: {
        ...stages,
        items: {
          type: 'object',
          properties: Object.fromEntries(
            registry.map((stage) => [stage.name, optional(substitutable(stageSchema(stage)))]),
          ),
          additionalProperties: false,
          minProperties: 1,
          maxProperties: 1,
        },
      },
    },
  };
}

/** `- score:` with nothing after it is a stage with all its defaults, if it needs no option. */
function optional(schema: JsonSchema): JsonSchema {
  return schema.required?.length ? schema : { ...schema, type: ['object', 'null'] };
}

/**
 * The schema with `${…}` allowed wherever a scalar may stand. What is wrong with any other value reads as before.
 *
 * @param alone false for the alternatives of a union, which is opened as a whole
 */
function substitutable(schema: JsonSchema, alone = true): JsonSchema {
  const { properties, additionalProperties, items, anyOf, oneOf, allOf } = schema;
  const opened = alone && takesScalar(schema) && !takesAnyText(schema);
  const all = (list: JsonSchema[]) => list.map((branch) => substitutable(branch, alone && !opened));
  const inner: JsonSchema = {
    ...schema,
    ...(properties && { properties: substitutables(properties) }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: substitutable(additionalProperties),
    }),
    ...(items && {
      items: Array.isArray(items) ? items.map((item) => substitutable(item)) : substitutable(items),
    }),
    ...(anyOf && { anyOf: all(anyOf) }),
    ...(oneOf && { oneOf: all(oneOf) }),
    ...(allOf && { allOf: all(allOf) }),
  };
  if (!opened) return inner;
  // What editors show beside a key stays where they look for it.
  const { description, default: fallback, ...rest } = inner;
  return {
    ...(description !== undefined && { description }),
    ...(fallback !== undefined && { default: fallback }),
    if: { $ref: '#/definitions/substitution' },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
    then: true,
    else: rest,
  };
}

/** A text with `${…}` in it that is not written `$${…}`. */
const SUBSTITUTION: JsonSchema = { type: 'string', pattern: '(^|[^$])\\$\\{(matrix|env)\\.[^}]+\\}' };

function substitutables(properties: Record<string, JsonSchema>): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, substitutable(schema)]));
}

function takesScalar(schema: JsonSchema): boolean {
  if (branches(schema).length) return branches(schema).some(takesScalar);
  if (schema.enum || schema.const !== undefined) return true;
  return ['string', 'number', 'integer', 'boolean'].includes(String(schema.type));
}

function takesAnyText({ type, pattern, enum: listed, const: only }: JsonSchema): boolean {
  return type === 'string' && pattern === undefined && listed === undefined && only === undefined;
}
