/** A basis function's value at a direction, and its derivative by the direction's three components. */
export type Harmonic = [value: number, x: number, y: number, z: number];

const C0 = 0.28209479177387814;
const C1 = 0.4886025119029199;
const C2 = [1.0925484305920792, 0.31539156525252005, 0.5462742152960396];
const C3 = [0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277];

/** Real spherical harmonics in the 3DGS order and signs, bands 0 to `degree`: (degree + 1)² of them. */
export function harmonics(degree: number, [x, y, z]: number[]): Harmonic[] {
  const [xx, yy, zz] = [x * x, y * y, z * z];
  const bands: [factor: number, ...Harmonic][] = [
    [C0, 1, 0, 0, 0],
    [-C1, y, 0, 1, 0],
    [C1, z, 0, 0, 1],
    [-C1, x, 1, 0, 0],
    [C2[0], x * y, y, x, 0],
    [-C2[0], y * z, 0, z, y],
    [C2[1], 2 * zz - xx - yy, -2 * x, -2 * y, 4 * z],
    [-C2[0], x * z, z, 0, x],
    [C2[2], xx - yy, 2 * x, -2 * y, 0],
    [-C3[0], y * (3 * xx - yy), 6 * x * y, 3 * xx - 3 * yy, 0],
    [C3[1], x * y * z, y * z, x * z, x * y],
    [-C3[2], y * (4 * zz - xx - yy), -2 * x * y, 4 * zz - xx - 3 * yy, 8 * y * z],
    [C3[3], z * (2 * zz - 3 * xx - 3 * yy), -6 * x * z, -6 * y * z, 6 * zz - 3 * xx - 3 * yy],
    [-C3[2], x * (4 * zz - xx - yy), 4 * zz - 3 * xx - yy, -2 * x * y, 8 * x * z],
    [C3[4], z * (xx - yy), 2 * x * z, -2 * y * z, xx - yy],
    [-C3[0], x * (xx - 3 * yy), 3 * xx - 3 * yy, -6 * x * y, 0],
  ];
  return bands
    .slice(0, (degree + 1) ** 2)
    .map(([factor, ...terms]) => terms.map((term) => factor * term) as Harmonic);
}
