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
  check: checkSplatFile,
  load: loadSplat,
};
