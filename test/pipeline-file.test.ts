import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { nearest } from '../pipeline/file/describe.ts';
import { readPipeline } from '../pipeline/file/read.ts';
import { jsonSchema } from '../pipeline/file/schema.ts';
import { stages } from '../stages/index.ts';
import { InputError } from '../wgsl/core/index.ts';
import { fakeStages, inScratch } from './helpers/fake-stages.ts';
import { mixed } from './helpers/numbers.ts';

const GOOD = `name: fox
seed: 7
stages:
  - load: { colmap: capture }
  - init: { from: random }
  - train:
      steps: 20
      clip: { prompt: rococo }
  - train: { id: again, steps: 5 }
  - score:
`;

async function read(text: string | Uint8Array, set: string[] = []) {
  let plan: Awaited<ReturnType<typeof readPipeline>> | undefined;
  await inScratch(async (folder) => {
    await mkdir(join(folder, 'capture'));
    await writeFile(join(folder, 'a.ply'), '');
    await writeFile(join(folder, 'p.yaml'), text);
    plan = await readPipeline('p.yaml', { set, cwd: folder, registry: fakeStages });
    // Paths become comparable before the folder is deleted.
    for (const stage of plan.stages) {
      stage.options = JSON.parse(JSON.stringify(stage.options).replaceAll(folder, '.'));
    }
  });
  return plan!;
}

async function refusal(text: string | Uint8Array, set: string[] = []): Promise<string> {
  try {
    await read(text, set);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error(`this was accepted:\n${text}`);
}

const chain = (last: string) => `stages:\n  - load: { colmap: capture }\n  - init:\n  - ${last}\n`;

test('reads stages, fills defaults in and resolves paths', async () => {
  const plan = await read(GOOD);
  assert.is(plan.name, 'fox');
  assert.is(plan.seed, 7);
  assert.equal(
    plan.stages.map(({ id }) => id),
    ['load', 'init', 'train', 'again', 'score'],
  );
  assert.equal(plan.stages[0].options, { colmap: './capture', downscale: 1 });
  assert.equal(plan.stages[2].options, {
    steps: 20,
    strategy: 'mcmc',
    train: ['sh'],
    size: [64, 48],
    background: 'random',
    clip: { prompt: 'rococo', weight: 1 },
    fail: false,
  });
  assert.is((await read(GOOD.replace('name: fox\n', ''))).name, 'p');
});

test('overrides take precedence over the file, and remove values', async () => {
  const plan = await read(GOOD, [
    'seed=9',
    'train.steps=30',
    'train.train=[sh, opacity]',
    'train.clip.prompt=a: b',
    'again.clip.prompt=x',
    'load.ply=a.ply',
    'load.colmap=',
  ]);
  assert.is(plan.seed, 9);
  const options = plan.stages[2].options as Record<string, unknown>;
  assert.is(options.steps, 30);
  assert.equal(options.train, ['sh', 'opacity']);
  assert.equal(options.clip, { prompt: 'a: b', weight: 1 });
  assert.equal(plan.stages[0].options, { ply: './a.ply', downscale: 1 });
  assert.equal((plan.stages[3].options as { clip?: unknown }).clip, { prompt: 'x', weight: 1 }, 'a new map');
  const plain = await read(GOOD, ['train.clip=']);
  assert.is((plain.stages[2].options as { clip?: unknown }).clip, undefined);
});

test('checkpoints are by seconds, by steps or off; the last override applies', async () => {
  const of = async (line: string, set: string[] = []) => (await read(`${line}${GOOD}`, set)).checkpoints;
  assert.equal(await of(''), { seconds: 30 });
  assert.equal(await of('checkpoints: { steps: 500 }\n'), { steps: 500 });
  assert.equal(await of('checkpoints: { seconds: 0.5 }\n'), { seconds: 0.5 });
  assert.is(await of('checkpoints: off\n'), 'off');
  assert.equal(await of('checkpoints: { seconds: 5 }\n', ['checkpoints={ steps: 50 }']), { steps: 50 });
  assert.equal(await of('', ['checkpoints.seconds=2']), { seconds: 2 });
  assert.is(await of('', ['checkpoints=off']), 'off');
  assert.equal(await of('checkpoints: off\n', ['checkpoints=']), { seconds: 30 });
  assert.match(
    await refusal(GOOD, ['checkpoints.steps=x']),
    /^--set checkpoints\.steps=x: `checkpoints\.steps` of the file is x/,
  );
});

test('a plan names its file', async () => {
  await inScratch(async (folder) => {
    await writeFile(join(folder, 'p.yaml'), 'stages:\n  - load: { ply: p.yaml }\n');
    const plan = await readPipeline('p.yaml', { cwd: folder, registry: fakeStages });
    assert.is(plan.file, join(folder, 'p.yaml'));
    assert.is(plan.cell, undefined);
  });
});

const MISTAKES: [string, string, string | RegExp][] = [
  [
    'unknown option',
    chain('train: { stepps: 3 }'),
    'p.yaml:4:14: unknown key stepps in train: expected steps, strategy, train, size, background, clip, fail or id; the nearest is `steps`',
  ],
  [
    'unknown nested option',
    chain('train: { clip: { prompt: a, wait: 3 } }'),
    /^p\.yaml:4:33: unknown key wait in `clip` of train: expected prompt or weight; the nearest is `weight`$/,
  ],
  [
    'wrong type',
    chain('train: { steps: many }'),
    'p.yaml:4:14: `steps` of train is many (a string): expected a whole number, at least 1, at most 100000',
  ],
  ['not whole', chain('train: { steps: 1.5 }'), /is 1\.5 \(a number\): expected a whole number/],
  ['out of range', chain('train: { steps: 0 }'), /p\.yaml:4:14: `steps` of train is 0 .*at least 1/],
  ['not a number', chain('train: { steps: .nan }'), /`steps` of train is .*expected a whole number/],
  [
    'unknown choice',
    chain('train: { strategy: mmcc }'),
    /`strategy` of train is mmcc \(a string\): expected default or mcmc/,
  ],
  [
    'wrong list entry',
    chain('train: { train: [sh, quats] }'),
    /^p\.yaml:4:26: `train\.1` of train is quats .*: expected means, sh or opacity/,
  ],
  [
    'wrong length',
    chain('train: { size: [3] }'),
    /`size` of train is \[3\] \(a list\): expected a list of 2: each a whole number, above 0/,
  ],
  [
    'no branch of a union',
    chain('train: { background: red }'),
    /`background` of train is red .*expected random or a list of 3: each a number/,
  ],
  [
    'missing option',
    chain('train: { clip: { weight: 2 } }'),
    'p.yaml:4:14: `clip` of train lacks `prompt`: expected a string',
  ],
  [
    'missing option of a stage',
    chain('stylize:'),
    'p.yaml:4:5: stylize lacks `prompt`: expected a non-empty string',
  ],
  ['empty value', chain('train: { steps: }'), /`steps` of train is empty: expected a whole number/],
  [
    'options that are no map',
    chain('train: [1]'),
    /^p\.yaml:4:5: train is \[1\] \(a list\): expected a map of steps, /,
  ],
  ['refinement', 'stages:\n  - load: { }\n', 'p.yaml:2:5: load: give exactly one of colmap and ply'],
  [
    'missing folder',
    'stages:\n  - load: { colmap: nowhere }\n',
    /^p\.yaml:2:13: `colmap` of load: no such folder: .*nowhere$/,
  ],
  [
    'file for a folder',
    'stages:\n  - load: { colmap: a.ply }\n',
    /expected a folder, and .*a\.ply is a file/,
  ],
  [
    'unknown stage',
    'stages:\n  - laod: {}\n',
    'p.yaml:2:5: unknown key laod in stage 1: expected load, init, train, stylize or score; the nearest is `load`',
  ],
  [
    'two stages in one entry',
    'stages:\n  - load: { colmap: capture }\n    init:\n',
    'p.yaml:2:5: stage 1: expected one stage, found load, init; the next stage starts with `- `',
  ],
  [
    'entry that is no map',
    'stages:\n  - load\n',
    /^p\.yaml:2:5: stage 1 is load \(a string\): expected a map of load, init, /,
  ],
  ['duplicate id', chain('init:'), 'p.yaml:4:5: a second stage called init: give this one an `id`'],
  ['bad id', chain('train: { id: ../x }'), /^p\.yaml:4:14: `id` of train is \.\.\/x: expected letters/],
  [
    'order',
    'stages:\n  - init:\n  - load: { colmap: capture }\n',
    'p.yaml:2:5: impossible order: `init` needs dataset, which no earlier stage produces; put `load` before it',
  ],
  [
    'order, for two reasons',
    'stages:\n  - train:\n  - load: { colmap: capture }\n',
    'p.yaml:2:5: impossible order: `train` needs dataset and gaussians, which no earlier stage produces; put `load` and `init` before it',
  ],
  [
    'nothing gives it',
    'stages:\n  - load: { colmap: capture }\n  - train:\n',
    /`train` needs gaussians, which no earlier stage produces; put `init` before it$/,
  ],
  [
    'no stages',
    'name: x\n',
    'p.yaml:1:1: the file lacks `stages`: expected a list of at least 1: a map of load, init, train, stylize, score',
  ],
  [
    'empty list',
    'stages: []\n',
    /^p\.yaml:1:1: `stages` of the file is \[\] \(a list\): expected a list of at least 1/,
  ],
  [
    'unknown top key',
    'stagse: []\nstages:\n  - init:\n',
    /^p\.yaml:1:1: unknown key stagse in the file: expected name, seed, checkpoints, matrix or stages; the nearest is `stages`/,
  ],
  [
    'unsafe name',
    `name: ../../etc\n${chain('train:')}`,
    /^p\.yaml:1:1: `name` of the file is \.\.\/\.\.\/etc: expected letters, digits, dots, dashes and underscores/,
  ],
  [
    'seed',
    `seed: -1\n${chain('train:')}`,
    /^p\.yaml:1:1: `seed` of the file is -1 .*at least 0, at most 4294967295/,
  ],
  [
    'reserved id',
    chain('train: { id: matrix }'),
    'p.yaml:4:14: `id` of train: matrix is reserved: choose another one',
  ],
  [
    'checkpoints of both kinds',
    `checkpoints: { seconds: 3, steps: 4 }\n${chain('train:')}`,
    'p.yaml:1:1: `checkpoints` of the file: expected either seconds or steps, or off',
  ],
  [
    'checkpoints of neither kind',
    `checkpoints: {}\n${chain('train:')}`,
    'p.yaml:1:1: `checkpoints` of the file: expected either seconds or steps, or off',
  ],
  [
    'checkpoints out of range',
    `checkpoints: { steps: 0 }\n${chain('train:')}`,
    'p.yaml:1:16: `checkpoints.steps` of the file is 0 (a number): expected a whole number, at least 1',
  ],
  [
    'unknown key of checkpoints',
    `checkpoints: { second: 3 }\n${chain('train:')}`,
    /unknown key second in `checkpoints` of the file: .*nearest is `seconds`/,
  ],
  [
    'checkpoints that are a number',
    `checkpoints: 30\n${chain('train:')}`,
    /is 30 \(a number\): expected off or a map/,
  ],
  ['empty file', '', /^p\.yaml:1:1: the file is empty: expected a map of name, .*, stages$/],
  ['list', '- a\n', /^p\.yaml:1:1: the file is \["a"\] \(a list\): expected a map of name, .*, stages$/],
  ['prototype', `__proto__: {}\n${chain('train:')}`, /^p\.yaml:1:1: unknown key __proto__/],
  ['prototype option', chain('train: { __proto__: {} }'), /^p\.yaml:4:14: unknown key __proto__/],
];
for (const [name, text, expected] of MISTAKES) {
  test(`mistake: ${name}`, async () => {
    const message = await refusal(text);
    if (typeof expected === 'string') assert.is(message, expected);
    else assert.match(message, expected);
  });
}

test('reports several errors at once, each with its position', async () => {
  const lines = (
    await refusal(chain('train: { steps: 0, stratgy: mcmc }').replace('init:', 'init: { form: points }'))
  ).split('\n');
  assert.is(lines.length, 3);
  for (const line of lines) assert.match(line, /^p\.yaml:[34]:\d+: /);
});

test('the nearest name is suggested only where it is near', () => {
  const namesOf = (name: string) =>
    Object.keys(jsonSchema(stages.find((stage) => stage.name === name)!.options).properties ?? {});
  const stageNames = stages.map(({ name }) => name);
  for (const [name, known] of [
    ['region', namesOf('stylize')],
    ['region', namesOf('train')],
    ['depth', namesOf('orbit')],
    ['render', stageNames],
  ] as const)
    assert.not.match(nearest(name, known), /nearest/, name);
  for (const [name, known, meant] of [
    ['trian', stageNames, 'train'],
    ['stpes', namesOf('train'), 'steps'],
    ['promt', namesOf('stylize'), 'prompt'],
    ['STEPS', namesOf('train'), 'steps'],
  ] as const)
    assert.match(nearest(name, known), new RegExp(`; the nearest is \`${meant}\`$`));
});

test('mistakes in overrides name the override', async () => {
  const cases: [string, RegExp][] = [
    ['train.steps=many', /^--set train\.steps=many: `steps` of train is many/],
    ['train.stepps=3', /^--set train\.stepps=3: unknown key stepps in train: .*nearest is `steps`/],
    [
      'tarin.steps=3',
      /^--set tarin\.steps=3: no stage is called tarin: expected load, init, train, again or score; the nearest is `train`/,
    ],
    ['train.steps', /^--set train\.steps: expected STAGE\.OPTION=VALUE/],
    [
      'sed=3',
      /^--set sed=3: unknown key sed in the file: expected name, seed, checkpoints, matrix or stages; the nearest is `seed`/,
    ],
    ['seed=x', /^--set seed=x: `seed` of the file is x/],
    ['load.colmap=nowhere', /^--set load\.colmap=nowhere: `colmap` of load: no such folder/],
    ['train.steps.x=1', /^--set train\.steps\.x=1: 20 has no part `x`/],
    [
      'again.clip.weight=3',
      /^--set again\.clip\.weight=3: `clip` of train lacks `prompt`: expected a string$/,
    ],
    ['train.id=again', /^p\.yaml:9:5: a second stage called again: give this one an `id`/],
    ['train.__proto__.x=1', /^--set train\.__proto__\.x=1: unknown key __proto__/],
    ['train.train=[', /^--set train\.train=\[:1:\d+: this is not valid YAML/],
  ];
  for (const [set, expected] of cases) assert.match(await refusal(GOOD, [set]), expected);
});

test('paths in overrides start at the working directory, those in the file at the file', async () => {
  await inScratch(async (folder) => {
    await mkdir(join(folder, 'sub', 'capture'), { recursive: true });
    await mkdir(join(folder, 'other'));
    await writeFile(join(folder, 'sub', 'p.yaml'), 'stages:\n  - load: { colmap: capture }\n');
    const paths = async (set: string[]) => {
      const plan = await readPipeline('sub/p.yaml', { set, cwd: folder, registry: fakeStages });
      return (plan.stages[0].options as { colmap: string }).colmap;
    };
    assert.is(await paths([]), join(folder, 'sub', 'capture'));
    assert.is(await paths(['load.colmap=other']), join(folder, 'other'));
  });
});

const bomb = `a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
`;
const HOSTILE: [string, string | Uint8Array, RegExp][] = [
  ['alias bomb', bomb, /^p\.yaml:\d+:\d+: more than 20000 values/],
  ['alias of itself', 'a: &a [*a]\n', /nested deeper/],
  ['alias of nothing', 'a: *b\n', /p\.yaml:1:4: `\*b` has no `&b` before it/],
  ['brackets', '['.repeat(100_000), /nested deeper than/],
  ['dashes', '- '.repeat(60_000), /nested deeper than/],
  ['large', `# ${'x'.repeat(200_000)}`, /200002 bytes; a pipeline file has at most/],
  ['NUL', 'name: a\0b\n', /a NUL byte at offset 7/],
  ['not UTF-8', new Uint8Array([0x61, 0x3a, 0x20, 0xff, 0xfe]), /not UTF-8/],
  ['duplicate key', 'name: a\nname: b\n', /^p\.yaml:2:1: this is not valid YAML: Map keys must be unique/],
  ['tag', 'name: !!js/function x\n', /^p\.yaml:1:7: this is not valid YAML: Unresolved tag/],
  ['two documents', 'name: a\n---\nname: b\n', /multiple documents/],
  ['key that is a list', '? [a]\n: b\n', /^p\.yaml:1:3: unknown key "\[.*a.*\]" in the file: expected name/m],
  ['key that is empty', '~: b\n', /^p\.yaml:1:1: unknown key null in the file: expected name/m],
  ['unclosed', 'stages: [', /^p\.yaml:1:\d+: this is not valid YAML/],
];
for (const [name, text, expected] of HOSTILE) {
  test(`hostile: ${name}`, async () => {
    const start = performance.now();
    assert.match(await refusal(text), expected);
    assert.ok(performance.now() - start < 5000, 'took too long');
  });
}

test('any cut of a good file is read or refused, never anything else', async () => {
  for (let length = 0; length < GOOD.length; length += 3) {
    await read(GOOD.slice(0, length)).catch((error: unknown) => {
      if (!(error instanceof InputError)) throw error;
    });
  }
});

test('each of 240 mutations of a good file is read, or refused with a line and a column for every error', async () => {
  const numbers = mixed(2000, 7).values();
  const below = (count: number) => numbers.next().value! % count;
  const pieces = [
    '[',
    '}',
    ':',
    '- ',
    '"',
    '*a',
    '&a ',
    'null',
    '-1',
    '1.5',
    'x',
    '\n',
    '#',
    'true',
    '!!x ',
    '? ',
  ];
  const mutants = Array.from({ length: 240 }, () => {
    const at = below(GOOD.length);
    const piece = pieces[below(pieces.length)];
    const lines = GOOD.split('\n');
    switch (below(4)) {
      case 0:
        return GOOD.slice(0, at) + piece + GOOD.slice(at);
      case 1:
        return GOOD.slice(0, at) + piece + GOOD.slice(at + 1 + below(6));
      case 2:
        return lines.toSpliced(below(lines.length), 1).join('\n');
      default:
        return lines.toSpliced(below(lines.length), 0, lines[below(lines.length)]).join('\n');
    }
  });
  let refused = 0;
  for (const mutant of mutants) {
    try {
      await read(mutant);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      for (const line of error.message.split('\n')) assert.match(line, /^p\.yaml:\d+:\d+: \S/, mutant);
      refused++;
    }
  }
  assert.ok(refused > 120, `${refused} were refused`);
});

test('a missing file and a folder are distinct errors', async () => {
  await inScratch(async (folder) => {
    const fails = async (file: string, expected: RegExp) => {
      try {
        await readPipeline(file, { cwd: folder, registry: fakeStages });
      } catch (error) {
        assert.instance(error, InputError);
        assert.match((error as Error).message, expected);
        return;
      }
      throw new Error(`${file} was read`);
    };
    await fails('none.yaml', /^none\.yaml: no such file/);
    await fails('.', /^\.: this is not a file/);
  });
});

test.run();
