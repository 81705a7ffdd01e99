import { z } from 'zod';
import type { Stage } from '../../stages/stage.ts';
import type { JsonSchema } from './describe.ts';

/** A run's name is the name of its folder. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

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

export function headSchema(): JsonSchema {
  return jsonSchema(pipelineHead);
}

/** Draft 7 is what editors' YAML servers read best. A check that JSON Schema cannot say is left to zod. */
function jsonSchema(schema: z.ZodType): JsonSchema {
  const written = z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
  return JSON.parse(JSON.stringify(written)) as JsonSchema;
}

/** The JSON Schema of one stage's options as a file gives them (defaults may be left out), `id` included. */
export function stageSchema(stage: Stage): JsonSchema {
  const schema = jsonSchema(stage.options);
  const { $schema: _, ...rest } = schema;
  return { ...rest, description: stage.summary, properties: { id: STAGE_ID, ...rest.properties } };
}

/** The JSON Schema of a pipeline file, for editors: `pipeline/schema.json`. */
export function pipelineSchema(registry: readonly Stage[]): JsonSchema {
  const head = headSchema();
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'splatline pipeline',
    ...head,
    properties: {
      ...head.properties,
      stages: {
        ...head.properties?.stages,
        items: {
          type: 'object',
          properties: Object.fromEntries(registry.map((stage) => [stage.name, optional(stageSchema(stage))])),
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
