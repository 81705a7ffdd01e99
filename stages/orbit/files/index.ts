import { av1 } from './av1.ts';
import type { FileFormat } from './format.ts';
import { mp4 } from './mp4.ts';
import { png } from './png.ts';
import { poster } from './poster.ts';
import { webm } from './webm.ts';
import { webp } from './webp.ts';

/** The files of `orbit.files`, one row each. */
export const FILES = { png, mp4, av1, webm, webp, poster } as const satisfies Record<string, FileFormat>;

export type FileName = keyof typeof FILES;
export const FILE_NAMES = Object.keys(FILES) as FileName[];
