import { basename, extname } from 'node:path';
import type { Stage } from '../../stages/stage.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { type Axes, type Cell, cellsOf, findCell, type Scalar } from './cells.ts';
import { found, isMap, nearest, type Path, schemaAt } from './describe.ts';
import { applyHeadOverrides, applyOverride, type Override, parseOverride } from './override.ts';
import { type CheckpointInterval, orderMistakes, type Plan, type PlannedStage } from './plan.ts';
import { headSchema, isStageId, matrixAxes, pipelineHead, RESERVED_IDS, stageSchema } from './schema.ts';
import { type Mistake, mergeCells, Section, throwMistakes, valueAt } from './section.ts';
import { PipelineSource } from './source.ts';
import { type Scope, substitute } from './substitute.ts';

export interface ReadOptions {
  /** Replaces the file's contents. */
  text?: string;
  /** `STAGE.OPTION=VALUE`, as `--set` takes them; they win over the file. */
  set?: readonly string[];
  /** Relative paths in `set` start here. Default: the working directory. */
  cwd?: string;
  /** The stages that a file may name. */
  registry: readonly Stage[];
  /** The values of `${env.NAME}`. Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
}

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
 * is a sentence with its place; one InputError has all that can be found at once.
 *
 * Of a file with a matrix it reads one cell, given by its values, by its name, or as `--cell` writes it.
 */
export async function readPipeline(
  file: string,
  { cell: wanted, ...options }: ReadOptions & { cell?: string | Readonly<Record<string, Scalar>> },
): Promise<Plan> {
  const opened = await openFile(file, options);
  const { axes } = opened;
  if (axes && wanted === undefined) {
    const [first, ...others] = cellsOf(axes);
    throw new InputError(
      `the file has a matrix of ${others.length + 1} cells: run them all, or give one, for example --cell ${first.name}`,
      file,
    );
  }
  if (!axes && wanted !== undefined)
    throw new InputError('the file has no `matrix`, so it has no cells: leave --cell out', file);
  const used = new Set<string>();
  const mistakes: Mistake[] = [];
  const cell = axes && findCell(cellsOf(axes), axes, wanted!);
  const plan = await readPlan(opened, cell, used, mistakes);
  throwMistakes(mistakes);
  throwMistakes(unusedAxes(opened, used));
  return plan!;
}

/**
 * Reads a file with a matrix and checks every cell; undefined where it has none. A mistake that not all cells make names
 * those that do.
 */
export async function readMatrix(file: string, options: ReadOptions): Promise<MatrixPlan | undefined> {
  const opened = await openFile(file, options);
  const { source, axes } = opened;
  if (!axes) return undefined;
  const used = new Set<string>();
  const mistakes = new Map<string, Mistake[]>();
  const cells: (Cell & { plan: Plan })[] = [];
  for (const cell of cellsOf(axes)) {
    const own: Mistake[] = [];
    const plan = await readPlan(opened, cell, used, own);
    mistakes.set(cell.name, own);
    if (plan) cells.push({ ...cell, plan });
  }
  throwMistakes(mergeCells(mistakes));
  throwMistakes(unusedAxes(opened, used));
  const [{ plan }] = cells;
  if (cells.some((cell) => cell.plan.name !== plan.name)) {
    const text =
      '`name` of the file differs between the cells: their results go to folders of their own below out/<name>, so leave the axis out of it';
    throw new InputError(text, source.placeOf(['name']));
  }
  return { name: plan.name, file: plan.file, axes, cells };
}

/** A file with the overrides of its head in place, and its axes. */
interface OpenedFile {
  source: PipelineSource;
  axes?: Axes;
  stageOverrides: readonly Override[];
  registry: readonly Stage[];
  env: Scope['env'];
}

async function openFile(
  file: string,
  { text, set = [], cwd = process.cwd(), registry, env = process.env }: ReadOptions,
): Promise<OpenedFile> {
  const source = await PipelineSource.read(file, cwd, text);
  const overrides = set.map((argument) => parseOverride(argument, cwd));
  const stageOverrides = applyHeadOverrides(source, overrides);
  return { source, axes: await readAxes(source, env), stageOverrides, registry, env };
}

async function readAxes(source: PipelineSource, env: Scope['env']): Promise<Axes | undefined> {
  const { matrix } = source.value;
  if (matrix === undefined) return undefined;
  const mistakes: Mistake[] = [];
  const section = new Section(source, ['matrix'], 'the matrix', schemaAt(headSchema(), ['matrix'])!);
  const scope = { axes: isMap(matrix) ? Object.keys(matrix) : [], env, used: new Set<string>() };
  const axes = await section.parse(matrix, matrixAxes, scope, mistakes);
  throwMistakes(mistakes);
  return axes;
}

/** Axes that no value names: their cells would be the same run several times over. */
function unusedAxes({ source, axes = {} }: OpenedFile, used: ReadonlySet<string>): Mistake[] {
  return Object.keys(axes)
    .filter((axis) => !used.has(axis))
    .map((axis) => ({
      text: `the axis ${axis} of the matrix is used nowhere: write \`\${matrix.${axis}}\` where its value belongs, or remove the axis`,
      place: source.placeOf(['matrix', axis]),
    }));
}

/**
 * The plan of one cell, or of a file without a matrix; undefined where there are mistakes. Adds the axes that its values
 * name to `used`.
 */
async function readPlan(
  { source: shared, axes = {}, stageOverrides, registry, env }: OpenedFile,
  cell: Cell | undefined,
  used: Set<string>,
  mistakes: Mistake[],
): Promise<Plan | undefined> {
  const source = shared.copy();
  const scope: Scope = { axes: Object.keys(axes), values: cell?.values ?? {}, env, used };
  const { matrix: _, stages: list, ...top } = source.value;
  // The entries are checked one by one: here only that there are some.
  const head = await new Section(source, [], 'the file', headSchema()).parse(
    { ...top, ...(list !== undefined && { stages: Array.isArray(list) ? list.map(() => null) : list }) },
    pipelineHead,
    scope,
    mistakes,
  );
  const entries = readEntries(source, registry, scope, mistakes);
  if (!head || mistakes.length) return undefined;
  for (const override of stageOverrides) {
    const [id, ...path] = override.path;
    const entry = entries.find((candidate) => candidate.id === id);
    const ids = entries.map((candidate) => candidate.id);
    if (!entry) throw new InputError(`no stage is called ${id}: ${nearest(id, ids)}`, override.origin.place);
    if (path[0] === 'id')
      throw new InputError('an `id` is set in the file, not by --set', override.origin.place);
    applyOverride(entry.section, path, override);
  }
  const stages: PlannedStage[] = [];
  for (const { id, stage, section, place } of entries) {
    const { id: _, ...given } = (valueAt(source.value, section.at) ?? {}) as Record<string, unknown>;
    const options = await section.parse(given, stage.options, scope, mistakes);
    stages.push({ id, stage, options, place });
  }
  if (!mistakes.length) mistakes.push(...orderMistakes(stages, registry));
  if (mistakes.length) return undefined;
  const { file } = source;
  const checkpoints = head.checkpoints as CheckpointInterval; // its schema lets one key pass
  const { name = basename(file, extname(file)).replace(/[^A-Za-z0-9._-]/g, '-'), seed } = head;
  return { name, seed, stages, file, checkpoints, ...(cell && { cell }) };
}

/** One entry of `stages`, its options not yet checked. */
interface Entry {
  id: string;
  stage: Stage;
  section: Section;
  place: Place;
}

/** The entries of `stages`: each a map of one known stage, with an id of its own in which `${…}` is filled in. */
function readEntries(
  source: PipelineSource,
  registry: readonly Stage[],
  scope: Scope,
  mistakes: Mistake[],
): Entry[] {
  const entries: Entry[] = [];
  const { stages: list } = source.value;
  if (!Array.isArray(list)) return entries; // a mistake of the head
  for (const [index, item] of list.entries()) {
    const fail = (text: string, path: Path) =>
      void mistakes.push({ text, place: source.placeOf(['stages', index, ...path]) });
    const [name, second] = isMap(item) ? Object.keys(item) : [];
    if (!isMap(item) || name === undefined) {
      const example = 'expected a map of one stage, such as `- train: { steps: 500 }`';
      fail(`stage ${index + 1} is ${found(item)}: ${example}`, []);
      continue;
    }
    if (second !== undefined) {
      const keys = Object.keys(item);
      const text = `stage ${index + 1} has ${keys.length} keys (${keys.join(', ')}): expected one`;
      fail(`${text}; the next stage starts with \`- \``, [second]);
      continue;
    }
    const stage = registry.find((candidate) => candidate.name === name);
    const given = item[name] ?? {};
    if (!stage) {
      const names = registry.map((candidate) => candidate.name);
      fail(`unknown stage ${name}: ${nearest(name, names)}`, [name]);
    } else if (!isMap(given)) {
      fail(`the options of ${name} are ${found(given)}: expected a map of options`, [name]);
    } else {
      const failId = (text: string) => fail(text, [name, 'id']);
      const id = readId(given.id ?? name, name, scope, failId);
      if (id === undefined) continue;
      const first = entries.find((entry) => entry.id === id);
      const text = `a second stage called ${id} (the first is on line ${first?.place.line})`;
      if (first) failId(`${text}: give this one an \`id\` of its own`);
      const section = new Section(source, ['stages', index, name], id, stageSchema(stage));
      if (!first) entries.push({ id, stage, section, place: source.placeOf(section.at) });
    }
  }
  return entries;
}

/** Undefined, after `fail`, where the value is no id. */
function readId(
  written: unknown,
  stage: string,
  scope: Scope,
  fail: (text: string) => void,
): string | undefined {
  let filled = true;
  const report = (text: string) => {
    filled = false;
    fail(text);
  };
  const id = substitute(written, scope, { wantsText: () => true, report });
  if (!filled) return undefined;
  if (!isStageId(id))
    fail(`\`id\` of ${stage} is ${found(id)}: expected letters, digits, dots, dashes and underscores`);
  else if (RESERVED_IDS.includes(id))
    fail(`\`id\` of ${stage} is ${id}, which has another meaning at the top of the file: choose another one`);
  else return id;
  return undefined;
}
