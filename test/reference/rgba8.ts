/** Plain twins of image/to-rgba8 and image/from-rgba8. */

/** f32 picture [P, 4] → rgba8 words [P]. */
export function toRgba8(picture: ArrayLike<number>): Uint32Array {
  const words = new Uint32Array(picture.length / 4);
  for (let i = 0; i < picture.length; i++) {
    const level = Math.floor(Math.min(1, Math.max(0, picture[i])) * 255 + 0.5);
    words[i >> 2] |= level << (8 * (i & 3));
  }
  return words;
}

/** rgba8 words [P] → picture [P, 4]. */
export function fromRgba8(words: Uint32Array): Float64Array {
  return Float64Array.from(
    { length: 4 * words.length },
    (_, i) => ((words[i >> 2] >>> (8 * (i & 3))) & 255) / 255,
  );
}
