import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { withPicture } from '../artefacts/decode.ts';
import { isPhotograph } from '../artefacts/reconstruction.ts';

/** Fewer pictures have no points that three cameras see. */
export const MIN_PICTURES = 3;

/**
 * The names of the photographs below a folder (`isPhotograph`), with `/`, in order of code units.
 * @throws InputError when there are too few.
 */
export async function photographsIn(folder: string): Promise<string[]> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error) => {
    throw new InputError(`cannot be read (${error.code}); expected a folder of photographs`, folder);
  });
  const files = items.filter((item) => !item.isDirectory());
  const all = files.map((item) =>
    relative(folder, join(item.parentPath ?? item.path, item.name))
      .split(sep)
      .join('/'),
  );
  const names = all.filter(isPhotograph).sort();
  if (names.length >= MIN_PICTURES) return names;
  const raw = all.find((name) => /\.(heic|heif|avif|tiff?|dng|cr2|nef|arw)$/i.test(name));
  const hint = raw ? `; convert files such as ${raw} to JPEG` : '';
  throw new InputError(
    `has ${names.length} photographs; expected at least ${MIN_PICTURES} of PNG, JPEG or WebP${hint}`,
    folder,
  );
}

/** Whether all pictures have one size, as they are stored. @throws InputError for a file that is no picture. */
export async function haveOneSize(folder: string, names: readonly string[]): Promise<boolean> {
  const sizes = new Set<string>();
  for (const name of names) {
    const { width, height } = await withPicture(join(folder, name), (image) => image.metadata());
    sizes.add(`${width}×${height}`);
  }
  return sizes.size === 1;
}
