import type { ChainResult } from '../../pipeline/golden/chain.ts';
import { chainRows, frameRow } from '../../pipeline/golden/judge.ts';
import type { Picture } from '../../pipeline/golden/picture.ts';
import { boundOf, TOLERANCE } from '../../pipeline/golden/record.ts';
import type { Golden } from '../../pipeline/golden/recording.ts';
import type { FramePair, Report } from '../../pipeline/golden/report.ts';
import { random4 } from '../../wgsl/core/index.ts';

export const WIDTH = 24;
export const HEIGHT = 17;

export function noise(seed: number): Picture {
  const rgb = Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) =>
    Math.floor(256 * random4(seed, 'init', 0, i)[0]),
  );
  return { width: WIDTH, height: HEIGHT, rgb };
}

/** `of` with one channel moved. */
export function changed(of: Picture, at: number, by: number): Picture {
  const rgb = of.rgb.slice();
  rgb[at] += by;
  return { ...of, rgb };
}

export const golden = noise(1);
export const equalPair = { name: 'turntable-0000', before: golden, after: golden, ofThisRun: golden };
export const almostPair = {
  name: 'turntable-0001',
  before: golden,
  after: changed(golden, 100, golden.rgb[100] > 9 ? -1 : 1),
  ofThisRun: golden,
};
export const farPair = { name: 'view-a', before: golden, after: noise(2), ofThisRun: golden };

export const adapter = {
  vendor: 'mesa',
  architecture: 'llvm',
  device: 'llvmpipe',
  description: 'Mesa 25.0.7',
  cpu: 'Some CPU',
  features: ['subgroups', 'shader-f16'],
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
  software: true,
};

export const camera = {
  width: 24,
  height: 17,
  fx: 20,
  fy: 20,
  cx: 12,
  cy: 8,
  viewmat: Array(16).fill(0.5),
};
export const psnr = { name: 'psnr', value: 30, unit: 'dB', over: '7 held-out views' };
export const likeness = { name: 'ssim', value: 0.9, unit: '1', over: '7 held-out views' };

export const hash = (digit: string) => digit.repeat(64);

/** A recorded chain, and a run that equals it. */
export const chain: Golden['chain'] = {
  tensors: [
    { stage: 'init', tensor: 'means', sha256: hash('1') },
    { stage: 'train', tensor: 'means', sha256: hash('2') },
    { stage: 'train', tensor: 'sh', sha256: hash('3') },
  ],
  frames: [{ name: '0000', sha256: hash('4') }],
  cameras: [{ name: '0000', camera }],
  scores: [psnr, likeness].map((score) => ({ ...score, bound: boundOf(score) })),
};
export const same: ChainResult = {
  splat: { stage: 'train', file: '' },
  tensors: chain.tensors,
  frames: chain.frames,
  cameras: [{ name: '0000', camera }],
  scores: [psnr, likeness],
};

/** The same run with other tensors. */
export const otherTensors: ChainResult = {
  ...same,
  tensors: chain.tensors.map((one) => ({ ...one, sha256: hash('9') })),
};

export function report(now: ChainResult, pairs: FramePair[], mode: Report['mode']): Report {
  return {
    file: 'a "b" & <c>.yaml',
    mode,
    because: mode === 'bytes' ? [] : ['device was a, is b'],
    notes: [],
    rows: [...pairs.map((pair) => frameRow(pair, TOLERANCE)), ...chainRows(chain, now)],
  };
}
