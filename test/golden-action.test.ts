import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { ROOT } from './golden/bench.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';

interface Step {
  name?: string;
  uses?: string;
  with?: Record<string, string>;
  if?: string;
  run?: string;
  shell?: string;
  env?: Record<string, string>;
  'working-directory'?: string;
}
interface Action {
  name: string;
  description: string;
  inputs: Record<string, { description: string; required?: boolean; default?: string }>;
  outputs: Record<string, { description: string; value: string }>;
  runs: { using: string; steps: Step[] };
}
interface Workflow {
  on: unknown;
  jobs: Record<string, { 'runs-on': string; steps: Step[] }>;
}

const text = await readFile(join(ROOT, '.github/actions/golden/action.yml'), 'utf8');
const action = parse(text) as Action;
const { steps } = action.runs;
const scripts = steps.filter((step): step is Step & { run: string } => step.run !== undefined);

test('it is a composite action: each step uses another or runs a script in a named shell', () => {
  assert.is(action.runs.using, 'composite');
  for (const key of ['name', 'description'] as const) assert.type(action[key], 'string');
  const known = [
    'name',
    'id',
    'if',
    'uses',
    'with',
    'run',
    'shell',
    'env',
    'working-directory',
    'continue-on-error',
  ];
  for (const step of steps) {
    assert.equal(
      Object.keys(step).filter((key) => !known.includes(key)),
      [],
    );
    assert.is.not(step.uses === undefined, step.run === undefined, `${step.name}: one of uses and run`);
    if (step.uses) assert.match(step.uses, /^[\w-]+\/[\w-]+@v\d+$/);
    else assert.is(step.shell, 'bash', `${step.name} needs its shell named`);
  }
});

test('every input is described and used, and no other is', () => {
  const used = new Set([...text.matchAll(/\$\{\{ inputs\.([\w-]+) \}\}/g)].map(([, name]) => name));
  assert.equal([...used].sort(), Object.keys(action.inputs).sort());
  for (const [name, { description, required, default: value }] of Object.entries(action.inputs)) {
    assert.ok(description, name);
    assert.ok(required || value !== undefined, `${name} has no default`);
  }
});

test('scripts take inputs through the environment: an input cannot become a command', () => {
  for (const { run, env = {} } of scripts) {
    assert.not.match(run, '${{');
    const used = [...run.matchAll(/\$\{?([A-Z_]+)/g)].map(([, name]) => name);
    assert.equal([...new Set(used)].sort(), Object.keys(env).sort());
  }
});

test('scripts are valid bash, and the programs and splatline commands that they name exist', async () => {
  for (const { run } of scripts) {
    await $`bash -n -c ${run}`;
    const programs = [...run.matchAll(/(?:^|\n|\|\||;|then)\s*([a-z]+)/g)].map(([, name]) => name);
    for (const name of new Set(programs)) await $`bash -c ${`type ${name}`}`;
  }
  const commands = scripts.flatMap(({ run }) =>
    [...run.matchAll(/npx --no -- splatline (.+)/g)].map(([, args]) => args),
  );
  assert.ok(commands.length >= 2);
  for (const line of commands.filter((args) => !args.startsWith('--version'))) {
    const words = line.split(/\s+/);
    const names = words.slice(0, words.findIndex((word) => !/^[a-z]+$/.test(word)) >>> 0);
    const { stdout } = await $`${process.execPath} ${join(ROOT, 'pipeline/splatline.mjs')} ${names} --help`;
    assert.match(stdout, `Usage: splatline ${names.join(' ')}`);
    for (const option of line.match(/--[a-z-]+/g) ?? []) assert.match(stdout, `${option} `);
  }
});

test('the check’s script fails as golden check does', async () => {
  const folder = scratchFolder();
  const GOLDEN_FILE = put(folder, 'fox.yaml', 'stages: []\n');
  const script = scripts.find(({ run }) => run.includes('golden check'))!;
  const env = {
    ...process.env,
    GOLDEN_FILE,
    GOLDEN_JUNIT: join(folder, 'j.xml'),
    GOLDEN_HTML: join(folder, 'h.html'),
  };
  const { exitCode, stderr } = await $({
    cwd: ROOT,
    env,
    nothrow: true,
  })`bash -e -o pipefail -c ${script.run}`;
  assert.is(exitCode, 2, stderr);
  assert.match(stderr, 'no golden renders were recorded');
});

test('reports are uploaded after a failure, too', () => {
  const upload = steps.find(({ uses }) => uses?.startsWith('actions/upload-artifact@'))!;
  assert.is(upload.if, 'always()');
  for (const name of ['junit', 'html']) assert.match(upload.with!.path, `inputs.${name} `);
});

test('the workflow in docs/golden.md uses the action as it is', async () => {
  const docs = await readFile(join(ROOT, 'docs/golden.md'), 'utf8');
  const workflows = [...docs.matchAll(/```yaml\n(.*?)```/gs)]
    .map(([, source]) => parse(source) as Workflow)
    .filter(({ jobs }) => jobs);
  assert.ok(workflows.length);
  for (const { jobs } of workflows) {
    const uses = Object.values(jobs).flatMap((job) =>
      job.steps.filter((step) => step.uses?.includes('actions/golden')),
    );
    assert.ok(uses.length);
    for (const step of uses) {
      const given = Object.keys(step.with ?? {});
      assert.equal(
        given.filter((name) => !Object.hasOwn(action.inputs, name)),
        [],
      );
      for (const [name, { required }] of Object.entries(action.inputs))
        if (required) assert.ok(given.includes(name), `${name} is required`);
    }
  }
});

test.run();
