import type { SubgroupNumbering } from './target.ts';

/**
 * Reads a text file beside a module, or a `data:` URL: `file:` by `node:fs` (Node, Deno), imported at the call so that no import
 * needs Node; everything else by `fetch`.
 */
export async function readText(url: URL): Promise<string> {
  if (url.protocol === 'file:' && typeof process !== 'undefined' && process.versions?.node) {
    const { readFile } = await import('node:fs/promises');
    return readFile(url, 'utf8');
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response.text();
}

const SHARED = new URL('../shared/', import.meta.url);
/** An include, on a line of its own. */
export const INCLUDE = /^#include <([a-z0-9-]+)>[ \t]*$/gm;

/** The shared file that differs on devices without `subgroup_id`. */
const SUBGROUP_THREAD = 'subgroup-thread';

/** Constants by name, printed before the source as `const NAME = value;`, or as `alias NAME = text;` for a string (a type's name). */
export type Constants = Record<string, number | boolean | string>;

export interface SourceOptions {
  /** WGSL extensions to enable, e.g. `f16`, `subgroups`. */
  enables?: readonly string[];
  /** How subgroups are numbered: decides the form of `#include <subgroup-thread>`. `linear` unless given. */
  numbering?: SubgroupNumbering;
  /** Printed as `const NAME = value;` (numbers, booleans) or `alias NAME = text;` (strings: type names). */
  constants?: Constants;
}

/**
 * The complete WGSL of a kernel: enables, constants, then the file with each `#include <name>` line replaced by
 * `wgsl/shared/name.wgsl`. Included files include nothing themselves: the kernel lists every file that it uses.
 */
export async function assemble(url: URL, options: SourceOptions = {}): Promise<string> {
  const body = await readText(url);
  const names = [...body.matchAll(INCLUDE)].map((match) => match[1]);
  const hasSubgroupId = options.numbering === 'builtin';
  const texts = new Map<string, string>();
  for (const name of names) {
    const text = await readText(new URL(`${name}.wgsl`, SHARED));
    if (text.search(INCLUDE) >= 0) throw new Error(`wgsl/shared/${name}.wgsl must not include other files`);
    const replaces = name === SUBGROUP_THREAD && !hasSubgroupId;
    texts.set(name, replaces ? text.replace('subgroup_id)', 'local_invocation_index)') : text);
  }
  const head = [
    ...(options.enables ?? []).map((name) => `enable ${name};`),
    ...(texts.has(SUBGROUP_THREAD) && hasSubgroupId ? ['requires subgroup_id;'] : []),
    ...(texts.has(SUBGROUP_THREAD) ? [`const HAS_SUBGROUP_ID = ${hasSubgroupId};`] : []),
    ...Object.entries(options.constants ?? {}).map(([name, value]) =>
      typeof value === 'string' ? `alias ${name} = ${value};` : `const ${name} = ${printConstant(value)};`,
    ),
  ];
  return `${head.join('\n')}\n${body.replace(INCLUDE, (_, name: string) => texts.get(name)!)}`;
}

function printConstant(value: number | boolean): string {
  if (typeof value === 'boolean' || Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) throw new Error(`WGSL has no literal for ${value}`);
  return value.toExponential(); // an abstract float: no suffix, converts to f32 or f16
}
