import type { Command } from 'commander';
import { progressPrinter } from '../../pipeline/cli/progress.ts';
import type { MatrixEvent } from '../../pipeline/matrix/record.ts';
import type { RunEvent } from '../../pipeline/run/events.ts';

/** What the progress printer writes for events at their times, seconds. */
export function printed(isTTY: boolean, events: [number, RunEvent | MatrixEvent][], columns = 60): string {
  let text = '';
  let now = 0;
  const print = progressPrinter({ isTTY, columns, write: (part) => (text += part) }, () => now);
  for (const [at, event] of events) {
    now = at;
    print(event);
  }
  return text;
}

/** The lines of a terminal after it has interpreted the control codes of the printer. */
export function shownBy(text: string): string[] {
  const lines = [''];
  let [row, column] = [0, 0];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the codes of terminals start with it.
  const codes = /\x1b\[(\?\d+[hl])|\x1b\[(\d*)(\D)|([^\x1b])/g;
  for (const [all, mode, count, code, plain] of text.matchAll(codes)) {
    if (mode) continue;
    if (code === 'A') row -= Number(count || 1);
    else if (code === 'B') row += Number(count || 1);
    else if (code === 'G') column = 0;
    else if (code === 'K') lines[row] = count === '2' ? '' : lines[row].slice(0, column);
    else if (code) throw new Error(`the terminal has no ${JSON.stringify(all)}`);
    else if (plain === '\n') {
      lines[++row] ??= '';
      column = 0;
    } else lines[row] = lines[row].slice(0, column).padEnd(column) + plain + lines[row].slice(++column);
  }
  while (lines.length > 1 && lines.at(-1) === '' && lines.at(-2) === '') lines.pop();
  return lines;
}

/** What a command prints, and its exit code. */
export async function commandOutput(
  command: Command,
  ...args: string[]
): Promise<{ out: string; code: unknown }> {
  const { write } = process.stdout;
  let out = '';
  process.stdout.write = (part) => Boolean((out += part));
  try {
    await command.parseAsync(args, { from: 'user' });
    return { out, code: process.exitCode ?? 0 };
  } finally {
    process.stdout.write = write;
    process.exitCode = undefined;
  }
}
