import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import type { ArtefactName, Stage } from '../../stages/stage.ts';
import { type Code, CodeReader } from '../keys/code.ts';
import type { ArtefactRef } from './outputs.ts';

/**
 * An artefact written for people (`splat.ply`) is kept as an entry of its own: it depends on the artefact and on the code
 * that writes it, and a change of that code does not train anew.
 */
export interface Publication {
  key: string;
  /** A splat that is passed on as `base` is shown as a file of that name. */
  identity: { publishes: ArtefactName; of: ArtefactRef; code: Code };
}

export function publicationOf(name: ArtefactName, ref: ArtefactRef, code: Code): Publication {
  const identity = { publishes: name, of: { key: ref.key, name: ref.name }, code };
  return { key: createHash('sha256').update(JSON.stringify(identity)).digest('hex'), identity };
}

/** Whether what a stage gives is for people at once, so that a later failure does not cost it; a first guess is not. */
export function isForPeople({ gives, needs }: Stage): boolean {
  return !(gives.includes('gaussians') && !needs.includes('gaussians'));
}

export function publishedNames(formats: ArtefactFormats): ArtefactName[] {
  return (Object.keys(formats) as ArtefactName[]).filter((name) => formats[name].publish);
}

const FORMATS = fileURLToPath(new URL('../../stages/artefacts/formats.ts', import.meta.url));
let code: Code | undefined;

/** The code that writes artefacts for people. */
export function codeOfFormats(): Code {
  code ??= new CodeReader().codeOf([FORMATS]);
  return code;
}
