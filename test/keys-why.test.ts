/** The reasons for running a stage. */
import { resolve } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StageIdentity } from '../pipeline/keys/identity.ts';
import { sentence, why } from '../pipeline/keys/why.ts';

type Naming = Parameters<typeof why>[2];

const identity: StageIdentity = {
  format: 1,
  stage: 'train',
  options: { steps: 300, clip: { weight: 0.1, prompt: 'rococo' }, size: [1, 2] },
  files: { 'colmap:images/0001.png': 'a', 'package:prompts/demo-clip/config.json': 'b' },
  texts: { prompt: 'gilded scrolls' },
  inputs: { gaussians: { stage: 'init', key: '1' }, dataset: { stage: 'load', key: '2' } },
  seed: 42,
  code: { 'stages/train/train.ts': 'c', 'wgsl/splat/project.wgsl': 'd' },
  packages: { splatline: '0.1.0', webgpu: '0.6.2', sharp: '0.35.5' },
  runtime: { node: '20', platform: 'linux', arch: 'x64' },
  adapter: {
    vendor: 'mesa',
    architecture: 'software',
    device: 'llvmpipe',
    description: 'Mesa 25',
    features: ['subgroups'],
    subgroupMinSize: 8,
    subgroupMaxSize: 8,
    software: true,
    cpu: 'one',
    target: 'cpu',
    hasMatrices: false,
  },
};
const { adapter } = identity;

const reasonOf = (now: Partial<StageIdentity>, naming?: Naming) =>
  sentence(why(identity, { ...identity, ...now }, naming));

test('each kind of difference has its sentence', () => {
  const options = identity.options as Record<string, unknown>;
  const cases: [Partial<StageIdentity>, string][] = [
    [{ options: { ...options, steps: 500 } as never }, 'train.steps was 300, is now 500'],
    [{ options: { ...options, size: [1, 3] } as never }, 'train.size was [1,2], is now [1,3]'],
    [
      { options: { ...options, clip: { prompt: 'rococo', weight: 1 } } as never },
      'train.clip.weight was 0.1, is now 1',
    ],
    [{ options: { ...options, extra: true } as never }, 'train.extra was absent, is now true'],
    [{ options: { steps: 300, clip: options.clip } as never }, 'train.size was [1,2], is now absent'],
    [{ texts: { prompt: 'moss' } }, 'the prompt was "gilded scrolls", is now moss'],
    [{ texts: {} }, 'the prompt was "gilded scrolls", is now absent'],
    [{ texts: { ...identity.texts, model: '/m' } }, 'the model was absent, is now /m'],
    [{ files: { ...identity.files, 'colmap:images/0001.png': 'z' } }, 'colmap:images/0001.png has changed'],
    [
      { files: { ...identity.files, 'package:prompts/demo-clip/config.json': 'z' } },
      'prompts/demo-clip/config.json has changed',
    ],
    [{ files: { ...identity.files, 'colmap:x.png': 'z' } }, 'colmap:x.png is new'],
    [{ seed: 1 }, 'the seed was 42, is now 1'],
    [{ code: { ...identity.code, 'wgsl/splat/project.wgsl': 'z' } }, 'wgsl/splat/project.wgsl has changed'],
    [{ code: { ...identity.code, 'wgsl/splat/new.wgsl': 'z' } }, 'wgsl/splat/new.wgsl is new'],
    [{ code: { 'stages/train/train.ts': 'c' } }, 'wgsl/splat/project.wgsl is gone'],
    [
      { packages: { ...identity.packages, splatline: '0.2.0' } },
      'the package splatline was 0.1.0, is now 0.2.0',
    ],
    [{ packages: { ...identity.packages, webgpu: '0.7.0' } }, 'the package webgpu was 0.6.2, is now 0.7.0'],
    [{ packages: { ...identity.packages, yaml: '2.9.1' } }, 'the package yaml was absent, is now 2.9.1'],
    [{ runtime: { ...identity.runtime, node: '22' } }, "the runtime's node was 20, is now 22"],
    [
      { adapter: { ...adapter, description: 'Mesa 26' } },
      'the adapter\'s description was "Mesa 25", is now "Mesa 26"',
    ],
    [{ adapter: { ...adapter, target: 'portable' } }, "the adapter's target was cpu, is now portable"],
    [{ adapter: { ...adapter, features: [] } }, 'the adapter\'s features was ["subgroups"], is now []'],
    [
      { inputs: { ...identity.inputs, gaussians: { stage: 'init', key: '9' } } },
      'its input from init has changed',
    ],
    [
      { inputs: { ...identity.inputs, gaussians: { stage: 'load', key: '9' } } },
      'its input from load has changed',
    ],
    [{ inputs: { dataset: { stage: 'load', key: '2' } } }, 'its input from init has changed'],
    [
      { inputs: { ...identity.inputs, base: { stage: 'stylize', key: '3' } } },
      'its input from stylize has changed',
    ],
    [{ format: 2 }, 'another version of splatline saved its results'],
  ];
  for (const [now, expected] of cases) assert.is(reasonOf(now), expected);
});

test('inputs from one stage are one reason', () => {
  const input = (key: string) => ({ stage: 'stylize', key });
  const before = { ...identity, inputs: { base: input('1'), gaussians: input('1'), style: input('1') } };
  const now = { ...identity, inputs: { base: input('2'), gaussians: input('2'), style: input('2') } };
  assert.equal(why(before, now), ['its input from stylize has changed']);
});

test('without a difference there is no reason', () => {
  assert.equal(why(identity, identity), []);
  assert.is(sentence([]), '');
});

test('inputs come last, and more than two reasons are counted', () => {
  const now = {
    inputs: { ...identity.inputs, gaussians: { stage: 'init', key: '9' } },
    adapter: { ...adapter, cpu: 'two' },
    seed: 1,
    options: { steps: 500 },
  };
  const reasons = why({ ...identity, options: { steps: 300 } }, { ...identity, ...now });
  assert.is(reasons.at(-1), 'its input from init has changed');
  assert.is(sentence(reasons), 'train.steps was 300, is now 500; the seed was 42, is now 1; and 2 more');
});

test('a changed prompt and its text are one reason', () => {
  const options = { ...(identity.options as object), clip: { weight: 0.1, prompt: 'moss' } };
  assert.is(reasonOf({ options, texts: { prompt: 'moss' } }), 'train.clip.prompt was rococo, is now moss');
});

test('stages and files have the user’s names', () => {
  const name = 'colmap:images/0001.png';
  const files = { ...identity.files, [name]: 'z' };
  const naming = (path: string): Naming => ({ places: { [name]: path } });
  assert.is(reasonOf({ files }, naming(resolve('scenes/0001.png'))), 'scenes/0001.png has changed');
  assert.is(reasonOf({ files }, naming('/data/images/0001.png')), '/data/images/0001.png has changed');
  assert.is(
    reasonOf({ options: { ...(identity.options as object), steps: 1 } as never }, { id: 'first' }),
    'first.steps was 300, is now 1',
  );
});

test.run();
