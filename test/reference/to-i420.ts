/** Plain twin of image/to-i420: BT.709, limited range, 4:2:0, before rounding (Rec. ITU-R BT.709-6, sections 3 and 4). */

const RED = 0.2126;
const BLUE = 0.0722;
const GREEN = 1 - RED - BLUE;

/** rgba8 [H, W] (alpha ignored) → Y' [H, W], Cb [H/2, W/2], Cr [H/2, W/2], one after the other. Width and height are even. */
export function toI420(rgba: Uint8Array, width: number, height: number): Float64Array {
  const pixels = width * height;
  const out = new Float64Array((pixels * 3) / 2);
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      let [red, green, blue] = [0, 0, 0];
      for (const at of [y * width + x, y * width + x + 1, (y + 1) * width + x, (y + 1) * width + x + 1]) {
        const [r, g, b] = rgba.subarray(4 * at, 4 * at + 3);
        out[at] = 16 + (219 / 255) * (RED * r + GREEN * g + BLUE * b);
        red += r / 4;
        green += g / 4;
        blue += b / 4;
      }
      const luma = RED * red + GREEN * green + BLUE * blue;
      const chroma = pixels + (y / 2) * (width / 2) + x / 2;
      out[chroma] = 128 + ((224 / 255) * (blue - luma)) / (2 * (1 - BLUE));
      out[chroma + pixels / 4] = 128 + ((224 / 255) * (red - luma)) / (2 * (1 - RED));
    }
  }
  return out;
}

/** The planes as bytes, rounded half up. */
export function i420Bytes(rgba: Uint8Array, width: number, height: number): Uint8Array {
  return Uint8Array.from(toI420(rgba, width, height), (value) => value + 0.5);
}
