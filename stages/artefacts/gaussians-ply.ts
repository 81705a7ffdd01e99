import type { Gpu } from '../../wgsl/core/index.ts';
import type { Gaussians } from './gaussians.ts';
import { assertFinite, type HostGaussians, readGaussians } from './gaussians.ts';
import { ANTIALIAS_COMMENT } from './splat-model.ts';
import { splatTransform } from './splat-transform.ts';

/**
 * The splat as a .ply in the layout of 3DGS, which viewers read: x y z, zero normals, f_dc, f_rest by channel, opacity logit,
 * log scales, quaternion wxyz; f32, little-endian. A comment marks a splat with `antialias`. Equal splats give equal bytes.
 * @throws Error when a value is NaN or infinite.
 */
export async function exportPly(gpu: Gpu, gaussians: Gaussians): Promise<Uint8Array> {
  const host = await readGaussians(gpu, gaussians, 'splat-out');
  assertFinite(host, 'writing a .ply');
  return encodePly(host);
}

/** The bytes of the .ply, as `exportPly`. */
export async function encodePly(host: HostGaussians): Promise<Uint8Array> {
  const { Column, DataTable, MemoryFileSystem, Transform, writePly } = await splatTransform();
  const columns = plyColumns(host).map(({ name, data }) => new Column(name, data));
  const files = new MemoryFileSystem();
  const dataTable = new DataTable(columns, Transform.PLY);
  const comments = host.antialias ? [ANTIALIAS_COMMENT] : [];
  const plyData = { comments, elements: [{ name: 'vertex', dataTable }] };
  await writePly({ filename: 'splat.ply', plyData }, files);
  return files.results.get('splat.ply')!;
}

/** The splat as the columns of 3DGS's .ply, in its order. */
export function plyColumns(host: HostGaussians): { name: string; data: Float32Array<ArrayBuffer> }[] {
  const { count, shDegree } = host;
  const bands = (shDegree + 1) ** 2;
  const column = (name: string, tensor: Float32Array, width: number, at: number) => ({
    name,
    data: Float32Array.from({ length: count }, (_, i) => tensor[i * width + at]),
  });
  const axes = (name: (c: number) => string, tensor: Float32Array, width = 3) =>
    [0, 1, 2].map((c) => column(name(c), tensor, width, c));
  const rest = [0, 1, 2].flatMap((c) =>
    Array.from({ length: bands - 1 }, (_, k) =>
      column(`f_rest_${c * (bands - 1) + k}`, host.sh, 3 * bands, 3 * (k + 1) + c),
    ),
  );
  return [
    ...axes((c) => 'xyz'[c], host.means),
    ...['nx', 'ny', 'nz'].map((name) => ({ name, data: new Float32Array(count) })),
    ...axes((c) => `f_dc_${c}`, host.sh, 3 * bands),
    ...rest,
    column('opacity', host.opacityLogits, 1, 0),
    ...axes((c) => `scale_${c}`, host.logScales),
    ...[0, 1, 2, 3].map((k) => column(`rot_${k}`, host.quats, 4, k)),
  ];
}
