import type { OutputAbout, PartHashes } from './outputs.ts';

/** What one stage left, as a store entry or a run.json lists it. */
export interface StageOutput {
  parts: OutputAbout['parts'];
  outputs: readonly { path: string; bytes: number; sha256: string }[];
}

/** Of videos the bytes depend on the machine's cores, and at a given bitrate on its threads; their pictures are compared as frames. */
const VIDEO = /\.mp4$/;

/** Tensors, pictures and files in which two results of the same stage differ, in their own order. */
export function differences(before: StageOutput, now: StageOutput): string[] {
  const found: string[] = [];
  const artefacts = Object.keys({ ...before.parts, ...now.parts }) as (keyof OutputAbout['parts'])[];
  for (const name of artefacts) {
    for (const part of differing(before.parts[name] ?? {}, now.parts[name] ?? {}))
      found.push(`${name} ${part}`);
  }
  const whole = ({ outputs, parts }: StageOutput): PartHashes =>
    Object.fromEntries(
      outputs
        .filter(({ path }) => !VIDEO.test(path) && !hasParts(path, parts))
        .map(({ path, sha256 }) => [path, sha256]),
    );
  return [...found, ...differing(whole(before), whole(now))];
}

/** A saved artefact that was compared part by part is not compared again as a file. */
function hasParts(path: string, parts: OutputAbout['parts']): boolean {
  const [top, name] = path.split('/');
  return top === 'artefacts' && Object.keys(parts[name as keyof typeof parts] ?? {}).length > 0;
}

function differing(a: PartHashes, b: PartHashes): string[] {
  return Object.keys({ ...a, ...b }).filter((name) => a[name] !== b[name]);
}
