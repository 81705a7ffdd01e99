import type { MatrixPlan } from '../file/read.ts';
import type { MatrixEvent } from '../matrix/events.ts';
import { runMatrix } from '../matrix/run.ts';
import { parseSlot } from '../matrix/slots.ts';
import { placeOf } from '../run/prepare.ts';
import type { RunFlags } from './place.ts';

/** Runs all cells of a matrix. Sets the exit code; what went wrong stands in the table. */
export async function runCells(
  matrix: MatrixPlan,
  { set, from, until, out, store, jobs, failFast, adapter = [] }: RunFlags,
  signal: AbortSignal,
  onEvent: (event: MatrixEvent) => void,
): Promise<void> {
  const place = placeOf(matrix, { out, store });
  const record = await runMatrix({
    matrix,
    set,
    out: place.out,
    store: place.store.root,
    jobs,
    failFast,
    slots: adapter.map(parseSlot),
    flags: [
      ...(from === undefined ? [] : ['--from', from]),
      ...(until === undefined ? [] : ['--until', until]),
    ],
    signal,
    onEvent,
  });
  process.exitCode = record.exitCode;
}
