import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { Stage } from '../../stages/stage.ts';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { type Axes, type Cell, cellsOf, findCell, mergeCells } from './cells.ts';
import { type Mistake, parseValue, throwMistakes } from './check.ts';
import { isMap, nearest, type Path, valueAt } from './describe.ts';
import {
  addStagesBefore,
  type CheckpointInterval,
  orderMistakes,
  type Plan,
  type PlannedStage,
} from './plan.ts';
import { mapPaths, matrixParser, pipelineParser, RESERVED_IDS, schemaAt } from './schema.ts';
import { checkKey, parseYaml, readSource, type Source } from './source.ts';
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
  const [plan] = await readPlans(opened, [cells && findCell(cells, wanted!)]);
  return plan;
}

/** Checks every cell of a file; undefined without a matrix. A mistake of only some cells names them. */
export async function readMatrix(file: string, options: ReadOptions): Promise<MatrixPlan | undefined> {
  const opened = await openFile(file, options);
  const { axes, source } = opened;
  if (!axes) return undefined;
  const cells = cellsOf(axes);
  const plans = await readPlans(opened, cells);
  const [{ name, file: absolute }] = plans;
  if (plans.some((plan) => plan.name !== name)) {
    const text = '`name` of the file differs between the cells: leave the axis out of it';
    throw new InputError(`${text}; each cell has its own folder below out/<name>`, source.placeOf(['name']));
  }
  return { name, file: absolute, axes, cells: cells.map((cell, i) => ({ ...cell, plan: plans[i] })) };
}

/** The values of a file without a matrix after the overrides, with absolute paths. Checks only that the overrides have a place. */
export async function readValues(file: string, options: ReadOptions): Promise<Record<string, unknown>> {
  const { source, parser, axes } = await openFile(file, options);
  if (axes) throw new InputError('a matrix needs a pipeline file: remove it', source.placeOf(['matrix']));
  return mapPaths(source.value, parser, ({ path, value, mayBeName }) => {
    const absolute = source.resolve(path, value);
    return mayBeName && !existsSync(absolute) ? value : absolute;
  }) as Record<string, unknown>;
}

/** A file with its overrides and the axes of its matrix. */
interface OpenedFile {
  /** Without the matrix. */
  source: Source;
  axes?: Axes;
  parser: ReturnType<typeof pipelineParser>;
  registry: readonly Stage[];
  env: Scope['env'];
}

async function openFile(
  file: string,
  { text, set = [], cwd = process.cwd(), registry, env = process.env }: ReadOptions,
): Promise<OpenedFile> {
  const source = await readSource(file, cwd, text);
  const parser = pipelineParser(registry);
  for (const argument of set) override(source, parser, argument, cwd);
  const opened = { source, parser, registry, env };
  const { matrix, ...others } = isMap(source.value) ? source.value : {};
  if (matrix === undefined) return opened;
  const mistakes: Mistake[] = [];
  const parsed = await parseValue(source, { matrix }, matrixParser, { env, used: new Set() }, mistakes);
  throwMistakes(mistakes);
  source.value = others;
  return { ...opened, axes: parsed!.matrix };
}

/**
 * Sets a value of the file: `train.steps=500`. A text option takes the value as it is; any other one parses it as YAML
 * (`[sh, opacity]`, `500`, `true`). An empty value removes the option. A relative path in it starts at `cwd`.
 */
function override(source: Source, parser: OpenedFile['parser'], argument: string, cwd: string): void {
  const place = { file: `--set ${argument}` };
  const [, keys, text] = /^([^=]+)=(.*)$/s.exec(argument) ?? [];
  const given = keys?.split('.') ?? [''];
  if (given.includes(''))
    throw new InputError('expected STAGE.OPTION=VALUE, for example --set train.steps=500', place);
  for (const key of given) checkKey(key, place);
  const isOfHead = given.length === 1 || RESERVED_IDS.includes(given[0]);
  const path = isOfHead ? given : [...stagePath(source, given[0], place), ...given.slice(1)];
  const wantsText = schemaAt(parser, path)?.type === 'string';
  const value = wantsText ? text || undefined : (parseYaml(text, place.file).value ?? undefined);
  source.override(value, { path, place, base: cwd });
}

/** The path of the options of the stage called `id`. */
function stagePath({ value }: Source, id: string, place: Place): Path {
  const list = valueAt(value, ['stages']);
  const names = Array.isArray(list) ? list.map((entry) => Object.keys(entry ?? {})[0]) : [];
  const ids = names.map((name, index) => String(valueAt(list, [index, name, 'id']) ?? name));
  if (!ids.includes(id)) throw new InputError(`no stage is called ${id}: ${nearest(id, ids)}`, place);
  const index = ids.indexOf(id);
  return ['stages', index, names[index]];
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
      place: opened.source.placeOf(['matrix', axis]),
    })),
  );
  return plans;
}

/** Undefined if there are mistakes. Adds the axes that the values refer to to `used`. */
async function readPlan(
  { source, parser, registry, env }: OpenedFile,
  cell: Cell | undefined,
  used: Set<string>,
  mistakes: Mistake[],
): Promise<Plan | undefined> {
  const scope: Scope = { values: cell?.values ?? {}, env, used };
  const parsed = await parseValue(source, source.value, parser, scope, mistakes);
  if (!parsed || mistakes.length) return undefined;
  const { name = basename(source.file, extname(source.file)), seed, checkpoints } = parsed;
  const stages = parsed.stages.map((entry, index): PlannedStage => {
    const [[name, given]] = Object.entries(entry);
    const { id = name, ...options } = given as { id?: string };
    const stage = registry.find((candidate) => candidate.name === name)!;
    return { id, stage, options, place: source.placeOf(['stages', index, name]) };
  });
  mistakes.push(...addStagesBefore(stages, registry));
  for (const [index, { id, place }] of stages.entries()) {
    const isSecond = stages.slice(0, index).some((stage) => stage.id === id);
    if (isSecond) mistakes.push({ text: `a second stage called ${id}: give this one an \`id\``, place });
  }
  if (!mistakes.length) mistakes.push(...orderMistakes(stages, registry));
  if (mistakes.length) return undefined;
  return {
    name: name.replace(/[^A-Za-z0-9._-]/g, '-'),
    seed,
    stages,
    file: source.file,
    checkpoints: checkpoints as CheckpointInterval, // its schema lets one key pass
    ...(cell && { cell }),
  };
}
