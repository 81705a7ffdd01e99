import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package. */
export const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** The version of a package that is not installed. */
export const ABSENT = 'absent';

/** The fields of a package.json that are read here. */
interface Manifest {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

/** npm packages on the disk. Reads each package.json once. */
export class Packages {
  readonly #manifests = new Map<string, Manifest | undefined>();

  /**
   * Versions of packages and of their dependencies, by name: the results of an image decoder depend on its native library,
   * which is a separate package. Lists all versions if several of one package are installed; omits type packages.
   *
   * @param wanted names, each with the folder of a module that imports it.
   */
  versions(wanted: readonly { name: string; folder: string }[]): Record<string, string> {
    const found = new Map<string, Set<string>>();
    const seen = new Set<string>();
    const add = (name: string, version: string) =>
      found.set(name, (found.get(name) ?? new Set()).add(version));
    const visit = (name: string, from: string, isOptional: boolean): void => {
      if (name.startsWith('@types/') || seen.has(`${from}\n${name}`)) return;
      seen.add(`${from}\n${name}`);
      const folder = this.#find(name, from);
      if (!folder && !isOptional) add(name, ABSENT);
      if (!folder || seen.has(folder)) return;
      seen.add(folder);
      const { version = 'unknown', ...needs } = this.manifest(folder)!;
      add(name, version);
      const { dependencies, optionalDependencies, peerDependencies } = needs;
      for (const need of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
        visit(need, folder, true);
      }
    };
    for (const { name, folder } of wanted) visit(name, folder, false);
    return sorted([...found].map(([name, versions]) => [name, [...versions].sort().join(', ')]));
  }

  /** The nearest folder, from this one upwards, whose package.json has a name; and the name. */
  owner(folder: string): { folder: string; name: string } | undefined {
    const name = this.manifest(folder)?.name;
    if (name) return { folder, name };
    const above = dirname(folder);
    return above === folder ? undefined : this.owner(above);
  }

  /** The package.json in a folder. */
  manifest(folder: string): Manifest | undefined {
    if (!this.#manifests.has(folder)) {
      const path = join(folder, 'package.json');
      const manifest = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined;
      this.#manifests.set(folder, manifest);
    }
    return this.#manifests.get(folder);
  }

  /** A package's real folder, where Node finds it: in `node_modules` here, then in those of the folders above. */
  #find(name: string, from: string): string | undefined {
    const path = join(from, 'node_modules', name);
    if (this.manifest(path)) return realpathSync(path);
    const above = dirname(from);
    return above === from ? undefined : this.#find(name, above);
  }
}

/** The package of a bare specifier: `@scope/name/part` → `@scope/name`. */
export function packageOf(specifier: string): string {
  const parts = specifier.startsWith('@') ? 2 : 1;
  return specifier.split('/').slice(0, parts).join('/');
}

/** `path` relative to `folder`, with slashes on every system; undefined where it is not below. */
export function pathBelow(folder: string, path: string): string | undefined {
  const inside = relative(folder, path);
  const leadsOut = inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside);
  return leadsOut ? undefined : posix(inside);
}

/** A path as keys have it, the same on every system. */
export function posix(path: string): string {
  return path.split(sep).join('/');
}

/** A record whose keys are in order. */
export function sorted(rows: Iterable<readonly [string, string]>): Record<string, string> {
  return Object.fromEntries([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
}
