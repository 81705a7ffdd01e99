import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import type { ArtefactFormat, ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { Gaussians } from '../../stages/artefacts/gaussians.ts';
import { defineStage, type Stage } from '../../stages/stage.ts';
import { type Gpu, Ledger } from '../../wgsl/core/index.ts';

/** Stages without a GPU, with options of every kind, for tests of the file reader and the runner. */
export const trail: string[] = [];

/** A splat whose only content is a text, kept in its buffers' labels. */
export function fakeSplat(text: string): Gaussians {
  const buffer = () => {
    const made = { label: text, destroyed: false, destroy: () => void (made.destroyed = true) };
    return made as unknown as GPUBuffer;
  };
  const [means, logScales, quats, opacityLogits, sh] = Array.from({ length: 5 }, buffer);
  return { count: 1, shDegree: 0, means, logScales, quats, opacityLogits, sh };
}

export const wasFreed = (splat: Gaussians) => (splat.means as unknown as { destroyed: boolean }).destroyed;
const textOf = (splat: Gaussians) => splat.means.label;

const load = defineStage({
  name: 'load',
  summary: 'reads a capture',
  options: z
    .strictObject({
      colmap: z.string().meta({ path: 'folder' }).optional().describe('a COLMAP folder'),
      ply: z.string().meta({ path: 'file' }).optional().describe('a splat'),
      downscale: z.number().min(1).default(1),
    })
    .refine(
      ({ colmap, ply }) => (colmap === undefined) !== (ply === undefined),
      'give exactly one of colmap and ply',
    ),
  needs: [],
  gives: ['dataset'],
  source: true,
  async run(_gpu, _inputs, { colmap }) {
    trail.push('load');
    return {
      dataset: {
        views: [],
        points: { positions: new Float32Array(), colors: new Uint8Array() },
        up: [0, -1, 0],
        center: [0, 0, 0],
        extent: colmap ? 1 : 2,
      },
    };
  },
});

const init = defineStage({
  name: 'init',
  summary: 'starts a splat',
  options: z.strictObject({ from: z.enum(['points', 'random']).default('points') }),
  needs: ['dataset'],
  gives: ['gaussians'],
  async run() {
    trail.push('init');
    return { gaussians: fakeSplat('init') };
  },
});

const train = defineStage({
  name: 'train',
  summary: 'trains it',
  options: z.strictObject({
    steps: z.int().min(1).max(100_000).default(10).describe('how many steps'),
    strategy: z.enum(['default', 'mcmc']).default('mcmc'),
    train: z
      .array(z.enum(['means', 'sh', 'opacity']))
      .min(1)
      .default(['sh']),
    size: z.tuple([z.int().positive(), z.int().positive()]).default([64, 48]),
    background: z
      .union([z.literal('random'), z.tuple([z.number(), z.number(), z.number()])])
      .default('random'),
    clip: z.strictObject({ prompt: z.string(), weight: z.number().min(0).default(1) }).optional(),
    fail: z.boolean().default(false),
  }),
  needs: ['dataset', 'gaussians'],
  gives: ['gaussians'],
  async run(_gpu, { gaussians }, { steps, fail }, { report, output, seed }) {
    trail.push('train');
    for (let step = 1; step <= steps; step++) report.progress({ step, steps, metrics: { loss: 1 / step } });
    await output.write('log/train.txt', `steps ${steps}\n`);
    if (fail) throw new Error('as asked');
    return { gaussians: fakeSplat(`${textOf(gaussians)} train ${steps} seed ${seed}`) };
  },
});

const stylize = defineStage({
  name: 'stylize',
  summary: 'restyles it',
  options: z.strictObject({ prompt: z.string().min(1) }),
  needs: ['gaussians'],
  gives: ['gaussians', 'base'],
  async run(_gpu, { gaussians }, { prompt }) {
    trail.push('stylize');
    const { means, logScales, quats, opacityLogits } = gaussians;
    const styled = { ...fakeSplat(`${textOf(gaussians)} ${prompt}`), logScales, quats, opacityLogits };
    void means;
    return { gaussians: styled, base: gaussians };
  },
});

const score = defineStage({
  name: 'score',
  summary: 'measures it',
  options: z.strictObject({}),
  needs: ['gaussians'],
  uses: ['base'],
  gives: ['scores'],
  async run(_gpu, { gaussians, base }) {
    trail.push('score');
    const over = `${textOf(gaussians)}${base ? ` / ${textOf(base)}` : ''}`;
    return { scores: { scores: [{ name: 'length', value: over.length, unit: 'letters', over }] } };
  },
});

export const fakeStages: readonly Stage[] = [load, init, train, stylize, score];

const splatFormat = (file: string): ArtefactFormat<Gaussians> => ({
  buffers: ({ means, logScales, quats, opacityLogits, sh }) => [means, logScales, quats, opacityLogits, sh],
  async save(_gpu, value, folder) {
    await writeFile(join(folder, 'splat.txt'), textOf(value));
  },
  async load(_gpu, folder) {
    return fakeSplat(await readFile(join(folder, 'splat.txt'), 'utf8'));
  },
  published: { file, bytes: async (_gpu, value) => Buffer.from(textOf(value)) },
});

export const fakeFormats: ArtefactFormats = {
  reconstruction: { buffers: () => [] },
  dataset: { buffers: () => [] },
  gaussians: splatFormat('splat.ply'),
  base: splatFormat('base.ply'),
  style: { buffers: () => [] },
  exposures: { buffers: () => [] },
  poses: { buffers: () => [] },
  frames: { buffers: () => [] },
  scores: {
    buffers: () => [],
    save: async (_gpu, value, folder) => writeFile(join(folder, 'scores.json'), JSON.stringify(value)),
    load: async (_gpu, folder) => JSON.parse(await readFile(join(folder, 'scores.json'), 'utf8')),
    published: { file: 'scores.json', bytes: async (_gpu, value) => Buffer.from(JSON.stringify(value)) },
  },
};

/** A device that does nothing, lives forever unless `lost` is called, and counts on a real ledger. */
export function fakeGpu(): Gpu & { lose(): void } {
  let failure: Error | undefined;
  let lose = () => {};
  const lost = new Promise<void>((resolve) => {
    lose = resolve;
  });
  const fake = {
    adapter: {
      vendor: '',
      architecture: '',
      device: 'fake',
      description: 'fake',
      features: [],
      subgroupMinSize: 0,
      subgroupMaxSize: 0,
    },
    ledger: new Ledger(),
    peakBytes: 0,
    device: { lost },
    check() {
      if (failure) throw failure;
    },
    async settle() {
      fake.check();
    },
    close() {},
    lose() {
      failure = new Error('the GPU device was lost: test');
      lose();
    },
  };
  return fake as unknown as Gpu & { lose(): void };
}

/** Runs a test body in a scratch folder, which is removed afterwards. */
export async function inScratch(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'splatline-test-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
