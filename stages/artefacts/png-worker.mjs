/**
 * One thread of png.ts: takes the pixels [H, W] of a kind, gives a PNG of them. Filter (Paeth) and compression are fixed, so that equal
 * pixels give equal bytes with one zlib. Plain JavaScript: a thread starts sooner without a compiler.
 */
import { parentPort } from 'node:worker_threads';
import { PNG } from 'pngjs';

/** By kind: PNG's colour type, its channels, and bits a channel. */
const KINDS = {
  rgb: { colorType: 2, channels: 3, bitDepth: 8 },
  rgba: { colorType: 6, channels: 4, bitDepth: 8 },
  gray: { colorType: 0, channels: 1, bitDepth: 8 },
  gray16: { colorType: 0, channels: 1, bitDepth: 16 },
};

parentPort.on('message', async ({ pixels, width, height, kind }) => {
  const png = await encode(pixels, width, height, KINDS[kind]);
  parentPort.postMessage({ png, pixels }, [png.buffer, pixels]);
});

/**
 * @param {ArrayBuffer} pixels
 * @param {number} width
 * @param {number} height
 * @param {(typeof KINDS)['rgb']} kind
 * @returns {Promise<Uint8Array>}
 */
function encode(pixels, width, height, { colorType, channels, bitDepth }) {
  const png = new PNG({
    width,
    height,
    colorType,
    inputColorType: colorType,
    inputHasAlpha: channels === 4,
    bitDepth,
    filterType: 4,
    deflateLevel: 3,
    deflateStrategy: 0,
  });
  // pngjs reads 16 bits from the whole memory under its data.
  png.data = bitDepth === 16 ? Buffer.from(pixels) : firstChannels(new Uint8Array(pixels), channels);
  return new Promise((resolve, reject) => {
    const chunks = [];
    png.on('data', (chunk) => chunks.push(chunk));
    png.on('end', () => {
      // A copy of its own size: a Buffer may lie in memory that others use.
      const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
      }
      resolve(whole);
    });
    png.on('error', reject);
    png.pack();
  });
}

/** The first of four channels of each pixel. */
function firstChannels(rgba, channels) {
  const out = Buffer.allocUnsafe((rgba.length / 4) * channels);
  for (let from = 0, to = 0; to < out.length; from += 4) {
    for (let channel = 0; channel < channels; channel++) out[to++] = rgba[from + channel];
  }
  return out;
}
