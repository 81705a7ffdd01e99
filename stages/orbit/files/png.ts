import { encodePng, PNG_THREADS } from '../../artefacts/png.ts';
import type { FileFormat } from './format.ts';

/** Pictures that wait for encoding, each in host memory. */
const IN_FLIGHT = PNG_THREADS + 2;

/** One PNG for each picture: `frames/0007.png`. */
export const png: FileFormat = {
  summary: 'one PNG for each frame, `frames/0007.png`',
  kinds: ['rgb', 'rgba', 'gray', 'gray16'],
  reads: 'pixels',
  async open(output, { folder, width, height, kind }) {
    const pending: Promise<void>[] = [];
    return {
      async add(pixels, name) {
        if (pending.length === IN_FLIGHT) await pending.shift();
        const written = encodePng(pixels, width, height, kind).then((bytes) =>
          output.write(`${folder}/${name}.png`, bytes),
        );
        // A failure is reported where the work is awaited.
        written.catch(() => {});
        pending.push(written);
      },
      async finish() {
        await Promise.all(pending.splice(0));
      },
      async cancel() {
        await Promise.allSettled(pending.splice(0));
      },
    };
  },
};

/** The first picture, which a web page shows before the video plays. */
export const poster: FileFormat = {
  summary: 'the first frame, `poster.png`',
  kinds: ['rgb', 'rgba', 'gray'],
  reads: 'pixels',
  firstOnly: true,
  async open(output, { poster, width, height, kind }) {
    return {
      add: async (pixels) => output.write(`${poster}.png`, await encodePng(pixels, width, height, kind)),
      async finish() {},
      async cancel() {},
    };
  },
};
