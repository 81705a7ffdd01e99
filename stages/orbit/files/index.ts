import { av1, mp4, webm } from './codecs.ts';
import type { FileFormat } from './format.ts';
import { png, poster } from './png.ts';
import { webp } from './webp.ts';

/** The files of `orbit.files`, one row each. */
export const FILES = { png, mp4, av1, webm, webp, poster } as const satisfies Record<string, FileFormat>;

export type FileName = keyof typeof FILES;
export const FILE_NAMES = Object.keys(FILES) as FileName[];
