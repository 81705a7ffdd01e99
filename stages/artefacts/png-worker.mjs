/**
 * One thread of png.ts: takes rgba8 pixels [H, W], gives an 8-bit RGB PNG of them. Alpha is dropped, because the background is in the
 * colours already. Filter (Paeth) and compression are fixed, so that equal pixels give equal bytes with one zlib. Plain
 * JavaScript: a thread starts sooner without a compiler.
 */
import { parentPort } from 'node:worker_threads';
import { PNG } from 'pngjs';

parentPort.on('message', async ({ pixels, width, height }) => {
  const rgba = new Uint8Array(pixels);
  const png = await encode(rgba, width, height);
  parentPort.postMessage({ png, pixels }, [png.buffer, pixels]);
});

/**
 * @param {Uint8Array} rgba
 * @param {number} width
 * @param {number} height
 * @returns {Promise<Uint8Array>}
 */
function encode(rgba, width, height) {
  const rgb = Buffer.allocUnsafe(3 * width * height);
  for (let from = 0, to = 0; to < rgb.length; from += 4) {
    rgb[to++] = rgba[from];
    rgb[to++] = rgba[from + 1];
    rgb[to++] = rgba[from + 2];
  }
  const png = new PNG({
    width,
    height,
    colorType: 2,
    inputColorType: 2,
    inputHasAlpha: false,
    filterType: 4,
    deflateLevel: 3,
    deflateStrategy: 0,
  });
  png.data = rgb;
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
