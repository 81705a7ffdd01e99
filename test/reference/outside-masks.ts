/** Plain twin of splat/edit/outside-masks: whether each Gaussian is kept. */
export interface MaskedPicture {
  camera: {
    width: number;
    height: number;
    fx: number;
    fy: number;
    cx: number;
    cy: number;
    viewmat: readonly number[];
  };
  /** [H, W], 0–255. */
  alpha: ArrayLike<number>;
}

/** `means`: [N, 3]. */
export function insideMasks(means: ArrayLike<number>, views: readonly MaskedPicture[]): boolean[] {
  return Array.from({ length: means.length / 3 }, (_, i) => {
    const masked = views.flatMap(({ camera, alpha }) => {
      const [x, y, z] = [0, 1, 2].map((r) => {
        const row = camera.viewmat.slice(4 * r, 4 * r + 4);
        return row[0] * means[3 * i] + row[1] * means[3 * i + 1] + row[2] * means[3 * i + 2] + row[3];
      });
      if (z <= 0) return [];
      const column = Math.floor((camera.fx * x) / z + camera.cx);
      const line = Math.floor((camera.fy * y) / z + camera.cy);
      if (column < 0 || line < 0 || column >= camera.width || line >= camera.height) return [];
      return alpha[line * camera.width + column] < 128;
    });
    return masked.length === 0 || masked.filter(Boolean).length < masked.length / 2;
  });
}
