import { basename, extname } from 'node:path';
import type { Stage } from '../../stages/stage.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { type Axes, type Cell, cellsOf, findCell, mergeCells } from './cells.ts';
import { found, isMap, knownKeys, nearest, type Path } from './describe.ts';
import { type CheckpointInterval, orderMistakes, type Plan, type PlannedStage } from './plan.ts';
import { jsonSchema, matrixAxes, pipelineHead, RESERVED_IDS, stageHead, stageSchema } from './schema.ts';
import {
  type Mistake,
  type Override,
  overridesBelow,
  parseOverride,
  Section,
  throwMistakes,
} from './section.ts';
import { readSource, type Source } from './source.ts';
import type { Scalar, Scope } from './substitute.ts';

export interface ReadOptions {
  /** Replaces the file's contents. */
  text?: string;
  /** `STAGE.OPTION=VALUE`, as for `--set`; they take precedence over the file. */
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
 * Reads, overrides and checks a pipeline file: keys, types, ranges, paths, ids and the order of the stages. Throws one
 * InputError with all mistakes that can be found at once, each a sentence with its position.
 *
 * Of a file with a matrix it reads one cell, given by its values, by its name, or in the form of `--cell`.
 */
export async function readPipeline(
  file: string,
  { cell: wanted, ...options }: ReadOptions & { cell?: string | Readonly<Record<string, Scalar>> },
): Promise<Plan> {
  const opened = await openFile(file, options);
  const cells = opened.axes && cellsOf(opened.axes);
  if (cells && wanted === undefined) {
    const example = `run them all, or give one, for example --cell ${cells[0].name}`;
    throw new InputError(`the file has a matrix of ${cells.length} cells: ${example}`, file);
  }
  if (!cells && wanted !== undefined)
    throw new InputError('the file has no `matrix`, so it has no cells: leave --cell out', file);
  const [plan] = await readPlans(opened, [cells && findCell(cells, opened.axes!, wanted!)]);
  return plan;
}

/**
 * Reads a file with a matrix and checks every cell; undefined without a matrix. A mistake of only some cells names
 * them.
 */
export async function readMatrix(file: string, options: ReadOptions): Promise<MatrixPlan | undefined> {
  const opened = await openFile(file, options);
  const { axes, head } = opened;
  if (!axes) return undefined;
  const cells = cellsOf(axes);
  const plans = await readPlans(opened, cells);
  const [{ name, file: absolute }] = plans;
  if (plans.some((plan) => plan.name !== name)) {
    const text = '`name` of the file differs between the cells: leave the axis out of it';
    throw new InputError(`${text}; each cell has its own folder below out/<name>`, head.placeOf(['name']));
  }
  return { name, file: absolute, axes, cells: cells.map((cell, i) => ({ ...cell, plan: plans[i] })) };
}

/** A file with its overrides and the axes of its matrix. */
interface OpenedFile {
  source: Source;
  head: Section;
  matrix: Section;
  axes?: Axes;
  stageOverrides: readonly Override[];
  registry: readonly Stage[];
  env: Scope['env'];
}

async function openFile(
  file: string,
  { text, set = [], cwd = process.cwd(), registry, env = process.env }: ReadOptions,
): Promise<OpenedFile> {
  const source = await readSource(file, cwd, text);
  const overrides = set.map((argument) => parseOverride(argument, cwd));
  const isOfHead = ({ path }: Override) => path.length === 1 || RESERVED_IDS.includes(path[0]);
  const headOverrides = overrides.filter(isOfHead).map(withWholeCheckpoints);
  const known = knownKeys(jsonSchema(pipelineHead)).filter((key) => key !== 'stages');
  for (const { path, place } of headOverrides) {
    if (known.includes(path[0])) continue;
    const hint = 'an option of a stage is STAGE.OPTION=VALUE';
    throw new InputError(`unknown key ${path[0]}: ${nearest(path[0], known)} (${hint})`, place);
  }
  const schema = jsonSchema(pipelineHead);
  const head = new Section({ source, at: [], subject: 'the file', schema }, headOverrides);
  const matrix = new Section(
    { source, at: ['matrix'], subject: 'the matrix', schema: jsonSchema(matrixAxes) },
    overridesBelow(headOverrides, 'matrix'),
  );
  const mistakes: Mistake[] = [];
  const scope = { env, used: new Set<string>() };
  const axes = matrix.value === undefined ? undefined : await matrix.parse(matrixAxes, scope, mistakes);
  throwMistakes(mistakes);
  const stageOverrides = overrides.filter((override) => !isOfHead(override));
  return { source, head, matrix, axes, stageOverrides, registry, env };
}

/** `checkpoints` is a word or has one of two keys, so that an override of a key replaces the whole. */
function withWholeCheckpoints(override: Override): Override {
  const { path, text } = override;
  const [key, part] = path;
  if (key !== 'checkpoints' || part === undefined) return override;
  return { ...override, path: [key], text: text && `{ ${part}: ${text} }` };
}

/** The plan of each cell; of a file without a matrix, the only one. */
async function readPlans(opened: OpenedFile, cells: readonly (Cell | undefined)[]): Promise<Plan[]> {
  const used = new Set<string>();
  const mistakes: Mistake[][] = [];
  const plans: Plan[] = [];
  for (const cell of cells) {
    const own: Mistake[] = [];
    plans.push((await readPlan(opened, cell, used, own))!);
    mistakes.push(own);
  }
  throwMistakes(mergeCells(cells, mistakes));
  const unused = Object.keys(opened.axes ?? {}).filter((axis) => !used.has(axis));
  throwMistakes(
    unused.map((axis) => ({
      text: `the axis ${axis} of the matrix is used nowhere: write \`\${matrix.${axis}}\` where its value belongs, or remove the axis`,
      place: opened.matrix.placeOf([axis]),
    })),
  );
  return plans;
}

/** Undefined if there are mistakes. Adds the axes that the values refer to to `used`. */
async function readPlan(
  { source, head, stageOverrides, registry, env }: OpenedFile,
  cell: Cell | undefined,
  used: Set<string>,
  mistakes: Mistake[],
): Promise<Plan | undefined> {
  const scope: Scope = { values: cell?.values ?? {}, env, used };
  const { matrix: _, stages: list, ...top } = head.value as Record<string, unknown>;
  // The entries are checked one by one: here only that there are some.
  const entries = Array.isArray(list) ? list.map(() => null) : list;
  const checked = await head.parse(pipelineHead, scope, mistakes, { ...top, stages: entries });
  const named = Array.isArray(list) ? await readEntries(source, list, registry, scope, mistakes) : [];
  if (!checked || mistakes.length) return undefined;
  const ids = named.map(({ id }) => id);
  for (const { path, place } of stageOverrides) {
    const [id, option] = path;
    if (!ids.includes(id)) throw new InputError(`no stage is called ${id}: ${nearest(id, ids)}`, place);
    if (option === 'id') throw new InputError('an `id` is set in the file, not by --set', place);
  }
  const stages: PlannedStage[] = [];
  for (const { id, stage, at, place } of named) {
    const part = { source, at, subject: id, schema: stageSchema(stage) };
    const section = new Section(part, overridesBelow(stageOverrides, id));
    const { id: _, ...given } = (section.value ?? {}) as Record<string, unknown>;
    const options = await section.parse(stage.options, scope, mistakes, given);
    stages.push({ id, stage, options, place });
  }
  if (!mistakes.length) mistakes.push(...orderMistakes(stages, registry));
  if (mistakes.length) return undefined;
  const { file } = source;
  const checkpoints = checked.checkpoints as CheckpointInterval; // its schema lets one key pass
  const { name = basename(file, extname(file)).replace(/[^A-Za-z0-9._-]/g, '-'), seed } = checked;
  return { name, seed, stages, file, checkpoints, ...(cell && { cell }) };
}

/** One entry of `stages`, its options not yet checked. */
interface Entry {
  id: string;
  stage: Stage;
  /** The path of its options. */
  at: Path;
  place: Place;
}

/** The entries of `stages`: each a map of one known stage, with a unique id in which `${…}` is substituted. */
async function readEntries(
  source: Source,
  list: readonly unknown[],
  registry: readonly Stage[],
  scope: Scope,
  mistakes: Mistake[],
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const [index, item] of list.entries()) {
    const fail = (text: string, ...path: string[]) =>
      void mistakes.push({ text, place: source.placeOf(['stages', index, ...path]) });
    const names = isMap(item) ? Object.keys(item) : [];
    const [name, second] = names;
    if (!isMap(item) || name === undefined) {
      fail(
        `stage ${index + 1} is ${found(item)}: expected a map of one stage, such as \`- train: { steps: 500 }\``,
      );
      continue;
    }
    if (second !== undefined) {
      const text = `stage ${index + 1} has ${names.length} keys (${names.join(', ')}): expected one`;
      fail(`${text}; the next stage starts with \`- \``, second);
      continue;
    }
    const stage = registry.find((candidate) => candidate.name === name);
    const given = item[name] ?? {};
    if (!stage) {
      const known = registry.map((candidate) => candidate.name);
      fail(`unknown stage ${name}: ${nearest(name, known)}`, name);
    } else if (!isMap(given)) {
      fail(`the options of ${name} are ${found(given)}: expected a map of options`, name);
    } else {
      const at = ['stages', index, name];
      const section = new Section({ source, at, subject: name, schema: jsonSchema(stageHead) });
      const before = mistakes.length;
      const head = await section.parse(stageHead, scope, mistakes, { id: given.id ?? name });
      if (!head || mistakes.length > before) continue;
      const id = head.id!;
      const first = entries.find((entry) => entry.id === id);
      const again = `a second stage called ${id} (the first is on line ${first?.place.line})`;
      if (first) fail(`${again}: give this one an \`id\``, name, 'id');
      else entries.push({ id, stage, at, place: source.placeOf(at) });
    }
  }
  return entries;
}
