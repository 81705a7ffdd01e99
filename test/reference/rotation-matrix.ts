/** The rotation [3][3] of a quaternion wxyz of any length. */
export function rotationMatrix(quat: ArrayLike<number>): number[][] {
  const length = Math.hypot(quat[0], quat[1], quat[2], quat[3]);
  const [w, x, y, z] = [0, 1, 2, 3].map((i) => quat[i] / length);
  return [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
  ];
}
