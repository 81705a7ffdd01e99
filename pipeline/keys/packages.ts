import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PACKAGE } from './places.ts';

/** What a package.json says that counts here. */
interface Manifest {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

/** Stands for the version of a package that is not installed. */
export const ABSENT = 'absent';

/** npm packages on the disk. Each package.json is read once, synchronously: they are few and small. */
export class Packages {
  readonly #manifests = new Map<string, Manifest | undefined>();
  readonly #inlined: Readonly<Record<string, string>>;

  /** @param inlined versions of the packages that are part of this package's build */
  constructor(inlined: Readonly<Record<string, string>> = {}) {
    this.#inlined = inlined;
  }

  /**
   * Versions of packages and of all that these need in turn, by name: a decoder's results are those of its native library,
   * which is a package of its own. Where several versions of one are installed, all are named. Types compute nothing.
   *
   * @param wanted names with the folder of a module that imports them.
   */
  versions(wanted: readonly { name: string; folder: string }[]): Record<string, string> {
    const found = new Map<string, Set<string>>();
    const seen = new Set<string>();
    const add = (name: string, version: string) =>
      found.set(name, (found.get(name) ?? new Set()).add(version));
    const visit = (name: string, from: string, mayLack: boolean): void => {
      if (name.startsWith('@types/') || seen.has(`${from}\n${name}`)) return;
      seen.add(`${from}\n${name}`);
      const inlined = from === PACKAGE ? this.#inlined[name] : undefined;
      if (inlined) return void add(name, inlined);
      const folder = this.#find(name, from);
      if (!folder) return void (mayLack || add(name, ABSENT));
      if (seen.has(folder)) return;
      seen.add(folder);
      const { version = 'unknown', ...needs } = this.#manifest(folder)!;
      add(name, version);
      const { dependencies, optionalDependencies, peerDependencies } = needs;
      for (const need of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
        visit(need, folder, true);
      }
    };
    for (const { name, folder } of wanted) visit(name, folder, false);
    const rows = [...found].map(([name, versions]) => [name, [...versions].sort().join(', ')] as const);
    return Object.fromEntries(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** The version that a package's own package.json gives. */
  version(folder: string): string {
    return this.#manifest(folder)?.version ?? ABSENT;
  }

  /** The nearest folder, from this one upwards, whose package.json has a name; and the name. */
  owner(folder: string): { folder: string; name: string } | undefined {
    const name = this.#manifest(folder)?.name;
    if (name) return { folder, name };
    const above = dirname(folder);
    return above === folder ? undefined : this.owner(above);
  }

  /** A package's real folder, where Node finds it: in `node_modules` here, then in those of the folders above. */
  #find(name: string, from: string): string | undefined {
    const path = join(from, 'node_modules', name);
    if (this.#manifest(path)) return realpathSync(path);
    const above = dirname(from);
    return above === from ? undefined : this.#find(name, above);
  }

  #manifest(folder: string): Manifest | undefined {
    if (!this.#manifests.has(folder)) this.#manifests.set(folder, readManifest(join(folder, 'package.json')));
    return this.#manifests.get(folder);
  }
}

function readManifest(path: string): Manifest | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined;
}

/** The package that a bare specifier is of: `@scope/name/part` → `@scope/name`. */
export function packageOf(specifier: string): string {
  const parts = specifier.startsWith('@') ? 2 : 1;
  return specifier.split('/').slice(0, parts).join('/');
}
