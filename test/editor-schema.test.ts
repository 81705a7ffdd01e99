// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JsonSchema } from '../pipeline/file/describe.ts';
import { jsonSchema, pipelineParser, schemaAt } from '../pipeline/file/schema.ts';
import { stages } from '../stages/index.ts';
import { pipelineSchema } from './generated-files.ts';

const schema = pipelineSchema(stages);
const train = stages.find(({ name }) => name === 'train')!;

function optionOf(stage: string, option: string): JsonSchema {
  const items = schema.properties?.stages.items as JsonSchema;
  return items.properties?.[stage].properties?.[option] as JsonSchema;
}

test('a substitution may replace a number; the check of other values is unchanged', () => {
  const steps = optionOf('train', 'steps');
  assert.equal(steps.if, { $ref: '#/definitions/substitution' });
  assert.is(steps.then, true);
  const { description, default: fallback, ...bare } = schemaAt(train.options, ['steps'])!;
  assert.equal(steps.else, bare);
  assert.is(steps.description, description);
  assert.is(steps.default, fallback);
});

test('the schema of each part of a file is that in the schema of the file', () => {
  const parser = pipelineParser(stages);
  let count = 0;
  const visit = (whole: JsonSchema, path: (string | number)[]) => {
    assert.equal(schemaAt(parser, path), whole, path.join('.'));
    count++;
    const { items, additionalProperties: others } = whole;
    const parts: [string | number, JsonSchema | boolean | undefined][] = Array.isArray(items)
      ? [...items.entries()]
      : [[0, items]];
    const members = [whole, ...(whole.anyOf ?? [])].flatMap(({ properties = {} }) =>
      Object.entries(properties),
    );
    for (const [key, part] of [...parts, ...new Map(members.reverse()), ['any', others] as const])
      if (typeof part === 'object') visit(part, [...path, key]);
  };
  visit(jsonSchema(parser), []);
  assert.ok(count > 200, `${count} parts`);
  assert.is(schemaAt(parser, ['stages', 0, 'train', 'stepz']), undefined);
});

test('every number, choice and boolean takes a substitution, once', () => {
  const open: string[] = [];
  const visit = (node: unknown, path: string, inside: boolean) => {
    if (typeof node !== 'object' || node === null) return;
    const { type, if: condition, else: otherwise, ...rest } = node as JsonSchema;
    if (condition) {
      assert.not(inside, `${path} is opened twice`);
      visit(otherwise, path, true);
      return;
    }
    const scalar =
      ['number', 'integer', 'boolean'].includes(String(type)) || 'enum' in rest || 'const' in rest;
    if (scalar && !inside) open.push(path);
    for (const [key, value] of Object.entries(rest)) {
      const list = ['anyOf', 'oneOf', 'allOf'].includes(key);
      if (key === 'properties' || list)
        for (const [name, part] of Object.entries(value as object))
          visit(part, `${path}.${name}`, list && inside);
      if (key === 'items') for (const part of [value].flat()) visit(part, `${path}[]`, false);
    }
  };
  const { matrix, ...others } = schema.properties!;
  for (const [name, part] of Object.entries(others)) visit(part, name, false);
  assert.equal(open, []);
  assert.equal((matrix.additionalProperties as JsonSchema).type, 'array');
});

test('the pattern of a substitution', () => {
  const { substitution } = schema.definitions as Record<string, JsonSchema>;
  const pattern = new RegExp(substitution.pattern!, 'u');
  for (const text of ['${matrix.seed}', 'a ${env.X}/b', '1${matrix.a-b}']) assert.match(text, pattern);
  for (const text of ['many', '${matrix}', '${seed}', '$${matrix.seed}', '${env.'])
    assert.not.match(text, pattern);
});

test.run();
