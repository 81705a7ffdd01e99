/**
 * RGB to Y'CbCr for H.264: BT.709 matrix, limited range (16–235, 16–240), 4:2:0 with chroma averaged over 2×2 pixels
 * (Rec. ITU-R BT.709-6, sections 3 and 4). The picture's values are taken as gamma-encoded, as photographs are.
 */
export const BT709 = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false } as const;

const RED = 0.2126;
const BLUE = 0.0722;
const GREEN = 1 - RED - BLUE;

/** rgba8 [H, W] (alpha ignored) → planar I420: Y [H, W], Cb [H/2, W/2], Cr [H/2, W/2]. Width and height are even. */
export function toI420(rgba: Uint8Array, width: number, height: number): Uint8Array {
  const pixels = width * height;
  const out = new Uint8Array((pixels * 3) / 2);
  const cbStart = pixels;
  const crStart = pixels + pixels / 4;
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (const at of [y * width + x, y * width + x + 1, (y + 1) * width + x, (y + 1) * width + x + 1]) {
        const r = rgba[4 * at];
        const g = rgba[4 * at + 1];
        const b = rgba[4 * at + 2];
        out[at] = 16.5 + (219 / 255) * (RED * r + GREEN * g + BLUE * b);
        red += r;
        green += g;
        blue += b;
      }
      const luma = RED * red + GREEN * green + BLUE * blue;
      const chroma = (y / 2) * (width / 2) + x / 2;
      out[cbStart + chroma] = 128.5 + ((224 / 255) * ((blue - luma) / 4)) / (2 * (1 - BLUE));
      out[crStart + chroma] = 128.5 + ((224 / 255) * ((red - luma) / 4)) / (2 * (1 - RED));
    }
  }
  return out;
}
