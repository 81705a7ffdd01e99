import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { InputError } from '../../../wgsl/core/index.ts';
import { isPhotograph, type Reconstruction } from '../../artefacts/reconstruction.ts';
import { pictureSize } from '../pictures.ts';
import { colmapReader } from './colmap.ts';
import { picturesOf, type Reader } from './reader.ts';

/** Photographs without cameras. */
export const photosReader = sfmReader({
  key: 'photos',
  title: 'photographs',
  shape: 'a folder with PNG, JPEG or WebP files',
  recognises: (path) => isFolder(path) && readdirSync(path).some(isPhotograph),
  imagesOf: (path) => path,
  async inspect(path) {
    const pictures = filesIn(path).filter((file) => isPhotograph(relative(path, file)));
    const [first] = pictures.sort();
    if (!first) throw new InputError('has no photographs besides hidden files and those in masks/', path);
    return picturesOf(pictures.length, [await pictureSize(first)]);
  },
});

/** A video without cameras. */
export const videoReader = sfmReader({
  key: 'video',
  title: 'a video',
  shape: 'a file such as .mp4, .mov, .webm, .mkv',
  recognises: (path) => /\.(mp4|m4v|mov|webm|mkv)$/i.test(path),
  imagesOf: (_path, { folder }) => join(folder, 'images'),
  inspect: async () => ({ facts: [] }),
});

/** A reader of pictures whose cameras the stage sfm finds. */
function sfmReader({
  imagesOf,
  ...row
}: Pick<Reader, 'title' | 'shape' | 'recognises' | 'inspect'> & {
  key: 'photos' | 'video';
  /** The folder of the pictures. */
  imagesOf(path: string, reconstruction: Reconstruction): string;
}): Reader {
  return {
    ...row,
    photographs: true,
    before: (path, { frames }) => ({
      stage: 'sfm',
      options: { [row.key]: path, ...(frames !== undefined && { frames }) },
    }),
    // The key of sfm covers the pictures, and its preflight checks them.
    files: async (path, { masks, masking }) => (masking === 'none' ? [] : filesIn(resolve(path, masks))),
    check: async () => ({}),
    async load(gpu, path, options, report, reconstruction) {
      if (!reconstruction) {
        throw new InputError('has no cameras; pass the `reconstruction` that sfm returns for it', path);
      }
      const images = imagesOf(path, reconstruction);
      const place = resolve(path, options.masks);
      const masks = existsSync(place) ? place : options.masks;
      return colmapReader.load(gpu, reconstruction.folder, { ...options, images, masks }, report);
    },
  };
}

/** All files below a folder; none if it is missing. */
function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const items = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = items.map((item) => join(item.parentPath ?? item.path, item.name));
  return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
