import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { type BoundRecolor, type ColorChange, PictureRecolor } from '../../wgsl/image/recolor.ts';
import { recolorSh } from '../../wgsl/splat/edit/recolor-sh.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import { steadyBackground } from '../artefacts/background.ts';
import type { Camera, Vec3 } from '../artefacts/camera.ts';
import { largestView, type View } from '../artefacts/dataset.ts';
import { parameterWidths } from '../artefacts/gaussians.ts';
import { buildCropEncoder } from '../clip/encoder.ts';
import type { ClipModel } from '../clip/model.ts';
import { everywhere } from '../regions/weights.ts';
import type { Report } from '../stage.ts';
import type { Base } from './base-embeds.ts';
import { wholeView } from './crop-groups.ts';

/** A recolouring by a ramp: each colour c becomes (1 − mix)·c + mix·(dark + Y(c)·(light − dark)), with its luminance Y. */
interface Tint {
  dark: Vec3;
  light: Vec3;
  mix: number;
}

/** Rec. 601. */
const LUMINANCE: Vec3 = [0.299, 0.587, 0.114];
const BLACK: Vec3 = [0, 0, 0];
const HUES = Array.from({ length: 12 }, (_, i) => i / 12);
/** White, and twelve hues, pale and strong. */
const LIGHTS: readonly Vec3[] = [
  [1, 1, 1],
  ...HUES.flatMap((hue) => [0.45, 0.9].map((s) => fromHsv(hue, s, 1))),
];
/** Grey, and twelve strong hues, dark and medium; the dark ends of one colour are black and LIFTED. */
const DARKS: readonly Vec3[] = [
  scaled([1, 1, 1], 0.45),
  ...HUES.flatMap((hue) => [0.3, 0.6].map((value) => fromHsv(hue, 0.9, value))),
];
/** Of a light colour: the dark end of a ramp in one colour, and the light end of a dark one. */
const [LIFTED, DIMMED] = [0.45, 0.55];
/** Shares `mix` of the ramp. */
const [STRONG, WEAK] = [0.9, 0.6];
/** So many light colours go from the first round to the second one. */
const FINALISTS = 2;
const MAX_VIEWS = 2;

function scaled([red, green, blue]: Vec3, factor: number): Vec3 {
  return [factor * red, factor * green, factor * blue];
}

function fromHsv(hue: number, saturation: number, value: number): Vec3 {
  const channel = (shift: number) => {
    const k = (shift + 6 * hue) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}

/** The tint as an affine change of colours. */
export function colorChange({ dark, light, mix }: Tint): ColorChange {
  const row = (channel: number): Vec3 => {
    const rise = mix * (light[channel] - dark[channel]);
    const share = (from: number) => rise * LUMINANCE[from] + (from === channel ? 1 - mix : 0);
    return [share(0), share(1), share(2)];
  };
  return { matrix: [row(0), row(1), row(2)], offset: scaled(dark, mix) };
}

const UNCHANGED: ColorChange = {
  matrix: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  offset: BLACK,
};

/** A splat to recolour, and where its SH go. */
export interface TintedSplat {
  base: Base;
  /** f32 [N, K, 3], which may be larger: receives the SH. Not the buffer of the base. */
  sh: GPUBuffer;
  /** f32 [N], in [0, 1]: how much of the tint each Gaussian takes; all of it unless given. */
  weights?: GPUBuffer;
}

/**
 * Recolours the whole splat by the best tint found, or leaves it: the one with the highest mean cosine of a direction and the renders of
 * up to two whole training views. The gradient of CLIP finds such a change of all Gaussians at once only by chance: it
 * recolours one part and leaves the next one in the complementary colour. A tint maps luminance to a ramp between two colours. The search
 * over 1,400 is greedy: strong ramps of one colour, then every dark end at both strengths for the best two light colours, 158 in all.
 * It recolours whole renders instead of the splat, even where `weights` limit the tint; for a whole splat this differs only where the colour of a
 * Gaussian is below 0. Equal inputs give equal bytes.
 *
 * @throws InputError when a cosine is not finite.
 */
export async function startFromTint(
  gpu: Gpu,
  model: ClipModel,
  direction: Float32Array,
  splat: TintedSplat,
  report: Report,
): Promise<void> {
  const { plain, best } = await search(gpu, model, direction, splat.base);
  const chosen = best.cosine > plain ? best : undefined;
  await recolor(gpu, splat, chosen?.tint);
  report.note(
    chosen
      ? `tint: ${describe(chosen.tint)}, clip ${(100 * plain).toFixed(1)} → ${(100 * chosen.cosine).toFixed(1)}`
      : `tint: none, clip ${(100 * plain).toFixed(1)}`,
  );
}

const ofOneColor = (light: Vec3, mix: number): Tint[] =>
  [BLACK, scaled(light, LIFTED)].map((dark) => ({ dark, light, mix }));

/** All other dark ends, and the dimmed light on black. */
const ofTwoColors = (light: Vec3, mix: number): Tint[] => [
  ...DARKS.map((dark) => ({ dark, light, mix })),
  { dark: BLACK, light: scaled(light, DIMMED), mix },
];

interface ScoredTint {
  tint: Tint;
  cosine: number;
}

/** Best first; of equal ones, the earlier. */
const byCosine = (a: ScoredTint, b: ScoredTint) => b.cosine - a.cosine;

/** The cosine without a tint, and the best tint. */
async function search(
  gpu: Gpu,
  model: ClipModel,
  direction: Float32Array,
  base: Base,
): Promise<{ plain: number; best: ScoredTint }> {
  const arena = gpu.arena('tint');
  try {
    const cosines = await openScorer(arena, model, direction, base);
    const [plain] = await cosines([UNCHANGED]);
    const scored = async (tints: readonly Tint[]): Promise<ScoredTint[]> => {
      const found = await cosines(tints.map(colorChange));
      return tints.map((tint, i) => ({ tint, cosine: found[i] }));
    };
    const first = await scored(LIGHTS.flatMap((light) => ofOneColor(light, STRONG)));
    const lights = [...new Set(first.sort(byCosine).map(({ tint }) => tint.light))].slice(0, FINALISTS);
    const second = await scored(
      lights.flatMap((light) => [
        ...ofOneColor(light, WEAK),
        ...[STRONG, WEAK].flatMap((mix) => ofTwoColors(light, mix)),
      ]),
    );
    return { plain, best: [...first, ...second].sort(byCosine)[0] };
  } finally {
    arena.destroy();
  }
}

/** Writes the SH of a tint, or those of the base. */
async function recolor(
  gpu: Gpu,
  { base: { gaussians }, sh, weights }: TintedSplat,
  tint?: Tint,
): Promise<void> {
  const { count, shDegree } = gaussians;
  const arena = gpu.arena('tint/recolor');
  try {
    const rows = { sh: gaussians.sh, result: sh, count, shDegree };
    if (tint)
      await recolorSh(arena, {
        ...rows,
        weights: weights ?? everywhere(arena, count),
        change: colorChange(tint),
      });
    else if (count)
      gpu.run('tint/none', (recorder) =>
        recorder.copy(gaussians.sh, sh, 4 * parameterWidths(shDegree).sh * count),
      );
    await gpu.settle();
  } finally {
    arena.destroy();
  }
}

/** Both ends of the ramp, and the strength. */
function describe({ dark, light, mix }: Tint): string {
  return `${hexOf(dark)} to ${hexOf(light)} at ${Math.round(100 * mix)} %`;
}

function hexOf(color: Vec3): string {
  const digits = color.map((x) =>
    Math.round(255 * x)
      .toString(16)
      .padStart(2, '0'),
  );
  return `#${digits.join('')}`;
}

/** Renders the views once, and compiles the image encoder. Returns the mean cosines of their renders after each change of colours. */
async function openScorer(
  arena: Arena,
  model: ClipModel,
  direction: Float32Array,
  { gaussians, views, background }: Base,
): Promise<(changes: readonly ColorChange[]) => Promise<number[]>> {
  const { gpu } = arena;
  const over = steadyBackground(background);
  const seen = evenly(views, MAX_VIEWS);
  const { width, height } = largestView(seen);
  const color = arena.buffer('color', 16 * width * height);
  const encoder = await buildCropEncoder(arena, model, 1, false);
  gpu.write(encoder.target, direction, 'parameters');
  const recoloring = await PictureRecolor.create(arena);
  const renderer = await SplatRenderer.create(gpu, 'tint/renderer');
  const pictures: { camera: Camera; bound: BoundRecolor }[] = [];
  try {
    for (const { camera } of seen) {
      const pixels = camera.width * camera.height;
      const picture = arena.buffer('picture', 16 * pixels);
      await renderer.render(gaussians, camera, { color: picture });
      pictures.push({ camera, bound: recoloring.bind(picture, color, pixels) });
    }
    await gpu.settle();
  } finally {
    renderer.destroy();
  }

  return async (changes) => {
    const results = arena.buffer('cosines', 4 * seen.length * changes.length);
    for (const [j, { camera, bound }] of pictures.entries()) {
      encoder.sampler.set(camera.width, camera.height, [wholeView(camera, model.imageSize)]);
      for (const [i, change] of changes.entries()) {
        recoloring.set(bound, change, over);
        gpu.run('tint/compare', (recorder) => {
          recoloring.record(recorder, bound);
          encoder.sampler.record(recorder, color);
          encoder.recordForward(recorder);
          recorder.copy(encoder.cosines, results, 4, 0, 4 * (i * seen.length + j));
        });
      }
    }
    const found = await gpu.readFloats(results, 'metrics', seen.length * changes.length);
    arena.release(results);
    if (!found.every(Number.isFinite)) throw model.notFinite('a render of the tinted splat: the cosine');
    return changes.map((_, i) => mean(found.subarray(i * seen.length, (i + 1) * seen.length)));
  };
}

/** At most `count` of the views, evenly spaced from the first. */
function evenly(views: readonly View[], count: number): View[] {
  const taken = Math.min(count, views.length);
  return Array.from({ length: taken }, (_, i) => views[Math.floor((i * views.length) / taken)]);
}

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
