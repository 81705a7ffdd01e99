// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mapTexts } from '../pipeline/file/describe.ts';
import { type Scalar, substitute } from '../pipeline/file/substitute.ts';

const VALUES = { prompt: 'day of the dead', seed: 2, fast: true };
const ENV = {
  DATA: '/data',
  STEPS: '500',
  RATE: '-1.5e-3',
  YES: 'true',
  EMPTY: '',
  NESTED: '${matrix.seed}',
};

function fill(value: unknown, { text = false, values = VALUES as Record<string, Scalar> } = {}) {
  const scope = { values, env: ENV, used: new Set<string>() };
  const mistakes: string[] = [];
  const report = (mistake: string) => mistakes.push(mistake);
  const result = mapTexts(value, (part) => substitute(part, scope, text, report));
  return { result, used: [...scope.used], mistakes };
}

function mistake(value: string, values?: Record<string, Scalar>): string {
  const { mistakes } = fill(value, { values });
  assert.is(mistakes.length, 1, `${value}: ${mistakes.join('; ')}`);
  return mistakes[0];
}

test('a value that is a single reference has the type of the axis', () => {
  assert.is(fill('${matrix.seed}').result, 2);
  assert.is(fill('${matrix.seed}', { text: true }).result, '2');
  assert.is(fill('${matrix.fast}').result, true);
  assert.is(fill('${matrix.prompt}').result, 'day of the dead');
  assert.equal(fill('${matrix.seed}').used, ['seed']);
  assert.is(fill(' ${matrix.seed}').result, ' 2');
});

test('inside a longer text a reference becomes text, any number of times', () => {
  const { result, used } = fill('a ${matrix.prompt}, ${matrix.seed}/${matrix.seed} in ${env.DATA}');
  assert.is(result, 'a day of the dead, 2/2 in /data');
  assert.equal(used, ['prompt', 'seed']);
});

test('a value with a variable becomes a number or a boolean if it reads as one, unless the schema wants a text', () => {
  assert.is(fill('${env.STEPS}').result, 500);
  assert.is(fill('${env.RATE}').result, -0.0015);
  assert.is(fill('${env.YES}').result, true);
  assert.is(fill('${env.DATA}').result, '/data');
  assert.is(fill('${env.STEPS}', { text: true }).result, '500');
  assert.is(fill('${env.STEPS}0').result, 5000);
  assert.is(fill('${env.STEPS}0', { text: true }).result, '5000');
  assert.is(fill('500').result, '500', 'a text without a reference');
  assert.is(fill('[${env.EMPTY}]').result, '[]');
  assert.is(fill('${env.EMPTY}').result, '');
});

test('only values are replaced, not keys, and replacements are not expanded again', () => {
  const { result } = fill({
    '${matrix.seed}': ['${matrix.seed}', { deep: '${matrix.fast}' }, 3, null, true],
  });
  assert.equal(result, { '${matrix.seed}': [2, { deep: true }, 3, null, true] });
  assert.is(fill('${env.NESTED}!').result, '${matrix.seed}!');
  const { result: plain, used } = fill('${matrix.x}', { values: { x: '${matrix.x}' } });
  assert.is(plain, '${matrix.x}');
  assert.equal(used, ['x']);
});

test('two dollar signs are a literal one', () => {
  assert.is(fill('$${matrix.seed}').result, '${matrix.seed}');
  assert.is(fill('costs $5, $${x} and $$').result, 'costs $5, ${x} and $$');
  assert.is(fill('$${${matrix.seed}}').result, '${2}');
  assert.equal(fill('$${matrix.seed}').used, []);
});

test('an error names the known axes', () => {
  assert.is(
    mistake('${matrix.promt}'),
    'the matrix has no axis promt: expected prompt, seed or fast; the nearest is `prompt`',
  );
  assert.is(mistake('x ${env.NONE} y'), 'the environment has no NONE: set it before the run');
  assert.match(
    mistake('${seed}'),
    /^`\$\{seed\}` is not a substitution: expected \$\{matrix\.prompt\}, \$\{matrix\.seed\}, \$\{matrix\.fast\}, \$\{env\.NAME\}; a literal/,
  );
  for (const text of ['${}', '${matrix}', '${env.}', '${ matrix.seed }', '${Matrix.seed}'])
    assert.match(mistake(text), /not a substitution/);
  assert.match(mistake('a ${matrix.seed'), /has no closing brace/);
  assert.match(mistake('${matrix.toString}'), /has no axis toString/);
  assert.match(mistake('${env.toString}'), /the environment has no toString/);
  assert.is(mistake('${matrix.seed}', {}), '`${matrix.seed}`: the file has no `matrix`');
  assert.is(fill('${matrix.promt}').result, '${matrix.promt}');
});

test.run();
