import type { Region } from '../../wgsl/splat/edit/region-weights.ts';

type Triple = readonly [number, number, number];

/** Plain twin of splat/edit/region-weights, recursive and in double precision. */
export function regionWeight(region: Region, position: Triple): number {
  const weights = () =>
    'regions' in region ? region.regions.map((each) => regionWeight(each, position)) : [];
  switch (region.kind) {
    case 'not':
      return 1 - regionWeight(region.region, position);
    case 'any':
      return Math.max(...weights());
    case 'all':
      return Math.min(...weights());
    default: {
      const d = signedDistance(region, position);
      if (region.soft) return Math.min(1, Math.max(0, 0.5 - d / region.soft));
      return d <= 0 ? 1 : 0;
    }
  }
}

function signedDistance(
  region: Extract<Region, { kind: 'box' | 'sphere' | 'halfSpace' }>,
  position: Triple,
): number {
  switch (region.kind) {
    case 'sphere':
      return Math.hypot(...position.map((value, i) => value - region.center[i])) - region.radius;
    case 'halfSpace': {
      const length = Math.hypot(...region.normal);
      return -position.reduce(
        (sum, value, i) => sum + ((value - region.point[i]) * region.normal[i]) / length,
        0,
      );
    }
    case 'box': {
      const { min, max } = region;
      const inside = position.every((value, i) => value >= min[i] && value <= max[i]);
      const gaps = position.map((value, i) => Math.max(min[i] - value, 0, value - max[i]));
      if (!inside) return Math.hypot(...gaps);
      return -Math.min(...position.map((value, i) => Math.min(value - min[i], max[i] - value)));
    }
  }
}
