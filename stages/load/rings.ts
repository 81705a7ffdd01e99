import { type Camera, lookAt, type Vec3 } from '../artefacts/camera.ts';

export interface RingOptions {
  center: Vec3;
  /** Of the sphere to show, world units. */
  radius: number;
  /** How many views in all. */
  count: number;
  width: number;
  height: number;
}

/** World up of a splat of unknown origin: COLMAP and 3DGS keep y down. */
export const RING_UP: Vec3 = [0, -1, 0];

/** Degrees above the horizon, and the share of the views on each ring: fewer where the circle is smaller. */
const RINGS = [
  { elevation: 10, share: 0.45 },
  { elevation: 35, share: 0.35 },
  { elevation: -15, share: 0.2 },
];
const FIELD_OF_VIEW = 45; // degrees, of the shorter side
const MARGIN = 1.05;

/**
 * Cameras on rings around a sphere, all looking at its centre, so that it just fits. Azimuths of the rings are
 * staggered.
 */
export function ringCameras({ center, radius, count, width, height }: RingOptions): Camera[] {
  const half = (FIELD_OF_VIEW * Math.PI) / 360;
  const focal = Math.min(width, height) / 2 / Math.tan(half);
  const distance = (MARGIN * radius) / Math.sin(half);
  const counts = shares(count);
  return RINGS.flatMap(({ elevation }, ring) =>
    Array.from({ length: counts[ring] }, (_, i): Camera => {
      const azimuth = (2 * Math.PI * (i + ring / RINGS.length)) / counts[ring];
      const tilt = (elevation * Math.PI) / 180;
      const eye: Vec3 = [
        center[0] + distance * Math.cos(tilt) * Math.sin(azimuth),
        center[1] - distance * Math.sin(tilt),
        center[2] + distance * Math.cos(tilt) * Math.cos(azimuth),
      ];
      return {
        width,
        height,
        fx: focal,
        fy: focal,
        cx: width / 2,
        cy: height / 2,
        viewmat: lookAt(eye, center, RING_UP),
      };
    }),
  );
}

/** Whole numbers that add up to `count`; the first ring takes what is left. */
function shares(count: number): number[] {
  const counts = RINGS.map(({ share }) => Math.floor(share * count));
  counts[0] += count - counts.reduce((sum, n) => sum + n, 0);
  return counts;
}
