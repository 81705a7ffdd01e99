import { type Camera, lookAt, type Vec3 } from '../../stages/artefacts/camera.ts';
import type { Dataset } from '../../stages/artefacts/dataset.ts';
import type { Gaussians } from '../../stages/artefacts/gaussians.ts';
import { type Arena, random4 } from '../../wgsl/core/index.ts';

const UP: Vec3 = [0, -1, 0];

/** Opaque balls: a red one at the centre, a green one above it, and blue ones scattered far below. */
export function balls(arena: Arena, label: string, redness = 1): Gaussians {
  const centers: Vec3[] = [
    [0, 0, 0],
    [0, -0.6, 0],
  ];
  for (let i = 0; i < 6; i++) {
    const [x, z] = random4(4, 'noise', 0, i);
    centers.push([x - 0.5, 0.6, z - 0.5]);
  }
  const colors = centers.map((_, i) =>
    i === 0 ? [redness, 0, 1 - redness] : i === 1 ? [0, 1, 0] : [0, 0, 1],
  );
  const sh = colors.flat().map((value) => (value - 0.5) / 0.28209479);
  const upload = (role: string, values: number[]) =>
    arena.upload(`${label}/${role}`, Float32Array.from(values), 'test');
  return {
    count: centers.length,
    shDegree: 0,
    means: upload('means', centers.flat()),
    logScales: upload(
      'scales',
      centers.flatMap(() => [-1.9, -1.9, -1.9]),
    ),
    quats: upload(
      'quats',
      centers.flatMap(() => [1, 0, 0, 0]),
    ),
    opacityLogits: upload(
      'opacity',
      centers.map(() => 6),
    ),
    sh: upload('sh', sh),
  };
}

/** Eight training views of 40×40 all around the origin, half a unit above it, without photographs. */
export function ringDataset(): Dataset {
  const views = Array.from({ length: 8 }, (_, i) => {
    const angle = (i * Math.PI) / 4;
    const eye: Vec3 = [3 * Math.sin(angle), -0.5, -3 * Math.cos(angle)];
    const camera: Camera = {
      width: 40,
      height: 40,
      fx: 50,
      fy: 50,
      cx: 20,
      cy: 20,
      viewmat: lookAt(eye, [0, 0, 0], UP),
    };
    return { name: `ring-${i}`, split: 'train' as const, camera, image: null };
  });
  const points = { positions: new Float32Array(), colors: new Uint8Array() };
  return { views, points, up: UP, center: [0, 0, 0], extent: 3.3 };
}
