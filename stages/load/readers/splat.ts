import { readPlyHeader } from '../../artefacts/ply-header.ts';
import { checkSplatFile, isSplatFile, SPLAT_FILES, splatFiles } from '../../artefacts/splat-file-check.ts';
import { loadSplat } from '../splat.ts';
import type { Reader } from './reader.ts';

/** A splat file, with synthetic views around it. */
export const splatReader: Reader = {
  key: 'ply',
  title: 'a splat',
  shape: `a file named ${SPLAT_FILES.map((end) => (end.startsWith('.') ? `*${end}` : end)).join(', ')}`,
  photographs: false,
  recognises: isSplatFile,
  files: splatFiles,
  async inspect(path) {
    if (!path.toLowerCase().endsWith('.ply')) return { facts: [] };
    const { elements, shDegree } = await readPlyHeader(path);
    const { count } = elements.find(({ name }) => name === 'vertex')!;
    const degree = shDegree === undefined ? '' : ` of SH degree ${shDegree}`;
    return { facts: [`${count} Gaussians${degree}`] };
  },
  async check(path, { size: [width, height] }) {
    await checkSplatFile(path);
    return { views: { width, height } };
  },
  load: loadSplat,
};
