/** Numbers, paths and tables as the command line prints them. */
import { relative } from 'node:path';

/** `0.8 s`, `42 s`, `3:05`, `1:02:03`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** `980 B`, `1.27 MiB`. */
export function byteSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}`;
}

/** `1 cell`, `4 cells`. */
export function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? '' : 's'}`;
}

/** Relative to `cwd` where the path is below it. */
export function shortPath(path: string, cwd = process.cwd()): string {
  const below = relative(cwd, path);
  return below.startsWith('..') ? path : below || '.';
}

/** Short paths; for a folder with many files, the first and last and their number. */
export function grouped(files: readonly string[], cwd?: string): string[] {
  const folders = new Map<string, string[]>();
  for (const file of files) {
    const folder = file.slice(0, file.lastIndexOf('/') + 1);
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  return [...folders.values()].flatMap((inside) =>
    inside.length <= 8
      ? inside.map((file) => shortPath(file, cwd))
      : [
          `${shortPath(inside[0], cwd)} … ${inside.at(-1)!.split('/').at(-1)} (${count(inside.length, 'file')})`,
        ],
  );
}

/** Rows of equally many cells as lines of columns; the columns from `firstNumber` on are aligned to the right. */
export function table(
  rows: readonly (readonly string[])[],
  firstNumber = Number.POSITIVE_INFINITY,
): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((text, column) =>
        column < firstNumber ? text.padEnd(widths[column]) : text.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd(),
  );
}
