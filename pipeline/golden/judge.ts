import type { Score } from '../../stages/artefacts/scores.ts';
import { literal } from '../file/describe.ts';
import type { Plan } from '../file/plan.ts';
import { changedMembers, flat } from '../keys/why.ts';
import type { ChainResult } from './chain.ts';
import { compare, type Difference, pictureHash } from './picture.ts';
import type { Golden, GoldenScore, NamedCamera } from './recording.ts';
import type { FramePair, Row } from './report.ts';

/** Relative. Cameras are sums of a few cosines in double precision; builds of V8 differ in the last bits. */
const CAMERA_TOLERANCE = 1e-6;

/** `key.key a → b` for each difference of two values, such as the reports of two adapters. */
export function changes(was: unknown, is: unknown, prefix = ''): string[] {
  const words = (value: unknown) => (value === undefined ? 'not set' : literal(value));
  return changedMembers(flat(was, prefix), flat(is, prefix)).map(
    ({ key, a, b }) => `${key} ${words(a)} → ${words(b)}`,
  );
}

/** `train.steps 20 → 22` for each option of a plan that differs; `stages load, init → load` where stages do. */
export function planChanges(before: Plan, now: Plan): string[] {
  const order = ({ seed, stages }: Plan) => ({ seed, stages: stages.map(({ id }) => id) });
  const options = before.stages.flatMap((was) => {
    const is = now.stages.find(({ id }) => id === was.id);
    const [a, b] = [was, is ?? was].map(({ stage, options }) => ({
      stage: stage.name,
      ...(options as object),
    }));
    return changes(a, b, was.id);
  });
  return [...changes(order(before), order(now)), ...options];
}

export function frameRow({ name, before, after }: Omit<FramePair, 'ofThisRun'>, tolerance: Difference): Row {
  const found = compare(before, after);
  const words = ({ max, mean, ssim }: Difference) => `max ${max}, mean ${mean}, SSIM ${ssim}`;
  return {
    kind: 'frame',
    name,
    exact: pictureHash(before) === pictureHash(after),
    within: found.max <= tolerance.max && found.mean <= tolerance.mean && found.ssim >= tolerance.ssim,
    found: words(found),
    allowed: words(tolerance),
  };
}

/** Compares the chain with its recording: cameras, scores, tensors and turntable pictures. */
export function chainRows(golden: Golden['chain'], now: ChainResult): Row[] {
  const tensors = (list: Golden['chain']['tensors']) =>
    list.map(({ stage, tensor, sha256 }) => ({ name: `${stage}/${tensor}`, sha256 }));
  return [
    ...(golden.cameras ? [camerasRow(golden.cameras, now.cameras)] : []),
    ...byName(golden.scores, now.scores, scoreRow),
    ...byName(tensors(golden.tensors), tensors(now.tensors), hashRow('tensor')),
    ...byName(golden.frames, now.frames, hashRow('turntable')),
  ];
}

/** Their distance is the largest difference of two numbers, relative to the size of the number (at least 1). */
function camerasRow(golden: readonly NamedCamera[], now: readonly NamedCamera[]): Row {
  const numbers = (cameras: readonly NamedCamera[]) =>
    cameras.flatMap(({ camera: { viewmat, ...others } }) => [...Object.values(others), ...viewmat]);
  const is = numbers(now);
  const distances = numbers(golden).map((was, i) => Math.abs(was - is[i]) / Math.max(1, Math.abs(was)));
  const distance = golden.length === now.length ? Math.max(...distances) : 1;
  return {
    kind: 'cameras',
    name: 'of the turntable',
    exact: distance === 0,
    within: distance <= CAMERA_TOLERANCE,
    found: `relative distance ${Number(distance.toPrecision(3))}`,
    allowed: `at most ${CAMERA_TOLERANCE}`,
  };
}

/** A row for each name of both lists, those of the recording first. */
function byName<A extends { name: string }, B extends { name: string }>(
  golden: readonly A[],
  now: readonly B[],
  row: (name: string, was?: A, is?: B) => Row,
): Row[] {
  const names = new Set([...golden, ...now].map(({ name }) => name));
  const find = <T extends { name: string }>(list: readonly T[], name: string) =>
    list.find((one) => one.name === name);
  return [...names].map((name) => row(name, find(golden, name), find(now, name)));
}

function hashRow(kind: Row['kind']) {
  return (name: string, was?: { sha256: string }, is?: { sha256: string }): Row => {
    const exact = was?.sha256 === is?.sha256;
    const found = exact ? 'equal' : !was ? 'not in the recording' : !is ? 'missing now' : 'bytes differ';
    return { kind, name, exact, found };
  };
}

function scoreRow(name: string, was?: GoldenScore, is?: Score): Row {
  const words = (score?: Score) =>
    score ? `${Number(score.value.toFixed(6))} ${score.unit} over ${score.over}` : 'none';
  const distance =
    was && is && was.unit === is.unit ? Math.abs(is.value - was.value) : Number.POSITIVE_INFINITY;
  return {
    kind: 'score',
    name,
    exact: distance === 0 && words(was) === words(is),
    within: distance <= (was?.bound ?? 0),
    found: `${words(was)} → ${words(is)}`,
    allowed: was ? `±${was.bound}` : 'none',
  };
}
