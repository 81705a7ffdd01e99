import type { Score } from '../../stages/artefacts/scores.ts';
import { CAMERA_TOLERANCE, cameraDistance } from './bounds.ts';
import type { ChainResult } from './chain.ts';
import { compare, type Difference } from './compare.ts';
import type { Golden, GoldenScore } from './format.ts';
import { type Picture, pictureHash } from './picture.ts';
import type { CamerasRow, FrameRow, Row, ScoreRow } from './report.ts';

/** A golden camera: the committed picture, and the one that was rendered now. */
export interface FramePair {
  name: string;
  before: Picture;
  after: Picture;
}

export function frameRow({ name, before, after }: FramePair, tolerance: Difference): FrameRow {
  const difference = compare(before, after);
  const within =
    difference.max <= tolerance.max && difference.mean <= tolerance.mean && difference.ssim >= tolerance.ssim;
  return { kind: 'frame', name, ...difference, exact: pictureHash(before) === pictureHash(after), within };
}

/** The chain against its recording: cameras, every tensor and picture, every score; in the order of the run. */
export function chainRows(golden: Golden['chain'], now: ChainResult): Row[] {
  const tensors = (list: Golden['chain']['tensors']) =>
    list.map(({ stage, tensor, sha256 }) => ({ name: `${stage}/${tensor}`, sha256 }));
  return [
    ...(golden.cameras ? [camerasRow(golden.cameras, now.cameras)] : []),
    ...hashRows('tensor', tensors(golden.tensors), tensors(now.tensors)),
    ...hashRows('turntable', golden.frames, now.frames),
    ...scoreRows(golden.scores, now.scores),
  ];
}

function camerasRow(
  golden: NonNullable<Golden['chain']['cameras']>,
  now: ChainResult['cameras'],
): CamerasRow {
  const same = golden.length === now.length;
  const distances = golden.map(({ camera }, i) => (now[i] ? cameraDistance(camera, now[i].camera) : 1));
  const distance = same ? Number(Math.max(...distances).toPrecision(3)) : 1;
  const exact = same && golden.every(({ camera }, i) => cameraDistance(camera, now[i].camera) === 0);
  return {
    kind: 'cameras',
    name: 'turntable’s cameras',
    distance,
    exact,
    within: distance <= CAMERA_TOLERANCE,
  };
}

interface Hashed {
  name: string;
  sha256: string;
}

/** A row for each name on either side; what only one side has is not equal. */
function hashRows(kind: 'tensor' | 'turntable', golden: readonly Hashed[], now: readonly Hashed[]): Row[] {
  const names = new Set([...golden, ...now].map(({ name }) => name));
  const hashIn = (list: readonly Hashed[], name: string) => list.find((one) => one.name === name)?.sha256;
  return [...names].map((name) => ({ kind, name, exact: hashIn(golden, name) === hashIn(now, name) }));
}

function scoreRows(golden: readonly GoldenScore[], now: readonly Score[]): ScoreRow[] {
  const rows = golden.map(({ name, value, unit, over, bound }): ScoreRow => {
    const score = now.find((one) => one.name === name);
    const exact = score?.value === value && score.unit === unit && score.over === over;
    const within = score?.unit === unit && Math.abs(score.value - value) <= bound;
    return { kind: 'score', name, unit, golden: value, now: score?.value, bound, exact, within };
  });
  const added = now.filter(({ name }) => !golden.some((one) => one.name === name));
  const isNew = { kind: 'score', bound: 0, exact: false, within: false } as const;
  return [...rows, ...added.map(({ name, unit, value }) => ({ ...isNew, name, unit, now: value }))];
}
