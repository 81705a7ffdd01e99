import { encodePng } from '../../artefacts/png.ts';
import type { FileFormat } from './format.ts';

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
