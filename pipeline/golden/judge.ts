import { isDeepStrictEqual } from 'node:util';
import type { Camera } from '../../stages/artefacts/camera.ts';
import type { Score } from '../../stages/artefacts/scores.ts';
import type { AdapterReport } from '../../wgsl/core/index.ts';
import { isMap, literal } from '../file/describe.ts';
import type { Plan } from '../file/plan.ts';
import type { ChainResult } from './chain.ts';
import type { Golden, GoldenScore } from './format.ts';
import { compare, type Difference, pictureHash } from './picture.ts';
import type { FramePair, Row } from './report.ts';

/** The tolerance must be this many times the margin measured on the recording adapter. */
export const MARGIN_FACTOR = 2;

/** Seeds differ more than adapters do, but a few runs show only part of the spread. */
const SPREAD_FACTOR = 3;
/** Least bound of a score: in decibels, or as a part of the golden value for every other unit. */
const LEAST_DECIBELS = 0.5;
const LEAST_PART = 0.05;

/** Relative. Cameras are sums of a few cosines in double precision; builds of V8 differ in the last bits. */
export const CAMERA_TOLERANCE = 1e-6;

/** The options of `record` that widen a tolerance below `MARGIN_FACTOR` times the measured margin. */
export function tooNarrow(tolerance: Difference, margin: Difference): string[] {
  const max = MARGIN_FACTOR * margin.max;
  const mean = MARGIN_FACTOR * margin.mean;
  const ssim = 1 - MARGIN_FACTOR * (1 - margin.ssim);
  const digits = (value: number) => String(Number(value.toPrecision(4)));
  return [
    ...(tolerance.max < max ? [`--max ${digits(max)}`] : []),
    ...(tolerance.mean < mean ? [`--mean ${digits(mean)}`] : []),
    ...(tolerance.ssim > ssim ? [`--ssim ${digits(ssim)}`] : []),
  ];
}

/** Bounds of each score, from the scores of the same chain with other seeds. */
export function scoreBounds(scores: readonly Score[], others: readonly (readonly Score[])[]): GoldenScore[] {
  const round = (value: number) => Number(value.toFixed(6));
  return scores.map((golden) => {
    const distances = others
      .flat()
      .filter(({ name }) => name === golden.name)
      .map(({ value }) => Math.abs(value - golden.value));
    const spread = round(Math.max(0, ...distances));
    const least = golden.unit === 'dB' ? LEAST_DECIBELS : LEAST_PART * Math.abs(golden.value);
    return { ...golden, bound: round(Math.max(least, SPREAD_FACTOR * spread)), spread };
  });
}

/** The largest difference of two cameras' numbers, relative to the size of the number (at least 1). */
export function cameraDistance(a: Camera, b: Camera): number {
  const numbers = ({ width, height, fx, fy, cx, cy, viewmat }: Camera) => [
    ...[width, height, fx, fy, cx, cy],
    ...viewmat,
  ];
  const y = numbers(b);
  return Math.max(...numbers(a).map((value, i) => Math.abs(value - y[i]) / Math.max(1, Math.abs(value))));
}

/**
 * The properties that identify an adapter; bytes are promised only where all are equal. `description` names the driver and its
 * version. A software driver compiles for the CPU at hand, `cpu`.
 */
const TRAITS = [
  'vendor',
  'architecture',
  'device',
  'description',
  'cpu',
  'features',
  'subgroupMinSize',
  'subgroupMaxSize',
  'software',
] as const;

/** An adapter's report, perhaps of a version that lacks some properties. */
type KnownAdapter = Partial<AdapterReport>;

/** `device llvmpipe → H200` for each property that differs; empty for the same adapter. */
export function adapterDifferences(recorded: KnownAdapter, now: KnownAdapter): string[] {
  const traits = (adapter: KnownAdapter) =>
    Object.fromEntries(
      TRAITS.map((trait) => [trait, trait === 'features' ? adapter.features?.toSorted() : adapter[trait]]),
    );
  return changes(traits(recorded), traits(now));
}

/** `llvmpipe (LLVM 15.0.6, 256 bits), Mesa 25.0.7`. */
export function adapterName({ vendor, device, description, cpu }: KnownAdapter): string {
  return [device || vendor || 'unnamed adapter', description, cpu].filter(Boolean).join(', ');
}

export function frameRow({ name, before, after }: FramePair, tolerance: Difference): Row {
  const values = compare(before, after);
  const words = ({ max, mean, ssim }: Difference) => `max ${max}, mean ${mean}, SSIM ${ssim}`;
  return {
    kind: 'frame',
    name,
    exact: pictureHash(before) === pictureHash(after),
    within: values.max <= tolerance.max && values.mean <= tolerance.mean && values.ssim >= tolerance.ssim,
    values: { ...values },
    found: words(values),
    allowed: words(tolerance),
  };
}

/** Compares the chain with its recording: cameras, tensors, turntable pictures and scores, in the order of the run. */
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

function camerasRow(golden: ChainResult['cameras'], now: ChainResult['cameras']): Row {
  const sameCount = golden.length === now.length;
  const distances = golden.map(({ camera }, i) => (sameCount ? cameraDistance(camera, now[i].camera) : 1));
  const distance = Math.max(...distances);
  return {
    kind: 'cameras',
    name: 'of the turntable',
    exact: distance === 0,
    within: distance <= CAMERA_TOLERANCE,
    values: { distance },
    found: sameCount
      ? `relative distance ${Number(distance.toPrecision(3))}`
      : `${golden.length} recorded, ${now.length} now`,
    allowed: `at most ${CAMERA_TOLERANCE}`,
  };
}

interface Hashed {
  name: string;
  sha256: string;
}

/** The names of both lists, those of the recording first. */
function names(golden: readonly { name: string }[], now: readonly { name: string }[]): string[] {
  return [...new Set([...golden, ...now].map(({ name }) => name))];
}

function hashRows(kind: Row['kind'], golden: readonly Hashed[], now: readonly Hashed[]): Row[] {
  return names(golden, now).map((name) => {
    const [was, is] = [golden, now].map((list) => list.find((one) => one.name === name)?.sha256);
    const exact = was === is;
    const found = exact ? 'equal' : !was ? 'not in the recording' : !is ? 'missing now' : 'bytes differ';
    return { kind, name, exact, found };
  });
}

function scoreRows(golden: readonly GoldenScore[], now: readonly Score[]): Row[] {
  return names(golden, now).map((name) => {
    const was = golden.find((one) => one.name === name);
    const is = now.find((one) => one.name === name);
    const words = (score?: Score) => (score ? `${Number(score.value.toFixed(6))} ${score.unit}` : 'none');
    const sameUnit = was?.unit === is?.unit;
    return {
      kind: 'score',
      name,
      exact: sameUnit && was?.value === is?.value && was?.over === is?.over,
      within: was && is && sameUnit ? Math.abs(is.value - was.value) <= was.bound : false,
      values: { golden: was?.value, now: is?.value, bound: was?.bound },
      found: `${words(was)} → ${words(is)}${was && is && was.over !== is.over ? ` (over ${was.over} → ${is.over})` : ''}`,
      allowed: was ? `±${was.bound}` : 'none',
    };
  });
}

/** `train.steps 20 → 22` for each option of a plan that differs; `stages load, init → load` where stages do. */
export function planChanges(before: Plan, now: Plan): string[] {
  const [was, is] = [before, now].map((plan, i, both) => {
    const order = plan.stages.map(({ id }) => id);
    // The order names the stages that only one plan has.
    const shared = plan.stages.filter(({ id }) => both[1 - i].stages.some((other) => other.id === id));
    const options = shared.map(({ id, stage, options }) => [
      id,
      { stage: stage.name, ...(options as object) },
    ]);
    return { seed: plan.seed, stages: order, ...Object.fromEntries(options) };
  });
  return changes(was, is);
}

/** `key.key a → b` for each difference of two values. */
export function changes(was: unknown, is: unknown, path: readonly string[] = []): string[] {
  if (isDeepStrictEqual(was, is)) return [];
  if (isMap(was) && isMap(is)) {
    const keys = Object.keys({ ...was, ...is });
    return keys.flatMap((key) => changes(was[key], is[key], [...path, key]));
  }
  const words = (value: unknown) => (value === undefined ? 'not set' : literal(value));
  return [`${path.join('.')} ${words(was)} → ${words(is)}`];
}
