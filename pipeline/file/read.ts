import { basename, dirname, extname, resolve } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { readAxes, unusedAxes } from './axes.ts';
import { type Axes, type Cell, cellsOf, findCell, type Scalar } from './cells.ts';
import { schemaAt } from './describe.ts';
import { readEntries } from './entries.ts';
import { type CellMistake, type Mistake, mergeCellMistakes, mistakesOf, throwMistakes } from './mistakes.ts';
import { type CheckpointInterval, orderMistakes, type Plan, type PlannedStage } from './plan.ts';
import { headSchema, pipelineHead } from './schema.ts';
import { openSource, type ReadOptions, type Source } from './source.ts';
import { assignOverrides, checkStage } from './stage-options.ts';
import { Substitution } from './substitute.ts';
import type { Path } from './yaml.ts';

export type { ReadOptions };

/** A file with a matrix, all of its cells checked. */
export interface MatrixPlan {
  /** The pipeline's name, the same for all cells. */
  name: string;
  /** The pipeline file, absolute. */
  file: string;
  axes: Axes;
  /** In order, the last axis fastest. */
  cells: (Cell & { plan: Plan })[];
}

/**
 * Reads, overrides and checks a pipeline file: keys, types, ranges, paths, ids and the order of the stages. Every mistake
 * is a sentence with its place; all that can be told at once are told in one InputError.
 *
 * Of a file with a matrix it reads one cell, given by its values, by its name, or as `--cell` writes it.
 */
export async function readPipeline(
  file: string,
  { cell: wanted, ...options }: ReadOptions & { cell?: string | Readonly<Record<string, Scalar>> },
): Promise<Plan> {
  const source = await openSource(file, options);
  const axes = readAxes(source);
  if (axes && wanted === undefined) {
    const [first, ...others] = cellsOf(axes);
    throw new InputError(
      `the file has a matrix of ${others.length + 1} cells: run them all, or give one, for example --cell ${first.name}`,
      file,
    );
  }
  if (!axes && wanted !== undefined) {
    throw new InputError('the file has no `matrix`, so it has no cells: leave --cell out', file);
  }
  const cell = axes && findCell(cellsOf(axes), axes, wanted!);
  const { plan, mistakes, used } = await readCell(source, axes, cell);
  throwMistakes(mistakes);
  if (axes) throwMistakes(unusedAxes(source, axes, used));
  return plan!;
}

/**
 * Reads a file with a matrix and checks every cell; undefined where it has none. A mistake that not all cells make says
 * which do.
 */
export async function readMatrix(file: string, options: ReadOptions): Promise<MatrixPlan | undefined> {
  const source = await openSource(file, options);
  const axes = readAxes(source);
  if (!axes) return undefined;
  const used = new Set<string>();
  const cells: (Cell & { plan: Plan })[] = [];
  const mistakes: CellMistake[] = [];
  for (const cell of cellsOf(axes)) {
    const read = await readCell(source, axes, cell);
    for (const axis of read.used) used.add(axis);
    mistakes.push(...read.mistakes.map((mistake) => ({ ...mistake, cell: cell.name })));
    if (read.plan) cells.push({ ...cell, plan: read.plan });
  }
  throwMistakes(mergeCellMistakes(mistakes, cellsOf(axes).length));
  throwMistakes(unusedAxes(source, axes, used));
  const [{ plan }] = cells;
  if (cells.some((cell) => cell.plan.name !== plan.name)) {
    const text =
      '`name` of the file differs between the cells: their results go to folders of their own below out/<name>, so leave the axis out of it';
    throwMistakes([{ text, place: source.headPlaceOf(['name']) }]);
  }
  return { name: plan.name, file: plan.file, axes, cells };
}

/** The plan of one cell, or of a file without a matrix; no plan where there are mistakes. */
async function readCell(
  source: Source,
  axes: Axes | undefined,
  cell: Cell | undefined,
): Promise<{ plan?: Plan; mistakes: Mistake[]; used: ReadonlySet<string> }> {
  const { file, cwd, located, registry, env } = source;
  const substitution = new Substitution({ axes: Object.keys(axes ?? {}), cell, env });
  const { mistakes, used } = substitution;
  const head = readHead(source, substitution);
  const entries = readEntries(source.top.stages, located, registry, substitution);
  if (mistakes.length || !head) return { mistakes, used };
  const byStage = assignOverrides(entries, source.stageOverrides);
  const absolute = resolve(cwd, file);
  const stages: PlannedStage[] = [];
  for (const entry of entries) {
    const bases = { base: dirname(absolute), cwd };
    stages.push(await checkStage(entry, byStage.get(entry.id) ?? [], located, bases, substitution));
  }
  if (!mistakes.length) mistakes.push(...orderMistakes(stages, registry));
  if (mistakes.length) return { mistakes, used };
  const name = head.name ?? basename(file, extname(file)).replace(/[^A-Za-z0-9._-]/g, '-');
  const { seed, checkpoints } = head;
  return {
    plan: { name, seed, stages, file: absolute, checkpoints, ...(cell && { cell }) },
    mistakes,
    used,
  };
}

/** The head as its schema reads it; undefined where it is mistaken. */
function readHead(
  { top, headPlaceOf }: Source,
  substitution: Substitution,
): { name?: string; seed: number; checkpoints: CheckpointInterval } | undefined {
  const schema = headSchema();
  const { stages, matrix: _, ...rest } = top;
  const spot = { placeOf: headPlaceOf, wantsText: (path: Path) => schemaAt(schema, path)?.type === 'string' };
  const value: Record<string, unknown> = substitution.fill(rest, spot) as Record<string, unknown>;
  // What could not be filled in needs no second complaint.
  if (substitution.mistakes.length) return undefined;
  if (stages !== undefined) value.stages = stages;
  const parsed = pipelineHead.safeParse(value);
  if (!parsed.success) {
    substitution.mistakes.push(...mistakesOf(parsed.error.issues, value, schema, 'the file', headPlaceOf));
    return undefined;
  }
  const { name, seed, checkpoints } = parsed.data;
  if (checkpoints === 'off') return { name, seed, checkpoints };
  const { seconds, steps } = checkpoints;
  return { name, seed, checkpoints: steps === undefined ? { seconds: seconds! } : { steps } };
}
