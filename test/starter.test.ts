// biome-ignore-all lint/suspicious/noTemplateCurlyInString: texts that a file may not substitute.
/** Pipeline files that `splatline` writes: `new`, `train` and `restyle`. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { restyleCommand, trainCommand } from '../pipeline/cli/direct.ts';
import { freeName } from '../pipeline/cli/free-name.ts';
import { newCommand } from '../pipeline/cli/new.ts';
import { planCommand } from '../pipeline/cli/plan.ts';
import { runCommand } from '../pipeline/cli/run.ts';
import { readPipeline } from '../pipeline/file/read.ts';
import {
  chainFor,
  describeInput,
  GOAL_NAMES,
  GOALS,
  inspectInput,
  type RunRequest,
} from '../pipeline/starter/chain.ts';
import { pipelineText, schemaAddress } from '../pipeline/starter/pipeline-text.ts';
import { ask } from '../pipeline/starter/questions.ts';
import { emptyGaussians } from '../stages/artefacts/gaussians.ts';
import { encodePly } from '../stages/artefacts/gaussians-ply.ts';
import { Stopped } from '../stages/checkpoints.ts';
import { stages } from '../stages/index.ts';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { throwsInput } from './helpers/throws.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const command = join(root, 'pipeline/splatline.mjs');
const folder = scratchFolder();

async function splatline(...args: string[]) {
  const { exitCode, stdout, stderr } = await $({ cwd: folder, nothrow: true })`
    ${process.execPath} ${command} ${args}`;
  return { exitCode, stdout, stderr };
}

const capture = await writeCapture(tinyCapture());
cpSync(capture, join(folder, 'shed ${x}'), { recursive: true });
cpSync(join(capture, 'images'), join(folder, 'shots'), { recursive: true });
const frames = [0, 1, 2].map((i) => ({
  file_path: `images/view ${i}.png`,
  transform_matrix: [
    [1, 0, 0, i],
    [0, 1, 0, 0],
    [0, 0, 1, 4],
  ],
}));
put(folder, 'nerf/transforms.json', JSON.stringify({ fl_x: 2000, w: 4000, h: 3000, frames }));
cpSync(join(capture, 'images'), join(folder, 'nerf/images'), { recursive: true });
put(folder, 'walk.mp4', 'not decoded');
put(folder, 'cat.ply', await encodePly(emptyGaussians(5, 1)));

const INPUTS = [
  { from: 'shed ${x}', is: 'a COLMAP capture, 9 pictures of 64×48, PINHOLE, 6 points' },
  { from: 'nerf', is: 'cameras in transforms.json, 3 pictures of 4000×3000, OPENCV, 0 points' },
  { from: 'shots', is: 'photographs, 9 pictures of 64×48' },
  { from: 'walk.mp4', is: 'a video' },
  { from: 'cat.ply', is: 'a splat, 5 Gaussians of SH degree 1' },
  { from: 'demo', is: 'the scene of the package, 56 pictures of 256×256, PINHOLE, 5000 points' },
];

for (const { from, is } of INPUTS) {
  test(`a file for ${from} is valid, whatever it is for, and each of its options has a comment`, async () => {
    const found = await inspectInput(from === 'demo' ? from : join(folder, from));
    assert.is(describeInput(found), is);
    const isSplat = from === 'cat.ply';
    for (const goal of GOAL_NAMES.filter((name) => !isSplat || !GOALS[name].photographs)) {
      const request = { goal, prompt: 'gold, ${y}: "new"\nline', model: 'demo' };
      const text = pipelineText(await chainFor(found, request), { folder, about: ['Two  columns'] });
      const plan = await readPipeline(join(folder, 'x.yaml'), { text, registry: stages });
      const names = plan.stages.map(({ stage }) => stage.name);
      const own = GOALS[goal].stages.filter((name) => !isSplat || name !== 'train');
      const before = from === 'shots' || from === 'walk.mp4' ? ['sfm'] : [];
      assert.equal(names, [...before, 'load', ...(isSplat ? [] : ['init']), ...own]);
      const load = plan.stages.find(({ id }) => id === 'load')!.options as Record<string, unknown>;
      assert.is(load[found.reader.key], found.path);
      assert.is(load.downscale, from === 'nerf' ? 2.5 : from === 'demo' ? 2 : 1);
      const stylize = plan.stages.find(({ id }) => id === 'stylize')?.options as { prompt: string };
      if (stylize) assert.is(stylize.prompt, 'gold, ${y}: "new"\nline');
      const lines = text.split('\n');
      assert.is(lines[1], '# Two  columns');
      for (const [i, line] of lines.entries()) {
        assert.ok(line.length <= 110 || !line.includes('#'), line);
        if (/^ {6}\w+:/.test(line)) assert.match(lines[i - 1], /^ {6}# /);
      }
    }
  });
}

test('train needs a capture, a restyling needs a prompt, and a path must be an input', async () => {
  const splat = await inspectInput(join(folder, 'cat.ply'));
  await throwsInput(() => chainFor(splat, { goal: 'train' }), /is a splat, and train needs a capture/);
  await throwsInput(() => chainFor(splat, { goal: 'restyle', prompt: ' ' }), /expected a prompt/);
  await throwsInput(() => inspectInput(join(folder, 'none')), /no such file or folder/);
  await throwsInput(() => inspectInput(put(folder, 'notes.txt', '')), /is nothing that load reads/);
});

test('a run is named after its input and its prompt, and different ones have different names', async () => {
  const bytes = await encodePly(emptyGaussians(5, 1));
  const paths = ['splat.ply', 'base.ply', 'point_cloud/iteration_30000/point_cloud.ply'];
  for (const path of paths) put(folder, `out/robot/${path}`, bytes);
  const nameOf = async (from: string, prompt: string) => {
    const found = await inspectInput(from === 'demo' ? from : join(folder, from));
    return (await chainFor(found, { goal: 'restyle', prompt })).name;
  };
  const inputs = ['demo', `out/robot/${paths[0]}`, `out/robot/${paths[1]}`, 'nerf', 'nerf/transforms.json'];
  const names = await Promise.all(inputs.map((from) => nameOf(from, 'Gold, shiny')));
  assert.equal(
    names.map((name) => name.replace('-gold-shiny', '')),
    ['robot', 'robot-splat', 'robot-base', 'nerf', 'nerf'],
  );
  assert.is(await nameOf(`out/robot/${paths[2]}`, 'gold'), 'robot-splat-gold');
  assert.is((await chainFor(await inspectInput('demo'), { goal: 'train' })).name, 'robot');
  const unlike = ['é', 'e', '金', '銀', 'cat 金', 'x'.repeat(80), 'x'.repeat(81)];
  const made = await Promise.all(unlike.map((prompt) => nameOf('demo', prompt)));
  assert.equal(made.slice(0, 2), ['robot-e', 'robot-e']);
  assert.match(made[4], /^robot-cat-[0-9a-f]{6}$/);
  assert.is(new Set(made).size, unlike.length - 1);
  for (const name of made) assert.match(name, /^[a-z0-9-]{1,60}$/);
  assert.equal(await Promise.all(unlike.map((prompt) => nameOf('demo', prompt))), made);
});

test('the schema is found in a checkout, in a project with the package, and elsewhere', () => {
  assert.is(schemaAddress(join(root, 'scenes')), '../pipeline/schema.json');
  assert.is(schemaAddress(root.replace(/[\\/]$/, '')), './pipeline/schema.json');
  const project = scratchFolder();
  put(project, 'node_modules/splatline/package.json', '{ "name": "splatline" }');
  put(project, 'node_modules/splatline/pipeline/schema.json', '{}');
  mkdirSync(join(project, 'a/b'), { recursive: true });
  const address = schemaAddress(join(project, 'a/b'));
  assert.is(address, '../../node_modules/splatline/pipeline/schema.json');
  assert.ok(existsSync(resolve(project, 'a/b', address)));
  const own = schemaAddress(folder);
  assert.match(own, /^file:\/\/\//);
  assert.ok(existsSync(fileURLToPath(own)));
});

test('new asks on a terminal only for what the options do not give', async () => {
  const answered = async (keys: string[], answers: Parameters<typeof ask>[0] = {}) => {
    const input = new PassThrough();
    const output = new PassThrough();
    let shown = '';
    output.on('data', (text) => {
      shown += text;
    });
    const asked = ask(answers, { terminal: { input, output }, models: ['me/mine'] });
    for (const key of keys) {
      await new Promise((done) => setTimeout(done, 30));
      input.write(key);
    }
    return { ...(await asked), shown };
  };
  const [down, enter] = ['\x1b[B', '\r'];
  const path = join(folder, 'cat.ply');
  const { request, shown } = await answered([
    down,
    down,
    down,
    down,
    enter,
    path,
    enter,
    enter,
    'gold',
    enter,
    down,
    down,
    enter,
  ]);
  assert.equal({ ...request }, { goal: 'restyle', prompt: 'gold', model: 'me/mine' });
  for (const text of [
    'What do you have?',
    'Where is it?',
    'a splat, 5 Gaussians',
    'What do you want to make?',
    'Which prompt?',
  ])
    assert.match(shown, text);
  assert.not.match(shown, 'train a splat');
  const given = await answered([enter], { from: 'demo', goal: 'restyle', prompt: 'wood' });
  assert.is(given.request.model, 'demo');
  assert.not.match(given.shown, 'What do you');
  const cancelled = await answered(['\x03']).catch((error) => error);
  assert.instance(cancelled, Stopped);
});

test('new writes a file that plan accepts, asks nothing without a terminal, and overwrites nothing', async () => {
  const bare = await splatline('new');
  assert.is(bare.exitCode, 2);
  assert.is(
    bare.stderr,
    'new: there is no terminal to ask on; add --from PATH (or --from demo) and --goal train|restyle|turntable|convert\n',
  );
  const prompt = await splatline('new', '--from', 'cat.ply', '--goal', 'restyle');
  assert.match(prompt.stderr, /^new: there is no terminal to ask on; add --prompt TEXT\n$/);
  const args = ['new', 'my films', '--from', 'cat.ply', '--goal', 'turntable'];
  const made = await splatline(...args);
  assert.is(made.stderr, '');
  assert.match(made.stdout, "Run it with: npx splatline run 'my films/my-films.yaml'");
  const planned = await splatline('plan', 'my films/my-films.yaml');
  assert.is(planned.exitCode, 0, planned.stderr);
  assert.match(planned.stdout, /^load +run .*\norbit +run .*\n$/);
  const file = join(folder, 'my films/my-films.yaml');
  writeFileSync(file, 'mine');
  const again = await splatline(...args);
  assert.is(again.exitCode, 2);
  assert.match(again.stderr, /exists, and is not overwritten/);
  assert.is(readFileSync(file, 'utf8'), 'mine');
});

test('train and restyle run without a file, and leave the file that they ran', async () => {
  const small = ['--set', 'orbit.frames=2', '--set', 'orbit.size=[32, 32]', '--set', 'orbit.files=[png]'];
  const trained = await splatline('train', 'shed ${x}', '--steps', '2', ...small);
  assert.is(trained.exitCode, 0, trained.stderr);
  assert.match(trained.stdout, / {2}- train: \{ steps: 2, /);
  const own = 'out/shed-x/pipeline.yaml';
  const text = readFileSync(join(folder, own), 'utf8');
  assert.match(text, /^ {6}colmap: "\.\.\/\.\.\/shed \$\$\{x\}"$/m);
  const plan = await splatline('plan', own);
  assert.match(plan.stdout, /^train +cached/m);
  assert.match(plan.stdout, /^score +cached/m);
  const run = readFileSync(join(folder, 'out/shed-x/run.json'), 'utf8');
  const { command, file } = JSON.parse(run);
  assert.is(file, join(folder, own));
  assert.match(command, "npx splatline train 'shed ${x}' --steps 2");

  // Another capture of that name.
  cpSync(capture, join(folder, 'new/shed ${x}'), { recursive: true });
  const second = await splatline('train', 'new/shed ${x}', '--steps', '2', ...small);
  assert.is(second.exitCode, 0, second.stderr);
  const [keeps, made] = second.stdout.split('\n');
  assert.is(keeps, `# out/shed-x keeps the results of ${join(folder, 'shed ${x}')}`);
  assert.match(made, /^# out\/shed-x-[0-9a-f]{6}\/pipeline\.yaml: a COLMAP capture/);
  assert.is(readFileSync(join(folder, 'out/shed-x/run.json'), 'utf8'), run);
  const nameOf = async (from: string, request: RunRequest) => {
    const values = await chainFor(await inspectInput(join(folder, from)), request);
    const text = pipelineText({ ...values, name: 'shed-x' }, { folder, about: [] });
    return freeName(
      await readPipeline(join(folder, 'x.yaml'), { text, registry: stages }),
      join(folder, 'out'),
    );
  };
  const name = made.split('/')[1];
  const train = { goal: 'train', steps: 9 } as const;
  assert.equal(await nameOf('shed ${x}', train), { name: 'shed-x' });
  assert.is((await nameOf('new/shed ${x}', train)).name, name, 'the same at each run');
  const gold = await nameOf('shed ${x}', { goal: 'restyle', prompt: 'gold' });
  assert.is(gold.taken, 'the prompt (none)');

  const model = join(root, 'test/data/clip-tiny');
  const views = ['--set', 'load.views=2', '--set', 'load.size=[32, 32]', '--set', 'score.metrics=[clip]'];
  const splat = 'out/shed-x/splat.ply';
  const restyled = await splatline(
    'restyle',
    splat,
    'blue glass',
    '--model',
    model,
    '--steps',
    '1',
    '--json',
    ...views,
    ...small,
  );
  assert.is(restyled.exitCode, 0, restyled.stderr);
  const [first] = restyled.stdout.split('\n');
  const event = JSON.parse(first);
  assert.is(event.event, 'pipeline');
  assert.is(event.file, join(folder, 'out/shed-x-splat-blue-glass/pipeline.yaml'));
  assert.is(readFileSync(event.file, 'utf8'), event.text);
  assert.match(event.text, /^ {6}ply: \.\.\/shed-x\/splat\.ply$/m);
  const wrong = await splatline('restyle', splat, 'blue', '--set', 'stylize.stepz=1');
  assert.match(wrong.stderr, /^--set stylize\.stepz=1: unknown key stepz in stylize/);
});

test('the first commands of the documents have these arguments and options, and the first two run', async () => {
  const of = (path: string, heading: string) => {
    const part = readFileSync(join(root, path), 'utf8').split(`${heading}\n`)[1].split(/^## /m)[0];
    return [...part.matchAll(/^npx splatline (.*)$/gm)].map(([, line]) =>
      [...line.replace(/ #.*/, '').matchAll(/"([^"]*)"|(\S+)/g)].map(([, text, word]) => text ?? word),
    );
  };
  const documented = of('docs/command-line.md', '## First files');
  const all = [...documented, ...of('README.md', '## Your own capture')];
  const known = [newCommand(), planCommand(), runCommand(), trainCommand(), restyleCommand()];
  assert.is(all.length, 9);
  for (const [name, ...words] of all) {
    const own = known.find((one) => one.name() === name)!;
    const { operands, unknown } = own.parseOptions(words);
    assert.equal(unknown, [], `${name} ${words}`);
    const needed = own.registeredArguments.filter(({ required }) => required).length;
    assert.ok(operands.length >= needed && operands.length <= own.registeredArguments.length, name);
  }
  for (const words of documented.slice(0, 2)) {
    const { exitCode, stderr } = await splatline(...words);
    assert.is(exitCode, 0, stderr);
  }
});

test.run();
