import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a package.json says that counts here. */
interface Manifest {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

interface Installed {
  version: string;
  /** Its real folder. */
  folder: string;
  needs: string[];
}

/** Stands for the version of a package that is not installed. */
export const ABSENT = 'absent';

/** npm packages as they lie on the disk; each package.json is read once, and without waiting: they are few and small. */
export class Packages {
  readonly #manifests = new Map<string, Manifest | undefined>();
  readonly #folders = new Map<string, boolean>();
  readonly #installed = new Map<string, Installed | undefined>();

  /**
   * Versions of packages and of all that these need in turn, by name: a decoder's results are its native library's, which is
   * a package of its own. Where several versions of one lie in the tree, all are named. Types compute nothing.
   *
   * @param wanted names with the folder of a module that imports them.
   */
  versions(wanted: readonly { name: string; folder: string }[]): Record<string, string> {
    const found = new Map<string, Set<string>>();
    const seen = new Set<string>();
    const visit = (name: string, from: string, mayLack: boolean): void => {
      if (name.startsWith('@types/')) return;
      const installed = this.#find(name, from);
      if (!installed && mayLack) return;
      const { folder, version, needs } = installed ?? { folder: name, version: ABSENT, needs: [] };
      if (seen.has(folder)) return;
      seen.add(folder);
      found.set(name, (found.get(name) ?? new Set()).add(version));
      for (const need of needs) visit(need, folder, true);
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

  #find(name: string, from: string): Installed | undefined {
    const key = `${from}\n${name}`;
    if (!this.#installed.has(key)) this.#installed.set(key, this.#look(name, from));
    return this.#installed.get(key);
  }

  /** As Node looks for it: in `node_modules` here, then in those of the folders above. */
  #look(name: string, from: string): Installed | undefined {
    const path = join(from, 'node_modules', name);
    const manifest = this.#hasModules(from) ? this.#manifest(path) : undefined;
    if (manifest) {
      const { dependencies, optionalDependencies, peerDependencies, version = 'unknown' } = manifest;
      const needs = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
      return { version, folder: realpathSync(path), needs };
    }
    const above = dirname(from);
    return above === from ? undefined : this.#find(name, above);
  }

  /** Most folders have none, and asking once is cheaper than looking for each package. */
  #hasModules(folder: string): boolean {
    let has = this.#folders.get(folder);
    if (has === undefined) this.#folders.set(folder, (has = existsSync(join(folder, 'node_modules'))));
    return has;
  }

  #manifest(folder: string): Manifest | undefined {
    if (!this.#manifests.has(folder)) this.#manifests.set(folder, read(join(folder, 'package.json')));
    return this.#manifests.get(folder);
  }
}

function read(path: string): Manifest | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  return JSON.parse(text) as Manifest;
}

/** The package that a bare specifier lies in: `@scope/name/part` → `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
