import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { emptyGaussians } from '../../../stages/artefacts/gaussians.ts';
import { importGaussians } from '../../../stages/artefacts/gaussians-import.ts';
import { encodePly } from '../../../stages/artefacts/gaussians-ply.ts';
import {
  compressedPly,
  ksplat,
  sogArchive,
  sogFiles,
  splat,
  spz,
  spzContents,
} from '../../helpers/splat-files.ts';
import type { Kind } from '../mutate.ts';
import { fileTarget, type Target } from './target.ts';

async function splatPly(): Promise<Uint8Array> {
  const host = emptyGaussians(6, 1);
  for (const name of ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const) {
    host[name].forEach((_, i) => {
      host[name][i] = Math.sin(i + name.length);
    });
  }
  return encodePly(host);
}

const splatTarget = (
  file: string,
  contents: () => Uint8Array | Promise<Uint8Array>,
  weight = 1,
  name = `splat ${file}`,
  wrap?: Target['wrap'],
) => fileTarget(name, [file, 'bytes'], contents, importGaussians, { weight, wrap });

const sogTarget = (name: string, changes: Record<string, Kind>, weight = 1): Target => ({
  ...{ name, files: sogFiles, changes, weight },
  read: (folder) => importGaussians(join(folder, 'meta.json')),
});

export const SPLATS: readonly Target[] = [
  splatTarget('a.ply', splatPly, 3),
  splatTarget('b.compressed.ply', compressedPly, 3),
  splatTarget('c.sog', async () => sogArchive(await sogFiles()), 3),
  sogTarget('splat meta.json', { 'meta.json': 'json' }, 3),
  sogTarget('splat meta.json, its pictures', { 'means_u.webp': 'bytes', 'quats.webp': 'bytes' }),
  splatTarget('d.spz', spz),
  splatTarget('d.spz', spzContents, 3, 'splat d.spz, its contents', (contents) => gzipSync(contents)),
  splatTarget('e.splat', splat),
  splatTarget('f.ksplat', ksplat, 3),
];
