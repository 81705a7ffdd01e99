/** Numbers, paths and tables as the command line prints them. */
import { dirname, relative } from 'node:path';
import { count } from '../units.ts';

export { byteSize, count, duration } from '../units.ts';

/** For `--json`: one line for each event. */
export const printJson = (event: unknown) => void process.stdout.write(`${JSON.stringify(event)}\n`);

/** Relative to `cwd` where the path is below it. */
export function shortPath(path: string, cwd = process.cwd()): string {
  const below = relative(cwd, path);
  return below.startsWith('..') ? path : below || '.';
}

/** A word of a shell command. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
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
