/** Numbers and dates for readers. */

/** `6,000`, `28.50`, `0.953`, `0.0195`. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return value.toLocaleString('en-US');
  return size >= 1000 ? Math.round(value).toLocaleString('en-US') : scoreText(value);
}

/** `28.50`, `0.953`, `0.0195`; whole numbers too, so that a column of scores reads well. */
export function scoreText(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return size >= 0.1 ? value.toFixed(3) : String(Number(value.toPrecision(3)));
}

/** `PSNR`, `CLIP direction`, `Consistency`, `PSNR before restyling`. */
export function scoreLabel(name: string): string {
  const words = name.replace(/\.before$/, '.before.restyling').replaceAll('.', ' ');
  const label = words.replace(/\b(psnr|ssim|clip)\b/g, (word) => word.toUpperCase());
  return label[0].toUpperCase() + label.slice(1);
}

/** The unit of a score behind its value: `dB`; nothing for a ratio. */
export function unitText(unit: string): string {
  return unit === '1' ? '' : unit;
}

/** `28 November 2026 at 21:03`; in a table `28 Nov 2026, 21:03`. */
export function dateText(iso: string, dateStyle: 'long' | 'medium' = 'long'): string {
  return new Date(iso).toLocaleString('en-GB', { dateStyle, timeStyle: 'short' });
}
