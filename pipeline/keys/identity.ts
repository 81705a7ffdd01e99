import { fileURLToPath } from 'node:url';
import { type ArtefactName, type Stage, stageGives, stageReads } from '../../stages/stage.ts';
import type { AdapterReport } from '../../wgsl/core/index.ts';
import type { PathOption } from '../file/paths.ts';
import type { Plan, PlannedStage } from '../file/plan.ts';
import { stageSchema } from '../file/schema.ts';
import { canonical, type Json } from './canonical.ts';
import { COMMON_CODE, type Code, CodeReader } from './code.ts';
import { sha256All, sha256Text } from './hash.ts';
import { fileName, filesBelow, PACKAGE, type Places, withoutPaths } from './places.ts';
import { stageSeeds } from './seeds.ts';

/** Changes whenever the meaning of the fields below does. */
const FORMAT = 2;

/** All that a stage's result depends on, as plain JSON: its hash is the stage's key. */
export interface StageIdentity {
  format: number;
  /** The stage's name, not its id: what a file calls it changes nothing. */
  stage: string;
  /** Resolved; each path is `<folder>` or `<file>`, as the files count by content. */
  options: Json;
  /** sha256 of every file that it reads, by a name that does not tell where the file lies. */
  files: Record<string, string>;
  /** What it reads elsewhere, such as the text that a prompt's name stands for. */
  texts: Record<string, string>;
  /** For each artefact that it takes: the stage that gave it, and that stage's key. */
  inputs: Partial<Record<ArtefactName, { stage: string; key: string }>>;
  /** u32; see `stageSeeds`. */
  seed: number;
  /** sha256 of the modules and kernels that it runs, by path. */
  code: Record<string, string>;
  /** Versions by npm package: this one, those that the code imports (`webgpu` is Dawn), and those that they need. */
  packages: Record<string, string>;
  runtime: Runtime;
  adapter: AdapterReport;
}

/**
 * What evaluates the TypeScript. Cameras, first Gaussians and rates come from Math.sin, exp and pow, whose last bit
 * ECMAScript leaves to the engine: it may differ between major versions of Node and between instruction sets.
 */
export interface Runtime {
  /** Major version. */
  node: string;
  platform: string;
  arch: string;
}

/** A stage of a plan with its key. */
export interface KeyedStage {
  id: string;
  stage: Stage;
  /** As planned: paths are absolute. */
  options: unknown;
  /** What the stage is to be run with. */
  seed: number;
  identity: StageIdentity;
  places: Places;
  /** sha256 (hex) of the identity. */
  key: string;
  /** The artefacts that the stage takes and an earlier one gave. */
  inputs: Map<ArtefactName, { key: string; id: string }>;
}

const reader = new CodeReader();

/** sha256 (hex) of an identity. */
export function keyOf(identity: StageIdentity): string {
  return sha256Text(JSON.stringify(canonical(identity, 'the identity')));
}

/**
 * The stages of a plan with their identities and keys, on this adapter. Reads every file that they name.
 *
 * @throws InputError when a file cannot be read, or what `reads` of a stage finds wrong with its inputs.
 */
export async function identities(
  plan: Pick<Plan, 'seed' | 'stages'>,
  adapter: AdapterReport,
): Promise<KeyedStage[]> {
  const sources = await Promise.all(plan.stages.map(sourcesOf));
  const hashes = await sha256All(sources.flatMap(({ files }) => [...files.values()]));
  const seeds = stageSeeds(plan.seed, plan.stages);
  const givers = new Map<ArtefactName, KeyedStage>();
  return plan.stages.map((planned, index) => {
    const { id, stage, options } = planned;
    const { marked, paths, files, texts, code } = sources[index];
    const taken = [...stage.needs, ...(stage.uses ?? [])].flatMap((name) => {
      const giver = givers.get(name);
      return giver ? [[name, giver] as const] : [];
    });
    const inputs = taken.map(([name, giver]) => [name, { stage: giver.stage.name, key: giver.key }]);
    const identity = canonical(
      {
        format: FORMAT,
        stage: stage.name,
        options: marked,
        files: Object.fromEntries([...files].map(([name, path]) => [name, hashes.get(path)])),
        texts,
        inputs: Object.fromEntries(inputs),
        seed: seeds[index],
        code: code.files,
        packages: code.packages,
        runtime: runtimeOf(),
        adapter,
      } satisfies Record<keyof StageIdentity, unknown>,
      id,
    ) as unknown as StageIdentity;
    const keyed: KeyedStage = {
      id,
      stage,
      options,
      seed: seeds[index],
      identity,
      places: {
        options: Object.fromEntries(paths.map(({ path, absolute }) => [path.join('.'), absolute])),
        files: Object.fromEntries(files),
      },
      key: keyOf(identity),
      inputs: new Map(taken.map(([name, giver]) => [name, { key: giver.key, id: giver.id }])),
    };
    for (const name of stageGives(stage, options)) givers.set(name, keyed);
    return keyed;
  });
}

interface Sources {
  /** Options without paths. */
  marked: unknown;
  paths: PathOption[];
  /** Absolute paths by name. */
  files: Map<string, string>;
  texts: Record<string, string>;
  code: Code;
}

async function sourcesOf({ stage, options }: PlannedStage): Promise<Sources> {
  const { options: marked, paths } = withoutPaths(stage, options);
  const { files = [], texts = {} } = stage.reads
    ? await stageReads(stage, options)
    : { files: await allOf(paths) };
  return {
    marked,
    paths,
    files: new Map(files.map((file) => [fileName(file, paths), file])),
    texts,
    code: codeOf(stage),
  };
}

/** A stage that does not say what it reads may read all that its paths lead to. */
async function allOf(paths: readonly PathOption[]): Promise<string[]> {
  const files = paths.map(({ kind, absolute }) => (kind === 'folder' ? filesBelow(absolute) : [absolute]));
  return (await Promise.all(files)).flat();
}

/** The module that defines the stage, where it names it; else what can be seen of it from here. */
function codeOf(stage: Stage): Code {
  const { files, packages } = reader.codeOf([
    ...(stage.module ? [fileURLToPath(stage.module)] : []),
    ...COMMON_CODE,
  ]);
  const own = JSON.stringify(stageSchema(stage)) + String(stage.run);
  return {
    files: stage.module ? files : { ...files, [`the stage ${stage.name}`]: sha256Text(own) },
    packages: { ...packages, splatline: reader.packages.version(PACKAGE) },
  };
}

function runtimeOf(): Runtime {
  const { platform, arch, versions } = process;
  return { node: versions.node.split('.')[0], platform, arch };
}
