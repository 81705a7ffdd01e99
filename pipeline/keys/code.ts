import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'es-module-lexer/js';
import { INCLUDE } from '../../wgsl/core/source.ts';
import { PACKAGE, Packages, packageOf, pathBelow, posix, sorted } from './packages.ts';

/** The code behind a result. */
export interface Code {
  /** sha256 by path, sorted: relative to this package, or, for a file of another package, to that (`other:src/x.ts`). */
  files: Record<string, string>;
  /** Versions of the npm packages that the files import, and of their dependencies. */
  packages: Record<string, string>;
}

/** A file of code: a script or a kernel. */
interface Module {
  sha256: string;
  /** Paths of the files that it imports, names by URL or includes. */
  files: string[];
  /** npm packages that it imports. */
  packages: string[];
}

/** Defined by `pipeline/build.mjs`; missing where the sources run. */
declare const BUILT_CODE: BuiltCode | undefined;
const BUILT = typeof BUILT_CODE === 'undefined' ? undefined : BUILT_CODE;

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
  readonly packages = new Packages();
  readonly #modules = new Map<string, Module>();

  /**
   * The modules, all that they import, and the kernels and scripts that they name (`new URL('./x.wgsl', import.meta.url)`)
   * with their includes. The build records the package's own code.
   *
   * @param paths absolute paths.
   * @throws Error naming the importer, when a file is missing or an import cannot be followed.
   */
  codeOf(paths: readonly string[]): Code {
    const files: [string, string][] = [];
    const wanted: { name: string; folder: string }[] = [];
    const inlined: [string, string][] = [];
    for (const [path, { sha256, packages }] of this.reach(paths)) {
      const own = ownPath(path);
      files.push([own ?? this.#foreignName(path), sha256]);
      for (const name of packages) {
        const version = own && BUILT?.packages[name];
        if (version) inlined.push([name, version]);
        else wanted.push({ name, folder: own ? PACKAGE : dirname(path) });
      }
    }
    const packages = { ...Object.fromEntries(inlined), ...this.packages.versions(wanted) };
    return { files: sorted(files), packages: sorted(Object.entries(packages)) };
  }

  /** The modules and all files that they refer to, by path. */
  reach(paths: readonly string[]): Map<string, Module> {
    const found = new Map<string, Module>();
    const visit = (path: string, importer: string): void => {
      if (found.has(path)) return;
      const module = this.#modules.get(path) ?? builtModule(path) ?? readModule(path, importer);
      this.#modules.set(path, module);
      found.set(path, module);
      for (const file of module.files) visit(file, path);
    };
    for (const path of paths) visit(path, 'a stage');
    return found;
  }

  #foreignName(path: string): string {
    const owner = this.packages.owner(dirname(path));
    return owner ? `${owner.name}:${pathBelow(owner.folder, path)}` : posix(path);
  }
}

/** The path of a file of this package, relative to it; undefined for all others. */
function ownPath(path: string): string | undefined {
  const inside = pathBelow(PACKAGE, path);
  return inside?.split('/').includes('node_modules') ? undefined : inside;
}

function builtModule(path: string): Module | undefined {
  const module = BUILT?.modules[ownPath(path) ?? ''];
  return module && { ...module, files: module.files.map((file) => join(PACKAGE, file)) };
}

/** The build's record of these modules; paths are relative to the package. */
export function modulesForBuild(paths: readonly string[]): BuiltCode['modules'] {
  const found = new CodeReader().reach([...paths.map((path) => join(PACKAGE, path)), ...COMMON_CODE]);
  const rows = [...found].map(([path, module]) => {
    return [ownPath(path), { ...module, files: module.files.map(ownPath) }];
  });
  return Object.fromEntries(rows);
}

const SCRIPT = /\.[cm]?[jt]s$/;
const KERNEL_OR_SCRIPT = /\.(wgsl|[cm]?[jt]s)$/;
/** A specifier of a file rather than a package. */
const NEAR = /^(\.{0,2}\/|file:)/;

function readModule(path: string, importer: string): Module {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${importer} needs ${path}, which cannot be read (${code})`);
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const text = bytes.toString('utf8');
  if (path.endsWith('.wgsl')) {
    const included = [...text.matchAll(INCLUDE)].map(([, name]) => name);
    return {
      sha256,
      files: included.map((name) => join(PACKAGE, 'wgsl/shared', `${name}.wgsl`)),
      packages: [],
    };
  }
  const references = SCRIPT.test(path) ? referencesOf(text, path) : [];
  const near = references.filter((name) => NEAR.test(name));
  const bare = references.filter((name) => !near.includes(name) && !isBuiltin(name));
  const unknown = bare.find((name) => /^(#|[a-z]+:)/.test(name));
  if (unknown) throw new Error(`${path} imports ${unknown}, which cannot be followed`);
  return {
    sha256,
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
  let imports: ReturnType<typeof parse>[0];
  try {
    [imports] = parse(text, path);
  } catch (error) {
    const { idx } = error as { idx?: number };
    throw idx === undefined ? error : unclear(idx);
  }
  const references: string[] = [];
  for (const found of imports) {
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
