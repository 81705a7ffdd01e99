import { type Camera, lookAt, type Vec3 } from '../artefacts/camera.ts';

export interface RingOptions {
  center: Vec3;
  /** Radius of the sphere in view, world units. */
  radius: number;
  /** Total number of views. */
  count: number;
  width: number;
  height: number;
}

/** World up of a splat of unknown origin: y points down in COLMAP and 3DGS. */
export const RING_UP: Vec3 = [0, -1, 0];

/** Elevation of each ring, degrees, and its share of the views: smaller circles have fewer. */
const RINGS = [
  { elevation: 10, share: 0.45 },
  { elevation: 35, share: 0.35 },
  { elevation: -15, share: 0.2 },
];
const FIELD_OF_VIEW = 45; // degrees, of the shorter side
const MARGIN = 1.05;

/**
 * Cameras on rings around a sphere that look at its centre, at the distance at which it just fits. The azimuths of the rings
 * are staggered. The first camera is on the side of −z: with y down, that is the front of a splat made from a y-up model that faces +z, and
 * the side of COLMAP's first camera.
 */
export function ringCameras({ center, radius, count, width, height }: RingOptions): Camera[] {
  const half = (FIELD_OF_VIEW * Math.PI) / 360;
  const focal = Math.min(width, height) / 2 / Math.tan(half);
  const distance = (MARGIN * radius) / Math.sin(half);
  const counts = shares(count);
  return RINGS.flatMap(({ elevation }, ring) =>
    Array.from({ length: counts[ring] }, (_, i): Camera => {
      const azimuth = Math.PI + (2 * Math.PI * (i + ring / RINGS.length)) / counts[ring];
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

/** Whole numbers that add up to `count`; the first ring takes the remainder. */
function shares(count: number): number[] {
  const counts = RINGS.map(({ share }) => Math.floor(share * count));
  counts[0] += count - counts.reduce((sum, n) => sum + n, 0);
  return counts;
}
