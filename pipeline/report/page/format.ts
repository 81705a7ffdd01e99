/** Numbers and dates for readers. */

/** `6,000`, `28.5`, `0.953`, `0.0195`. */
export function numberText(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e15) return value.toLocaleString('en-US');
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size >= 100) return value.toFixed(1);
  if (size >= 10) return value.toFixed(2);
  return size >= 0.1 ? value.toFixed(3) : String(Number(value.toPrecision(3)));
}

/** `PSNR`, `CLIP direction`, `consistency`. */
export function scoreLabel(name: string): string {
  return name.replaceAll('.', ' ').replace(/\b(psnr|ssim|clip)\b/g, (word) => word.toUpperCase());
}

/** The unit of a score behind its value: `dB`; nothing for a ratio. */
export function unitText(unit: string): string {
  return unit === '1' ? '' : unit;
}

/** `28 November 2026, 21:03`. */
export function dateText(iso: string): string {
  return new Date(iso).toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short' });
}
