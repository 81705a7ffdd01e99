import type { GrowthRules } from '../../wgsl/splat/densify/plan-growth.ts';

interface Piece {
  origin: number;
  opacity: number;
  scale: number;
  radius: number;
}

/**
 * What gsplat's DefaultStrategy makes of a splat, step by step as it does it: duplicates appended, then the split taken out
 * and their halves appended, then the prune. Gives the surviving rows' entries in the plan (part · N + source).
 */
export function planGrowth(
  rules: GrowthRules,
  statistics: ArrayLike<number>,
  logScales: ArrayLike<number>,
  opacityLogits: ArrayLike<number>,
): number[] {
  const count = opacityLogits.length;
  const originals: Piece[] = Array.from({ length: count }, (_, i) => ({
    origin: i,
    opacity: 1 / (1 + Math.exp(-opacityLogits[i])),
    scale: Math.exp(Math.max(logScales[3 * i], logScales[3 * i + 1], logScales[3 * i + 2])),
    radius: statistics[3 * i + 2],
  }));
  const steep = originals.map(
    (_, i) => statistics[3 * i] / Math.max(1, statistics[3 * i + 1]) > rules.growGradient,
  );
  const small = originals.map(({ scale }) => scale <= rules.smallScale);
  const splits = originals.map(({ radius }, i) => (steep[i] && !small[i]) || radius > rules.splitRadius);
  const duplicates = originals
    .filter((_, i) => steep[i] && small[i])
    .map((piece) => ({ ...piece, origin: piece.origin + count }));
  const half = (part: number) => (piece: Piece) => ({
    origin: part * count + piece.origin,
    opacity: rules.revisedOpacity ? 1 - Math.sqrt(1 - piece.opacity) : piece.opacity,
    scale: piece.scale / 1.6,
    radius: piece.radius,
  });
  const parents = originals.filter((_, i) => splits[i]);
  const grown = [
    ...originals.filter((_, i) => !splits[i]),
    ...duplicates,
    ...parents.map(half(2)),
    ...parents.map(half(3)),
  ];
  return grown
    .filter(
      ({ opacity, scale, radius }) =>
        !(opacity < rules.pruneOpacity || scale > rules.pruneScale || radius > rules.pruneRadius),
    )
    .map(({ origin }) => origin);
}
