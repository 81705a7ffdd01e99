import { type Camera, cross, lookAt, type Vec3 } from '../artefacts/camera.ts';
import { along, type Ring } from './ring.ts';

export interface PathOptions {
  frames: number;
  width: number;
  height: number;
  /** Multiplies the focal length. */
  zoom: number;
}

/**
 * Cameras along a ring. A full turn is divided evenly and its last camera is one step before its first; a swing runs as a
 * sine from the middle to one end, the other, and back, so that both loop without a jump. The eye moves towards growing
 * azimuth, and the smaller image side sees what the smaller side of a training view sees.
 */
export function ringCameras(ring: Ring, { frames, width, height, zoom }: PathOptions): Camera[] {
  const focal = zoom * ring.focal * Math.min(width, height);
  return Array.from({ length: frames }, (_, i) => {
    const turn = (2 * Math.PI * i) / frames;
    const eye = ringPoint(
      ring,
      ring.azimuth + (ring.arc >= 2 * Math.PI ? turn : (ring.arc / 2) * Math.sin(turn)),
    );
    const target: Vec3 = ring.facing === 'in' ? ring.center : along(along(eye, eye, 1), ring.center, -1);
    const viewmat = lookAt(eye, target, ring.up);
    return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2, viewmat };
  });
}

/** The eye at an azimuth (radians). */
export function ringPoint({ center, up, front, radius, height }: Ring, azimuth: number): Vec3 {
  const side = cross(up, front);
  const out = along(along([0, 0, 0], front, radius * Math.cos(azimuth)), side, radius * Math.sin(azimuth));
  return along(along(center, out, 1), up, height);
}
