import { random4 } from '../../wgsl/core/index.ts';
import { cameraCenter, type Vec3 } from '../artefacts/camera.ts';
import type { Dataset, SfmPoints } from '../artefacts/dataset.ts';

/**
 * `count` points spread evenly over the cameras' box, with random colours. The box is centred on what the cameras look
 * at and reaches all of them; no side is shorter than a third of the longest (cameras in a plane, or in one spot).
 * Random numbers: position from step 0, colour from step 1 of the purpose `init`.
 */
export function randomPoints(
  { views, center, extent }: Pick<Dataset, 'views' | 'center' | 'extent'>,
  count: number,
  seed: number,
): SfmPoints {
  const half = boxHalf(
    views.map(({ camera }) => cameraCenter(camera)),
    center,
    extent,
  );
  const positions = new Float32Array(3 * count);
  const colors = new Uint8Array(3 * count);
  for (let i = 0; i < count; i++) {
    const place = random4(seed, 'init', 0, i);
    const color = random4(seed, 'init', 1, i);
    for (let c = 0; c < 3; c++) {
      positions[3 * i + c] = center[c] + (2 * place[c] - 1) * half[c];
      colors[3 * i + c] = Math.floor(256 * color[c]);
    }
  }
  return { positions, colors };
}

function boxHalf(cameras: readonly Vec3[], center: Vec3, extent: number): number[] {
  const reach = [0, 1, 2].map((axis) => Math.max(...cameras.map((c) => Math.abs(c[axis] - center[axis]))));
  const longest = Math.max(...reach) || extent;
  return reach.map((half) => Math.max(half, longest / 3));
}
