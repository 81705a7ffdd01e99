import type { Gpu } from '../../wgsl/core/index.ts';
import { type ColorChange, recolorSh } from '../../wgsl/splat/edit/recolor-sh.ts';
import { SplatRenderer } from '../../wgsl/splat/renderer.ts';
import { steadyBackground } from '../artefacts/background.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import { largestView, type View } from '../artefacts/dataset.ts';
import { parameterWidths } from '../artefacts/gaussians.ts';
import { buildCropEncoder } from '../clip/encoder.ts';
import type { ClipModel } from '../clip/model.ts';
import { everywhere } from '../regions/weights.ts';
import type { Report } from '../stage.ts';
import type { Base } from './base-embeds.ts';
import { wholeView } from './crop-groups.ts';

/** A recolouring: each colour c becomes (1 − mix)·c + mix·(gain·Y(c) + lift)·color, with its luminance Y. */
interface Tint {
  color: Vec3;
  gain: number;
  lift: number;
  mix: number;
}

/** Rec. 601. */
const LUMINANCE: Vec3 = [0.299, 0.587, 0.114];
const HUES = 12;
/** The luminance as it is, darker, and lighter with less contrast. */
const TONES = [
  { gain: 1, lift: 0 },
  { gain: 0.55, lift: 0 },
  { gain: 0.5, lift: 0.45 },
] as const;
const MIXES = [0.9, 0.6] as const;
/** The first round compares colours with one tone and mix, the second one the other tones and mixes of so many colours. */
const FINALISTS = 3;
const MAX_VIEWS = 4;

/** White, and twelve hues, pale and strong, at the HSV value 1. */
function colors(): Vec3[] {
  const hues = Array.from({ length: HUES }, (_, i) => i / HUES);
  return [[1, 1, 1], ...hues.flatMap((hue) => [0.45, 0.9].map((saturation) => fromHue(hue, saturation)))];
}

function fromHue(hue: number, saturation: number): Vec3 {
  const channel = (shift: number) => {
    const k = (shift + 6 * hue) % 6;
    return 1 - saturation * Math.max(0, Math.min(k, 4 - k, 1));
  };
  return [channel(5), channel(3), channel(1)];
}

/** The tint as an affine change of colours. */
export function colorChange({ color, gain, lift, mix }: Tint): ColorChange {
  const row = (channel: number): Vec3 => {
    const share = (from: number) =>
      mix * gain * color[channel] * LUMINANCE[from] + (from === channel ? 1 - mix : 0);
    return [share(0), share(1), share(2)];
  };
  const [red, green, blue] = color;
  const offset = mix * lift;
  return { matrix: [row(0), row(1), row(2)], offset: [offset * red, offset * green, offset * blue] };
}

/** A splat to recolour, and where its SH go. */
export interface TintedSplat {
  base: Base;
  /** f32 [N, K, 3], which may be larger: receives the SH. Not the buffer of the base. */
  sh: GPUBuffer;
  /** f32 [N], in [0, 1]: how much of the tint each Gaussian takes; all of it unless given. */
  weights?: GPUBuffer;
}

/**
 * Recolours the whole splat by the best tint found among 150, or leaves it: the one with the highest mean cosine of a direction and the
 * renders of up to four whole training views. The gradient of CLIP finds such a change of all Gaussians at once only by chance: it
 * recolours one part and leaves the next one in the complementary colour. The search is greedy (first the colour, then tone and
 * strength of the best three): it renders 40 tints and the splat itself. Equal inputs give equal bytes.
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
  const search = await openSearch(gpu, model, direction, splat);
  try {
    const [plain] = await search.cosines([undefined]);
    const palette = colors().map((color): Tint => ({ color, ...TONES[0], mix: MIXES[0] }));
    const first = await ranked(search, palette);
    const others = first
      .slice(0, FINALISTS)
      .flatMap(({ tint: { color } }) =>
        TONES.flatMap((tone) => MIXES.map((mix): Tint => ({ color, ...tone, mix }))).slice(1),
      );
    const second = await ranked(search, others);
    const best = first[0].cosine >= second[0].cosine ? first[0] : second[0];
    const chosen = best.cosine > plain ? best : undefined;
    await search.apply(chosen?.tint);
    await gpu.settle();
    report.note(
      chosen
        ? `tint: ${describe(chosen.tint)}, clip ${(100 * plain).toFixed(1)} → ${(100 * chosen.cosine).toFixed(1)}`
        : `tint: none, clip ${(100 * plain).toFixed(1)}`,
    );
  } finally {
    search.destroy();
  }
}

/** Best first; of equal ones, the earlier. */
async function ranked(search: TintSearch, tints: readonly Tint[]): Promise<{ tint: Tint; cosine: number }[]> {
  const cosines = await search.cosines(tints);
  return tints.map((tint, i) => ({ tint, cosine: cosines[i] })).sort((a, b) => b.cosine - a.cosine);
}

/** What white becomes without the share of its own colour, and the strength. */
function describe({ color, gain, lift, mix }: Tint): string {
  const digits = color.map((x) =>
    Math.round(255 * x * (gain + lift))
      .toString(16)
      .padStart(2, '0'),
  );
  return `#${digits.join('')} at ${Math.round(100 * mix)} %`;
}

interface TintSearch {
  /** Writes the SH of a tint, or those of the base. */
  apply(tint?: Tint): Promise<void>;
  /** The mean cosine of the renders of each tint. */
  cosines(tints: readonly (Tint | undefined)[]): Promise<number[]>;
  destroy(): void;
}

/** Compiles the renderer and the image encoder. */
async function openSearch(
  gpu: Gpu,
  model: ClipModel,
  direction: Float32Array,
  { base: { gaussians, views, background }, sh, weights }: TintedSplat,
): Promise<TintSearch> {
  const arena = gpu.arena('tint');
  const renderer = await SplatRenderer.create(gpu, 'tint/renderer');
  const destroy = () => {
    renderer.destroy();
    arena.destroy();
  };
  try {
    const seen = evenly(views, MAX_VIEWS);
    const { width, height } = largestView(seen);
    const color = arena.buffer('color', 16 * width * height);
    const encoder = await buildCropEncoder(arena, model, 1, false);
    gpu.write(encoder.target, direction, 'parameters');
    const { count, shDegree } = gaussians;
    const rows = {
      sh: gaussians.sh,
      result: sh,
      count,
      shDegree,
      weights: weights ?? everywhere(arena, count),
    };
    const over = steadyBackground(background);
    const bytes = 4 * parameterWidths(shDegree).sh * count;
    const apply = async (tint?: Tint) => {
      if (tint) return recolorSh(arena, { ...rows, change: colorChange(tint) });
      if (count) gpu.run('tint/none', (recorder) => recorder.copy(gaussians.sh, sh, bytes));
    };

    async function cosines(tints: readonly (Tint | undefined)[]): Promise<number[]> {
      const results = arena.buffer('cosines', 4 * seen.length * tints.length);
      for (const [i, tint] of tints.entries()) {
        await apply(tint);
        for (const [j, { camera }] of seen.entries()) {
          encoder.sampler.set(camera.width, camera.height, [wholeView(camera, model.imageSize)]);
          await renderer.render(
            { ...gaussians, sh },
            camera,
            { color },
            { background: [...over] },
            (recorder) => {
              encoder.sampler.record(recorder, color);
              encoder.recordForward(recorder);
              recorder.copy(encoder.cosines, results, 4, 0, 4 * (i * seen.length + j));
            },
          );
        }
      }
      const found = await gpu.readFloats(results, 'metrics', seen.length * tints.length);
      arena.release(results);
      if (!found.every(Number.isFinite)) throw model.notFinite('a render of the tinted splat: the cosine');
      return tints.map((_, i) => mean(found.subarray(i * seen.length, (i + 1) * seen.length)));
    }
    return { apply, cosines, destroy };
  } catch (error) {
    destroy();
    throw error;
  }
}

/** At most `count` of the views, evenly spaced from the first. */
function evenly(views: readonly View[], count: number): View[] {
  const taken = Math.min(count, views.length);
  return Array.from({ length: taken }, (_, i) => views[Math.floor((i * views.length) / taken)]);
}

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
