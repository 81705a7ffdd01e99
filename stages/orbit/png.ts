/**
 * An 8-bit RGB PNG of rgba8 pixels [H, W]; alpha is dropped, because the background is in the colours already. Filter
 * (Paeth) and compression are fixed, so that equal pixels give equal bytes with one zlib. Compresses off the main thread.
 * The pixels may change as soon as this returns.
 */
export async function encodePng(rgba: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const rgb = Buffer.alloc(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    rgb[3 * pixel] = rgba[4 * pixel];
    rgb[3 * pixel + 1] = rgba[4 * pixel + 1];
    rgb[3 * pixel + 2] = rgba[4 * pixel + 2];
  }
  const { PNG } = await import('pngjs');
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
    const chunks: Buffer[] = [];
    png.on('data', (chunk: Buffer) => chunks.push(chunk));
    png.on('end', () => resolve(new Uint8Array(Buffer.concat(chunks))));
    png.on('error', reject);
    png.pack();
  });
}
