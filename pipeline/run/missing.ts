import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import { type ArtefactName, stageGives } from '../../stages/stage.ts';
import type { KeyedStage } from '../keys/identity.ts';
import type { Store } from '../store/store.ts';
import { codeOfFormats, publicationOf, publishedNames } from './publication.ts';

interface Known {
  stages: readonly KeyedStage[];
  /** Ids of stages that run though their work is saved. */
  forced: ReadonlySet<string>;
  store: Store;
  formats: ArtefactFormats;
}

/** Stages with work to do, in order; among them the sources that are read for it. */
export async function missingStages(known: Known): Promise<KeyedStage[]> {
  const { stages, forced, store } = known;
  const work: KeyedStage[] = [];
  for (const stage of stages.filter((one) => !one.stage.source)) {
    if (forced.has(stage.id) || !(await store.find(stage.key))) work.push(stage);
  }
  const taken = new Set(work.flatMap(({ inputs }) => [...inputs.values()].map(({ key }) => key)));
  const shown = await shownSources(known);
  return stages.filter(
    (stage) =>
      work.includes(stage) || (stage.stage.source && (taken.has(stage.key) || shown.includes(stage))),
  );
}

/** Sources whose splat is what people get, unless it was written before; all of them where nothing else is to do. */
async function shownSources({ stages, store, formats }: Known): Promise<KeyedStage[]> {
  const last = new Map<ArtefactName, KeyedStage>();
  for (const stage of stages) {
    for (const name of stageGives(stage.stage, stage.options)) last.set(name, stage);
  }
  const shown: KeyedStage[] = [];
  const written: KeyedStage[] = [];
  for (const name of publishedNames(formats)) {
    const giver = last.get(name);
    if (!giver?.stage.source) continue;
    const { key } = publicationOf(name, { key: giver.key, name }, codeOfFormats());
    ((await store.find(key)) ? written : shown).push(giver);
  }
  const onlySources = stages.every(({ stage }) => stage.source);
  return onlySources ? stages.filter((stage) => !written.includes(stage)) : shown;
}
