/** The weights of the input samples that one output sample covers along one axis. */
interface Window {
  first: number;
  weights: Float32Array;
}

/**
 * Shrinks interleaved 8-bit pixels by area averaging: every output pixel is the mean of the input area that it covers,
 * with fractional edges (OpenCV's INTER_AREA, Pillow's BOX). Averages the stored values without linearising them. `width`
 * and `height`: size of the output, at most that of the input.
 */
export function areaResize(
  pixels: Uint8Array,
  from: { width: number; height: number; channels: number },
  width: number,
  height: number,
): Uint8Array {
  const { channels } = from;
  const columns = windows(from.width, width);
  const rows = windows(from.height, height);
  const rowLength = from.width * channels;
  const out = new Uint8Array(width * height * channels);
  const column = new Float32Array(rowLength);
  for (let y = 0; y < height; y++) {
    column.fill(0);
    const { first, weights } = rows[y];
    for (let k = 0; k < weights.length; k++) {
      const weight = weights[k];
      const start = (first + k) * rowLength;
      for (let i = 0; i < rowLength; i++) column[i] += weight * pixels[start + i];
    }
    for (let x = 0; x < width; x++) {
      const window = columns[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        let at = window.first * channels + c;
        for (let k = 0; k < window.weights.length; k++, at += channels) sum += window.weights[k] * column[at];
        out[(y * width + x) * channels + c] = Math.min(255, Math.round(sum));
      }
    }
  }
  return out;
}

function windows(from: number, to: number): Window[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const start = i * scale;
    const end = Math.min(from, (i + 1) * scale);
    const first = Math.floor(start);
    const last = Math.max(first, Math.ceil(end - 1e-9) - 1);
    const weights = Float32Array.from({ length: last - first + 1 }, (_, k) => {
      const cell = first + k;
      return (Math.min(end, cell + 1) - Math.max(start, cell)) / (end - start);
    });
    return { first, weights };
  });
}
