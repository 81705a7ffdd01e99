/** Numbers, paths and tables as the command line prints them. */
import { dirname, relative } from 'node:path';

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

/** For `--json`: one line for each event. */
export const printJson = (event: unknown) => void process.stdout.write(`${JSON.stringify(event)}\n`);

/** `1 cell`, `4 cells`. */
export function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? '' : 's'}`;
}

/** Relative to `cwd` where the path is below it. */
export function shortPath(path: string, cwd = process.cwd()): string {
  const below = relative(cwd, path);
  return below.startsWith('..') ? path : below || '.';
}

/** Maximum number of files of a folder that are listed. */
const MAX_LISTED = 8;

/** Short paths; a folder with many files is one line. */
export function grouped(files: readonly string[], cwd?: string): string[] {
  const folders = new Map<string, string[]>();
  for (const file of files) folders.set(dirname(file), [...(folders.get(dirname(file)) ?? []), file]);
  return [...folders].flatMap(([folder, inside]) =>
    inside.length <= MAX_LISTED
      ? inside.map((file) => shortPath(file, cwd))
      : [`${shortPath(folder, cwd)} (${count(inside.length, 'file')})`],
  );
}

/** Rows of equally many cells as lines of columns. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: readonly string[]) => row.map((text, column) => text.padEnd(widths[column])).join('  ');
  return rows.map((row) => line(row).trimEnd());
}
