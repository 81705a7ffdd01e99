import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type Stage, stageReads } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import type { PlannedStage } from '../file/plan.ts';

/** One stage as it ran: what a later run compares before it builds on the stage's output. */
export interface StageIdentity {
  id: string;
  stage: string;
  options: unknown;
  /** sha256 of every file that the stage reads, by absolute path. */
  files?: Record<string, string>;
  /** What it reads elsewhere, such as the prompt that a name in the library stands for. */
  texts?: Record<string, string>;
}

/** Files that are hashed at once. */
const AT_ONCE = 8;

/** What the outputs of these stages depend on, beside the seed: options and the contents of what is read. */
export async function lineageOf(stages: readonly PlannedStage[]): Promise<StageIdentity[]> {
  const known = new Map<string, string>();
  const lineage: StageIdentity[] = [];
  for (const { id, stage, options } of stages) {
    const identity = { id, stage: stage.name, options, ...(await contentsOf(stage, options, known)) };
    // Through JSON, so that it compares with what was saved: undefined is absent, typed arrays are plain.
    lineage.push(JSON.parse(JSON.stringify(identity)) as StageIdentity);
  }
  return lineage;
}

async function contentsOf(stage: Stage, options: unknown, known: Map<string, string>) {
  const { files = [], texts } = await stageReads(stage, options);
  const unknown = files.filter((file) => !known.has(file));
  for (let at = 0; at < unknown.length; at += AT_ONCE) {
    await Promise.all(
      unknown.slice(at, at + AT_ONCE).map(async (file) => known.set(file, await sha256(file))),
    );
  }
  const hashes = Object.fromEntries(files.map((file) => [file, known.get(file)]));
  return { ...(files.length ? { files: hashes } : {}), ...(texts ? { texts } : {}) };
}

/** @throws InputError when the file cannot be read. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  } catch (error) {
    throw new InputError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, file);
  }
  return hash.digest('hex');
}
