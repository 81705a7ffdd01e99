// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type MatrixPlan, readMatrix, readPipeline } from '../pipeline/file/read.ts';
import { InputError } from '../wgsl/core/index.ts';
import { fakeStages, inScratch } from './helpers/fake-stages.ts';

const MATRIX = `name: fox
seed: \${matrix.seed}
matrix:
  prompt: [rococo, "day of the dead"]
  seed: [1, 2]
stages:
  - load: { colmap: "\${env.CAPTURE}" }
  - init:
  - train: { steps: "\${env.STEPS}" }
  - stylize: { prompt: "a \${matrix.prompt} fox" }
  - score:
`;

const ENV = { CAPTURE: 'capture', STEPS: '7' };
type Settings = { set?: string[]; cell?: string; env?: Record<string, string | undefined> };

async function inFolder<T>(text: string, body: (folder: string) => Promise<T>): Promise<T> {
  let result: T;
  await inScratch(async (folder) => {
    await mkdir(join(folder, 'capture'));
    await writeFile(join(folder, 'a.ply'), '');
    await writeFile(join(folder, 'p.yaml'), text);
    result = await body(folder);
  });
  return result!;
}

const matrix = (text: string, { set, env = ENV }: Settings = {}): Promise<MatrixPlan | undefined> =>
  inFolder(text, (cwd) => readMatrix('p.yaml', { set, cwd, env, registry: fakeStages }));
const one = (text: string, { set, cell, env = ENV }: Settings = {}) =>
  inFolder(text, (cwd) => readPipeline('p.yaml', { set, cwd, env, cell, registry: fakeStages }));

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

const optionsOf = (plan: { stages: { id: string; options: unknown }[] }, id: string) =>
  plan.stages.find((stage) => stage.id === id)!.options as Record<string, unknown>;

test('a matrix is every combination, each with its own plan', async () => {
  const { name, axes, cells } = (await matrix(MATRIX))!;
  assert.is(name, 'fox');
  assert.equal(axes, { prompt: ['rococo', 'day of the dead'], seed: [1, 2] });
  assert.equal(
    cells.map((cell) => cell.name),
    ['rococo-1', 'rococo-2', 'day-of-the-dead-1', 'day-of-the-dead-2'],
  );
  const [, second, third] = cells;
  assert.equal(third.values, { prompt: 'day of the dead', seed: 1 });
  assert.is(second.plan.seed, 2);
  assert.equal(second.plan.cell, { name: 'rococo-2', values: { prompt: 'rococo', seed: 2 } });
  assert.equal(optionsOf(third.plan, 'stylize'), { prompt: 'a day of the dead fox' });
  assert.is(optionsOf(third.plan, 'train').steps, 7);
  assert.match(String(optionsOf(third.plan, 'load').colmap), /\/capture$/);
});

test('a file without a matrix has no cells, and its variables are substituted', async () => {
  const text = 'stages:\n  - load: { ply: "${env.SPLAT}.ply" }\n';
  assert.is(await matrix(text, { env: { SPLAT: 'a' } }), undefined);
  const plan = await one(text, { env: { SPLAT: 'a' } });
  assert.match(String(optionsOf(plan, 'load').ply), /\/a\.ply$/);
  assert.match(
    await refusal(one(text, { cell: 'x' })),
    /^p\.yaml: the file has no `matrix`, so it has no cells: leave --cell out$/,
  );
});

test('one cell is read by its name or its values', async () => {
  for (const cell of [
    'day-of-the-dead-2',
    'prompt=day of the dead,seed=2',
    'seed=2, prompt=day of the dead',
  ]) {
    const plan = await one(MATRIX, { cell });
    assert.is(plan.cell?.name, 'day-of-the-dead-2');
    assert.is(plan.seed, 2);
  }
  const given = await inFolder(MATRIX, (cwd) =>
    readPipeline('p.yaml', { cwd, env: ENV, registry: fakeStages, cell: { seed: 1, prompt: 'rococo' } }),
  );
  assert.is(given.cell?.name, 'rococo-1');
  const cases: [string, RegExp][] = [
    [
      'rokoko-1',
      /^--cell rokoko-1: no cell has this name or these values: expected rococo-1, .*; the nearest is `rococo-1`$/,
    ],
    ['prompt=rococo', /^--cell prompt=rococo: no cell has this name or these values: expected rococo-1, /],
    ['prompt=baroque,seed=1', /no cell has this name or these values/],
  ];
  for (const [cell, expected] of cases) assert.match(await refusal(one(MATRIX, { cell })), expected);
  assert.match(
    await refusal(one(MATRIX)),
    /^p\.yaml: the file has a matrix of 4 cells: run them all, or give one, for example --cell rococo-1$/,
  );
});

test('overrides change, add and remove axes, and may refer to them', async () => {
  const names = async (set: string[], text = MATRIX) =>
    (await matrix(text, { set }))?.cells.map(({ name }) => name);
  assert.equal(await names(['matrix.prompt=[wood]']), ['wood-1', 'wood-2']);
  assert.equal(await names(['matrix.seed=', 'seed=3']), ['rococo', 'day-of-the-dead']);
  assert.equal(await names(['matrix=', 'seed=3', 'stylize.prompt=x']), undefined);
  assert.equal(
    await names(['matrix.steps=[10, 20]', 'train.steps=${matrix.steps}', 'matrix.prompt=[wood]']),
    ['wood-1-10', 'wood-1-20', 'wood-2-10', 'wood-2-20'],
  );
  const { cells } = (await matrix(MATRIX, {
    set: ['stylize.prompt=${matrix.prompt} of ${matrix.seed}, costs $${x}', 'seed=${env.STEPS}'],
  }))!;
  assert.equal(optionsOf(cells[1].plan, 'stylize'), { prompt: 'rococo of 2, costs ${x}' });
  assert.is(cells[1].plan.seed, 7);
});

test('axes take variables, numbers and booleans; paths, ids and list entries take axes', async () => {
  const text = `matrix: { x: ["\${env.STEPS}", 0.5, -1], on: [true, false], what: [sh] }
stages:
  - load: { colmap: "\${env.CAPTURE}" }
  - init: { id: "start-\${matrix.what}" }
  - train: { size: [64, 48], background: ["\${matrix.x}", 0, 0], train: ["\${matrix.what}"], fail: "\${matrix.on}" }
`;
  const { cells } = (await matrix(text))!;
  assert.equal(
    cells.map(({ name }) => name),
    ['7-true-sh', '7-false-sh', '0.5-true-sh', '0.5-false-sh', 'minus-1-true-sh', 'minus-1-false-sh'],
  );
  const last = cells.at(-1)!.plan;
  assert.is(last.stages[1].id, 'start-sh');
  assert.equal(optionsOf(last, 'train').background, [-1, 0, 0]);
  assert.equal(optionsOf(last, 'train').train, ['sh']);
  assert.is(optionsOf(last, 'train').fail, false);
});

test('every cell has a safe and unique name', async () => {
  const names = async (values: string) => {
    const text = `matrix: { p: [${values}] }\nstages:\n  - load: { ply: a.ply }\n  - stylize: { prompt: "\${matrix.p}" }\n`;
    return (await matrix(text))!.cells.map(({ name }) => name);
  };
  // Loading a splat provides no gaussians to the fakes, so the chain is completed.
  const chained = async (values: string) => {
    const text = `matrix: { p: [${values}] }\nstages:\n  - load: { ply: a.ply }\n  - init:\n  - stylize: { prompt: "x\${matrix.p}" }\n`;
    return (await matrix(text))!.cells.map(({ name }) => name);
  };
  assert.match(await refusal(names('a')), /impossible order/);
  const [a, b] = await chained('"a b", "a/b"');
  assert.match(a, /^a-b-[0-9a-f]{6}$/);
  assert.match(b, /^a-b-[0-9a-f]{6}$/);
  assert.is.not(a, b);
  assert.equal(await chained('"a b", "a/b", c'), [a, b, 'c']);
  assert.ok((await chained('Wood, wood')).every((name) => /^[Ww]ood-[0-9a-f]{6}$/.test(name)));
  assert.equal(await chained('Día, "../..", "", 日本'), [
    'Dia',
    ...(await chained('Día, "../..", "", 日本')).slice(1),
  ]);
  for (const name of await chained('"../..", "", 日本, matrix.json, CON, ".store", "-x"'))
    assert.match(name, /^[A-Za-z0-9][A-Za-z0-9._-]*$/);
  assert.match((await chained('matrix.json'))[0], /^matrix\.json-[0-9a-f]{6}$/);
  const [long, longer] = await chained(`${'a'.repeat(300)}, ${'a'.repeat(301)}`);
  assert.ok(long.length < 120 && long !== longer, long);
});

const chain = (more: string) =>
  `${more}stages:\n  - load: { colmap: capture }\n  - init:\n  - train:\n      steps: 5\n`;
const used = 'seed: ${matrix.s}\n';
const MISTAKES: [string, string, string | RegExp][] = [
  [
    'unused axis',
    chain('matrix:\n  s: [1]\n  other: [1, 2]\nseed: ${matrix.s}\n'),
    'p.yaml:3:3: the axis other of the matrix is used nowhere: write `${matrix.other}` where its value belongs, or remove the axis',
  ],
  [
    'unknown axis',
    chain('matrix: { s: [1] }\nseed: ${matrix.t}\n'),
    'p.yaml:2:1: the matrix has no axis t: expected s',
  ],
  [
    'unknown axis of an option',
    'matrix: { s: [1] }\nstages:\n  - load: { colmap: "${matrix.S}" }\n',
    /^p\.yaml:3:13: the matrix has no axis S: expected s/,
  ],
  [
    'undefined variable',
    chain('name: x\nseed: ${env.NOPE}\n'),
    'p.yaml:2:1: the environment has no NOPE: set it before the run',
  ],
  [
    'other reference',
    chain('name: a\nseed: ${seed}\n'),
    /^p\.yaml:2:1: `\$\{seed\}` is not a substitution: expected \$\{env\.NAME\};/,
  ],
  ['axis of no matrix', chain('seed: ${matrix.s}\n'), 'p.yaml:1:1: `${matrix.s}`: the file has no `matrix`'],
  [
    'axis in an axis',
    chain(`matrix: { s: [1], t: ["\${matrix.s}"] }\n${used}`),
    /^p\.yaml:1:23: `\$\{matrix\.s\}`: an axis cannot name another/,
  ],
  [
    'empty axis',
    chain(`matrix:\n  s: []\n${used}`),
    'p.yaml:2:3: `s` of the matrix is [] (a list): expected a list of at least 1: a string, a number or true or false',
  ],
  ['no axis', chain('matrix: {}\n'), /^p\.yaml:1:1: the matrix: expected at least one axis/],
  ['no matrix after the key', chain('matrix:\n'), /^p\.yaml:1:1: the matrix is empty: expected a map/],
  [
    'axis that is no list',
    chain(`matrix:\n  s: 3\n${used}`),
    /^p\.yaml:2:3: `s` of the matrix is 3 \(a number\): expected a list of at least 1/,
  ],
  [
    'list in an axis',
    chain(`matrix:\n  s: [1, [2]]\n${used}`),
    /^p\.yaml:2:10: `s\.1` of the matrix is \[2\] \(a list\): expected a string, a number or true or false/,
  ],
  [
    'map in an axis',
    chain(`matrix:\n  s: [{ a: 1 }]\n${used}`),
    /^p\.yaml:2:7: `s\.0` of the matrix is .* \(a map\): expected a string/,
  ],
  [
    'nothing in an axis',
    chain(`matrix:\n  s: [1, ~]\n${used}`),
    /^p\.yaml:2:10: `s\.1` of the matrix is empty/,
  ],
  [
    'value twice',
    chain(`matrix:\n  s: [1, 2, 1]\n${used}`),
    'p.yaml:2:13: `s.2` of the matrix: 1 appears twice: remove one',
  ],
  [
    'value twice as a string',
    chain(`matrix:\n  s: [1, "1"]\n${used}`),
    /^p\.yaml:2:10: `s\.1` of the matrix: 1 appears twice/,
  ],
  [
    'name of an axis',
    chain(`matrix:\n  s: [1]\n  a.b: [1]\n${used}`),
    /^p\.yaml:3:3: `a\.b` of the matrix: expected an axis named by letters/,
  ],
  ['prototype', chain(`matrix:\n  s: [1]\n  __proto__: [1]\n${used}`), /^p\.yaml:3:3: unknown key __proto__/],
  [
    'too many cells',
    chain(
      `matrix:\n  s: [${Array.from({ length: 40 }, (_, i) => i)}]\n  t: [${Array.from({ length: 26 }, (_, i) => i)}]\n${used}`,
    ),
    'p.yaml:1:1: the matrix: 1040 cells: expected at most 1000',
  ],
  [
    'name that differs',
    chain('name: fox-${matrix.s}\nmatrix: { s: [1, 2] }\n'),
    /^p\.yaml:1:1: `name` of the file differs between the cells/,
  ],
  [
    'one cell',
    chain('matrix: { s: [1, many, 3] }\nseed: ${matrix.s}\n'),
    'p.yaml:2:1: `seed` of the file is many (a string): expected a whole number, at least 0, at most 4294967295 (cell many)',
  ],
  [
    'some cells',
    'matrix: { d: [capture, x, y], s: [1, 2] }\nseed: ${matrix.s}\nstages:\n  - load: { colmap: "${matrix.d}" }\n',
    /^p\.yaml:4:13: `colmap` of load: no such folder: \S*\/x \(cell x-1 and 1 more\)\np\.yaml:4:13: .*\/y \(cell y-1 and 1 more\)$/,
  ],
  [
    'all cells',
    chain('matrix: { s: [1, 2] }\nseed: ${matrix.s}\n').replace('steps: 5', 'steps: 0'),
    /^p\.yaml:7:7: `steps` of train is 0 \(a number\): expected a whole number, at least 1, at most 100000$/,
  ],
  [
    'many cells',
    'matrix: { s: [a, b, c, d, e, 1] }\nseed: ${matrix.s}\nstages:\n  - load: { colmap: capture }\n',
    /is a \(a string\).*\(cell a\)\n.*is b/,
  ],
  [
    'no quotes in a flow map',
    chain('matrix: { s: [1] }\nseed: 1\n') + '  - stylize: { prompt: ${matrix.s} }\n',
    /^p\.yaml:8:\d+: this is not valid YAML: .*; quote a string with \$\{…\} inside \{ \} and \[ \]/,
  ],
  [
    'unfilled id',
    chain('').replace('init:', 'init: { id: "${matrix.s}" }'),
    'p.yaml:3:13: `${matrix.s}`: the file has no `matrix`',
  ],
];
for (const [name, text, expected] of MISTAKES) {
  test(`mistake: ${name}`, async () => {
    const message = await refusal(matrix(text).then((found): unknown => found ?? one(text)));
    if (typeof expected === 'string') assert.is(message, expected);
    else assert.match(message, expected);
  });
}

test('mistakes in overrides of a matrix name the override', async () => {
  const cases: [string, RegExp][] = [
    ['matrix.prompt=3', /^--set matrix\.prompt=3: `prompt` of the matrix is 3 \(a number\): expected a list/],
    ['matrix.prompt=[a, a]', /^--set matrix\.prompt=\[a, a\]: `prompt\.1` of the matrix: a appears twice/],
    ['matrix.other=[a]', /^--set matrix\.other=\[a\]: the axis other of the matrix is used nowhere/],
    ['stylize.prompt=${matrix.x}', /^--set stylize\.prompt=\$\{matrix\.x\}: the matrix has no axis x/],
    ['stylize.prompt=${env.X', /^--set stylize\.prompt=\$\{env\.X: `"\$\{env\.X"` has no closing brace/],
    ['train.train=[${matrix.x}]', /not valid YAML: .*quote a string/],
    ['stylize.prompt=plain', /^p\.yaml:4:3: the axis prompt of the matrix is used nowhere/],
    ['env.X=1', /^--set env\.X=1: unknown key env/],
  ];
  for (const [set, expected] of cases) assert.match(await refusal(matrix(MATRIX, { set: [set] })), expected);
});

test('a thousand cells are checked within ten seconds', async () => {
  const values = Array.from({ length: 1000 }, (_, i) => i + 1);
  const text = `matrix: { s: [${values}] }\nseed: \${matrix.s}\nstages:\n  - load: { colmap: capture }\n  - init:\n  - train:\n`;
  const start = performance.now();
  assert.is((await matrix(text))!.cells.length, 1000);
  const seconds = (performance.now() - start) / 1000;
  assert.ok(seconds < 10, `${seconds} s`);
});

test.run();
