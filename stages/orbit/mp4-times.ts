/** Boxes that hold boxes, on the way to those with times. */
const PARENTS = new Set(['moov', 'trak', 'mdia']);
/** Boxes that begin with the times of creation and modification, 32 bits each, or 64 in version 1 (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2). */
const TIMED = new Set(['mvhd', 'tkhd', 'mdhd']);

/** Sets an MP4's times of creation and modification to zero, unknown, so that equal tracks are equal files. In place. */
export function withoutTimes(file: Uint8Array): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const walk = (from: number, to: number) => {
    for (let at = from; at + 8 <= to; ) {
      const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
      const small = view.getUint32(at);
      // 1: the size follows in 64 bits; 0: to the end.
      const [head, size] = small === 1 ? [16, Number(view.getBigUint64(at + 8))] : [8, small || to - at];
      if (size < head || at + size > to)
        throw new Error(`broken MP4: box ${kind} at ${at} has a size of ${size}`);
      if (PARENTS.has(kind)) walk(at + head, at + size);
      if (TIMED.has(kind)) file.fill(0, at + head + 4, at + head + 4 + (file[at + head] === 1 ? 16 : 8));
      at += size;
    }
  };
  walk(0, file.length);
  return file;
}
