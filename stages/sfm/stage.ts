import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import * as z from 'zod';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { type Reconstruction, temporaryFolder } from '../artefacts/reconstruction.ts';
import { DEFAULT_SEED, defineStage, type StageSettings, silent } from '../stage.ts';
import { findColmap } from './colmap.ts';
import { checkVideo, extractFrames } from './frames.ts';
import { haveOneSize, photographsIn } from './pictures.ts';
import { reconstruct } from './reconstruct.ts';

export const sfmOptions = z
  .strictObject({
    photos: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'folder' })
      .describe('Folder of photographs (PNG, JPEG, WebP), with those in its folders'),
    video: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'file' })
      .describe('Video (MP4, MOV, WebM, MKV), of which the sharpest frames are taken'),
    frames: z
      .int()
      .min(3)
      .max(10_000)
      .default(120)
      .describe('Number of equal intervals of the video; each gives its sharpest frame'),
    matching: z
      .enum(['auto', 'exhaustive', 'sequential'])
      .default('auto')
      .describe(
        'Pairs of pictures to match: all of them, or neighbours in order of names; `auto` is exhaustive for photographs, sequential for a video',
      ),
    cameras: z
      .enum(['auto', 'one', 'each'])
      .default('auto')
      .describe(
        'One camera for all pictures, or one for each; `auto` is one where all pictures have the same size',
      ),
    cameraModel: z
      .enum(['SIMPLE_RADIAL', 'RADIAL', 'OPENCV', 'OPENCV_FISHEYE'])
      .default('SIMPLE_RADIAL')
      .describe('COLMAP’s model of the lens, whose distortion load removes'),
    threads: z
      .int()
      .min(0)
      .max(1024)
      .default(0)
      .describe('Threads of COLMAP; 0 is one for each core, and 1 repeats results to the byte'),
  })
  .refine(({ photos, video }) => (photos === undefined) !== (video === undefined), {
    message: 'expected either `photos` or `video`',
  });

/** The options of `sfm`, as written in a file or a script. */
export type SfmInput = z.input<typeof sfmOptions>;

const LOG = 'colmap.log';

/**
 * Finds cameras and points of photographs or of a video's frames with COLMAP, in a temporary folder that is removed when the
 * process ends. Publishes COLMAP's log.
 *
 * @throws InputError when COLMAP is missing or fails, or when too few pictures are registered; its log then stays.
 */
export async function sfm(
  gpu: Gpu,
  _inputs: Record<never, never>,
  options: SfmInput,
  { seed = DEFAULT_SEED, report = silent, output, signal }: StageSettings = {},
): Promise<{ reconstruction: Reconstruction }> {
  const { photos, video, frames, matching, cameras, cameraModel, threads } = sfmOptions.parse(options);
  const colmap = await findColmap();
  const folder = await temporaryFolder();
  const work = await temporaryFolder();
  const images = photos ?? join(folder, 'images');
  let names: string[];
  if (video) {
    await mkdir(images);
    names = await extractFrames(video, { frames, folder: images, report, signal });
    report.note(`${names.length} frames, the sharpest of each interval`);
  } else {
    names = await photographsIn(images);
  }
  const logFile = join(work, LOG);
  const log = createWriteStream(logFile);
  try {
    await reconstruct(
      {
        colmap,
        images,
        names,
        source: video ? 'video' : 'photos',
        matching: matching === 'auto' ? (video ? 'sequential' : 'exhaustive') : matching,
        cameraModel,
        sharedCamera: cameras === 'auto' ? await haveOneSize(images, names) : cameras === 'one',
        gpu: colmap.cuda && gpu.adapter.vendor === 'nvidia',
        threads,
        seed,
        work,
        report,
        signal,
        log: (line) => void log.write(`${line}\n`),
      },
      join(folder, 'sparse', '0'),
    );
  } catch (error) {
    log.end();
    await finished(log);
    const kept = join(await mkdtemp(join(tmpdir(), 'splatline-colmap-')), LOG);
    await copyFile(logFile, kept);
    if (error instanceof InputError) error.message += `; COLMAP’s log is ${kept}`;
    throw error;
  }
  log.end();
  await finished(log);
  await output?.write(LOG, await readFile(logFile));
  await rm(work, { recursive: true, force: true });
  return { reconstruction: { folder } };
}

/** The stage: a plan has it before a `load` of photographs or a video. */
export const sfmStage = defineStage({
  name: 'sfm',
  module: import.meta.url,
  summary: 'Finds the cameras of photographs or a video with COLMAP',
  options: sfmOptions,
  needs: [],
  gives: ['reconstruction'],
  repeats: false, // COLMAP searches matches with random numbers that it does not seed
  async reads({ photos, video }) {
    const names = photos ? await photographsIn(photos) : [];
    const { title } = await findColmap();
    return { files: video ? [video] : names.map((name) => join(photos!, name)), texts: { colmap: title } };
  },
  async preflight({ photos, video }) {
    if (photos) await haveOneSize(photos, await photographsIn(photos));
    if (video) await checkVideo(video);
  },
  run: sfm,
});
