import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parse } from 'es-module-lexer/js';
import { INCLUDE } from '../../wgsl/core/source.ts';
import { sha256Of } from '../hash.ts';

/** The folder of this package. */
export const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** The code behind a result. */
export interface Code {
  /** sha256 by path: relative to this package, or, for a file elsewhere, to the first module (`./part.ts`). */
  files: Record<string, string>;
  /** Versions of this package, and of the npm packages that the files import with their dependencies. */
  packages: Record<string, string>;
}

/** A file of code: a script or a kernel. */
interface Module {
  /** Its path relative to this package; undefined outside. */
  own?: string;
  sha256: string;
  /** Paths of the files that it imports, names by URL or includes. */
  files: string[];
  /** npm packages that it imports. */
  packages: string[];
}

/** The fields of a package.json that are read here. */
interface Manifest
  extends Partial<Record<'dependencies' | 'optionalDependencies' | 'peerDependencies', object>> {
  version?: string;
}

/** JSON, defined by `pipeline/build.mjs`; missing where the sources run. */
declare const BUILT_CODE: string | undefined;
const BUILT: BuiltCode | undefined = typeof BUILT_CODE === 'undefined' ? undefined : JSON.parse(BUILT_CODE);

/** The package's code as recorded by the build, so that a process does not read and parse it. */
interface BuiltCode {
  /** By path; all paths are relative to this package. */
  modules: Record<string, Module>;
  /** Versions of the npm packages that are part of the build. */
  packages: Record<string, string>;
}

/** Saves and publishes artefacts, and runs every kernel: part of every result. */
export const COMMON_CODE = ['stages/artefacts/formats.ts', 'wgsl/core/index.ts'].map((path) =>
  join(PACKAGE, path),
);

/** Finds the code of modules. Reads each file once, because the code of a running process does not change. */
export class CodeReader {
  readonly #modules = new Map<string, Module>();
  readonly #manifests = new Map<string, Manifest | undefined>();
  /** By name and the folder that imports it. */
  readonly #folders = new Map<string, string | undefined>();

  /**
   * The modules, all that they import, and the kernels and scripts that they name (`new URL('./x.wgsl', import.meta.url)`)
   * with their includes. The build records the package's own code.
   *
   * @param paths absolute paths.
   * @throws Error naming the importer, when an imported file is missing or an import cannot be followed.
   */
  codeOf(paths: readonly string[]): Code {
    const files: Record<string, string> = {};
    const packages: Record<string, string> = {};
    const seen = new Set<string>();
    for (const [path, module] of this.reach(paths)) {
      const { own } = module;
      files[own ?? `./${posix(relative(dirname(paths[0]), path))}`] = module.sha256;
      for (const name of module.packages) {
        const inlined = own && BUILT?.packages[name];
        if (inlined) packages[name] = inlined;
        else this.#addPackage(name, own ? PACKAGE : dirname(path), packages, seen);
      }
    }
    return { files, packages: { ...packages, splatline: this.#manifest(PACKAGE)?.version ?? 'unknown' } };
  }

  /** The modules and all files that they refer to, by path. */
  reach(paths: readonly string[]): Map<string, Module> {
    const found = new Map<string, Module>();
    const visit = (path: string): void => {
      if (found.has(path)) return;
      const module = this.#modules.get(path) ?? builtModule(path) ?? readModule(path);
      this.#modules.set(path, module);
      found.set(path, module);
      module.files.forEach(visit);
    };
    paths.forEach(visit);
    return found;
  }

  /**
   * Adds the version of a package, where Node finds it from a folder, and those of its dependencies: the results of an
   * image decoder depend on its native library, which is a separate package. Omits what is not installed.
   */
  #addPackage(name: string, from: string, versions: Record<string, string>, seen: Set<string>): void {
    const folder = this.#folderOf(name, from);
    if (!folder || seen.has(folder) || name.startsWith('@types/')) return;
    seen.add(folder);
    const { version = 'unknown', ...needs } = this.#manifest(folder)!;
    versions[name] = name in versions ? `${versions[name]}, ${version}` : version;
    const { dependencies, optionalDependencies, peerDependencies } = needs;
    for (const need of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))
      this.#addPackage(need, folder, versions, seen);
  }

  /** The folder in which Node finds a package from another folder. */
  #folderOf(name: string, from: string): string | undefined {
    const request = `${name} from ${from}`;
    if (this.#folders.has(request)) return this.#folders.get(request);
    const path = join(from, 'node_modules', name);
    const above = dirname(from);
    let folder: string | undefined;
    if (this.#manifest(path)) folder = realpathSync.native(path);
    else if (above !== from) folder = this.#folderOf(name, above);
    this.#folders.set(request, folder);
    return folder;
  }

  /** The package.json in a folder. */
  #manifest(folder: string): Manifest | undefined {
    if (!this.#manifests.has(folder)) {
      const path = join(folder, 'package.json');
      this.#manifests.set(folder, existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined);
    }
    return this.#manifests.get(folder);
  }
}

/** `path` relative to `folder`, with slashes on every system; undefined where it is not below. */
export function pathBelow(folder: string, path: string): string | undefined {
  const inside = posix(relative(folder, path));
  return inside === '' || /^\.\.(\/|$)/.test(inside) || isAbsolute(inside) ? undefined : inside;
}

/** A path as keys have it, the same on every system. */
export function posix(path: string): string {
  return path.split(sep).join('/');
}

/** The path of a file of this package, relative to it; undefined for all others. */
function ownPath(path: string): string | undefined {
  const inside = pathBelow(PACKAGE, path);
  return inside?.split('/').includes('node_modules') ? undefined : inside;
}

function builtModule(path: string): Module | undefined {
  const own = ownPath(path);
  const module = BUILT?.modules[own ?? ''];
  // Kernels and scripts of threads are read when they start, perhaps in another version than the build's.
  const isEdited = module && !path.endsWith('.ts') && sha256Of(readFileSync(path)) !== module.sha256;
  if (!module || isEdited) return undefined;
  return { ...module, own, files: module.files.map((file) => join(PACKAGE, file)) };
}

/** The build's record of these modules; paths are relative to the package. */
export function modulesForBuild(paths: readonly string[]): BuiltCode['modules'] {
  const found = new CodeReader().reach([...paths.map((path) => join(PACKAGE, path)), ...COMMON_CODE]);
  const rows = [...found.values()].map(({ own, ...module }) => {
    return [own, { ...module, files: module.files.map(ownPath) }];
  });
  return Object.fromEntries(rows);
}

const SCRIPT = /\.[cm]?[jt]s$/;
const KERNEL_OR_SCRIPT = /\.(wgsl|[cm]?[jt]s)$/;
/** A specifier of a file rather than a package. */
const NEAR = /^(\.{0,2}\/|file:)/;

/** The package of a bare specifier: `@scope/name/part` → `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function readModule(path: string): Module {
  const bytes = readFileSync(path);
  const references = SCRIPT.test(path) ? referencesOf(bytes.toString(), path) : [];
  if (path.endsWith('.wgsl')) {
    for (const [, name] of bytes.toString().matchAll(INCLUDE))
      references.push(pathToFileURL(join(PACKAGE, `wgsl/shared/${name}.wgsl`)).href);
  }
  const near = references.filter((name) => NEAR.test(name));
  const bare = references.filter((name) => !near.includes(name) && !isBuiltin(name));
  const unknown = bare.find((name) => /^(#|[a-z]+:)/.test(name));
  if (unknown) throw new Error(`${path} imports ${unknown}, which cannot be followed`);
  return {
    own: ownPath(path),
    sha256: sha256Of(bytes),
    files: near.map((name) => findModule(name, path)),
    packages: [...new Set(bare.map(packageOf))],
  };
}

/** The file of an import, also if the extension is omitted or is that of the compiled file. */
function findModule(specifier: string, importer: string): string {
  const plain = specifier.replace(/[?#].*$/, '');
  const path = plain.startsWith('file:') ? fileURLToPath(plain) : resolve(dirname(importer), plain);
  const candidates = [
    path,
    path.replace(/\.([cm]?)js$/, '.$1ts'),
    ...['.ts', '.js', '/index.ts', '/index.js'].map((ending) => path + ending),
  ];
  const found = candidates.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile());
  if (!found) throw new Error(`${importer} refers to ${specifier}, which does not exist`);
  return found;
}

/**
 * The references of a JavaScript or TypeScript module, in the order of its text: specifiers of imports that remain when
 * types are stripped, and the kernels and scripts in `new URL(…, import.meta.url)`. Other URLs are data: a stage names
 * those in its `reads`.
 *
 * @throws Error for a reference that is known only when the module runs.
 */
export function referencesOf(text: string, path = 'the module'): string[] {
  const unclear = (start: number) => {
    const line = text.slice(0, start).split('\n').length;
    return new Error(`${path}, line ${line}: cannot be followed: ${text.split('\n')[line - 1].trim()}`);
  };
  const references: string[] = [];
  for (const found of parse(text, path)[0]) {
    if (found.type === 'import-meta') {
      if (!text.startsWith('.url', found.end)) continue;
      const call = /new\s+URL\(\s*([^()]*?)\s*,\s*$/.exec(text.slice(0, found.start));
      if (!call) continue;
      const url = /^(['"`])([^'"`\n]*)\1$/.exec(call[1])?.[2];
      if (url !== undefined && !KERNEL_OR_SCRIPT.test(url)) continue;
      if (url === undefined || url.includes('${')) throw unclear(call.index);
      references.push(NEAR.test(url) ? url : `./${url}`);
    } else if (found.type === 'dynamic') {
      if (found.probablyTypeOnly) continue;
      if (found.specifier === undefined || found.glob) throw unclear(found.importStart);
      references.push(found.specifier);
    } else if (!found.typeOnly) references.push(found.specifier);
  }
  return references;
}
