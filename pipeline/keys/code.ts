import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'es-module-lexer/js';
import { INCLUDE } from '../../wgsl/core/source.ts';
import { Packages, packageOf } from './packages.ts';
import { isBelow, PACKAGE, posix } from './places.ts';

/** The code behind a result. */
export interface Code {
  /** sha256 by path, sorted: relative to this package, or, where the file is another's, to that one (`other:src/x.ts`). */
  files: Record<string, string>;
  /** Versions of the npm packages that it imports, and of those that they need. */
  packages: Record<string, string>;
}

/** What the build records of our own modules, so that a process reads and parses none of them. */
interface BuiltCode {
  /** sha256 by path. */
  hashes: Record<string, string>;
  /** For each module that `codeOf` is asked for: the files and the npm packages behind it. */
  closures: Record<string, { files: string[]; packages: string[] }>;
  /** Versions of the npm packages that are part of the build. */
  packages: Record<string, string>;
}

/** Defined by `pipeline/build.mjs`; missing where the sources run. */
declare const BUILT_CODE: BuiltCode | undefined;
const BUILT = typeof BUILT_CODE === 'undefined' ? undefined : BUILT_CODE;

/** What saves artefacts and what writes them for people, and what runs every kernel: part of each result. */
export const COMMON_CODE = ['stages/artefacts/formats.ts', 'wgsl/core/index.ts'].map((path) =>
  join(PACKAGE, path),
);

interface Module {
  sha256: string;
  /** Absolute paths of what it refers to. */
  files: string[];
  /** Bare npm packages. */
  packages: string[];
}

const SHARED = join(PACKAGE, 'wgsl', 'shared');
/** What a module may be called where the import leaves its ending out, or names what TypeScript would compile it to. */
const ENDINGS: ((path: string) => string)[] = [
  (path) => path,
  (path) => path.replace(/\.([cm]?)js$/, '.$1ts'),
  (path) => `${path}.ts`,
  (path) => `${path}.js`,
  (path) => join(path, 'index.ts'),
  (path) => join(path, 'index.js'),
];
const SCRIPT = /\.[cm]?[jt]s$/;
const KERNEL_OR_SCRIPT = /\.(wgsl|[cm]?[jt]s)$/;
const NEAR = /^(\.{0,2}\/|file:)/;

/**
 * Follows imports on the disk. Every file is read and hashed once, because what a process runs does not change, and
 * synchronously, because hundreds of small files are read several times faster so.
 */
export class CodeReader {
  readonly packages = new Packages(BUILT?.packages);
  readonly #modules = new Map<string, Module>();
  readonly #folders = new Map<string, Set<string>>();
  readonly #labels = new Map<string, string>();

  /**
   * The modules, all that they import, and the WGSL that these name (`new URL('./x.wgsl', import.meta.url)`) with its
   * includes.
   *
   * @param modules absolute paths.
   * @throws Error naming the importer, when a file is missing or an import cannot be followed.
   */
  codeOf(modules: readonly string[]): Code {
    const files: Record<string, string> = {};
    const wanted: { name: string; folder: string }[] = [];
    for (const path of modules) {
      const built = BUILT?.closures[this.#label(path)];
      if (BUILT && built) {
        for (const file of built.files) files[file] = BUILT.hashes[file];
        wanted.push(...built.packages.map((name) => ({ name, folder: PACKAGE })));
        continue;
      }
      for (const [file, { sha256, packages }] of this.closure(path)) {
        files[this.#label(file)] = sha256;
        wanted.push(...packages.map((name) => ({ name, folder: dirname(file) })));
      }
    }
    return { files: sorted(files), packages: this.packages.versions(wanted) };
  }

  /** The module and everything that it refers to, by path. */
  closure(entry: string): Map<string, Module> {
    const found = new Map<string, Module>();
    const visit = (path: string, importer: string): void => {
      if (found.has(path)) return;
      const module = this.#module(path, importer);
      found.set(path, module);
      for (const file of module.files) visit(file, path);
    };
    visit(entry, 'a stage');
    return found;
  }

  #module(path: string, importer: string): Module {
    let module = this.#modules.get(path);
    if (!module) this.#modules.set(path, (module = this.#read(path, importer)));
    return module;
  }

  #read(path: string, importer: string): Module {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(`${importer} needs ${path}, which cannot be read (${code})`);
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (path.endsWith('.wgsl')) {
      const included = [...bytes.toString('utf8').matchAll(INCLUDE)].map(([, name]) => name);
      return { sha256, files: included.map((name) => join(SHARED, `${name}.wgsl`)), packages: [] };
    }
    if (!SCRIPT.test(path)) return { sha256, files: [], packages: [] };
    return { sha256, ...this.#follow(bytes.toString('utf8'), path) };
  }

  #follow(text: string, path: string): Pick<Module, 'files' | 'packages'> {
    const { modules, urls } = referencesOf(text, path);
    const near = modules.filter((name) => NEAR.test(name));
    const bare = modules.filter((name) => !near.includes(name) && !isBuiltin(name));
    const unknown = bare.find((name) => /^(#|[a-z]+:)/.test(name));
    if (unknown) throw new Error(`${path} imports ${unknown}, which cannot be followed`);
    // Other files are data: a stage names those in its `reads`.
    const kernels = urls.filter((url) => KERNEL_OR_SCRIPT.test(url));
    return {
      files: [
        ...near.map((name) => this.#findModule(name, path)),
        ...kernels.flatMap((url) => this.#findAll(url, path)),
      ],
      packages: [...new Set(bare.map(packageOf))],
    };
  }

  #findModule(specifier: string, importer: string): string {
    const plain = specifier.replace(/[?#].*$/, '');
    const path = plain.startsWith('file:') ? fileURLToPath(plain) : resolve(dirname(importer), plain);
    for (const ending of ENDINGS) {
      const candidate = ending(path);
      if (this.#list(dirname(candidate)).has(candidate)) return candidate;
    }
    throw new Error(`${importer} imports ${specifier}, which is not there`);
  }

  /** The files that a URL beside a module can name; `*` stands for what a template fills in. */
  #findAll(url: string, importer: string): string[] {
    const path = resolve(dirname(importer), url);
    const folder = dirname(path);
    if (folder.includes('*')) throw new Error(`${importer} names ${url}, whose folder cannot be told`);
    const [first, ...rest] = path.split('*');
    const last = rest.at(-1);
    const matches = [...this.#list(folder)].filter((file) =>
      last === undefined
        ? file === path
        : file.startsWith(first) && file.endsWith(last) && file.length > first.length + last.length,
    );
    if (!matches.length) throw new Error(`${importer} names ${url}, which is not there`);
    return matches;
  }

  /** Paths of the files in a folder; none where it is missing. */
  #list(folder: string): Set<string> {
    let files = this.#folders.get(folder);
    if (!files) this.#folders.set(folder, (files = new Set(filesIn(folder))));
    return files;
  }

  #label(path: string): string {
    let label = this.#labels.get(path);
    if (!label) this.#labels.set(path, (label = this.#name(path)));
    return label;
  }

  #name(path: string): string {
    const inside = relative(PACKAGE, path);
    if (isBelow(inside) && !inside.split(sep).includes('node_modules')) return posix(inside);
    const owner = this.packages.owner(dirname(path));
    return owner ? `${owner.name}:${posix(relative(owner.folder, path))}` : posix(path);
  }
}

/** What the build records of these modules, named relative to the package. */
export function builtCode(stages: readonly string[]): Omit<BuiltCode, 'packages'> {
  const reader = new CodeReader();
  const nameOf = (path: string) => posix(relative(PACKAGE, path));
  const hashes: BuiltCode['hashes'] = {};
  const closures: BuiltCode['closures'] = {};
  for (const entry of [...stages.map((path) => join(PACKAGE, path)), ...COMMON_CODE]) {
    const found = [...reader.closure(entry)];
    for (const [path, { sha256 }] of found) hashes[nameOf(path)] = sha256;
    closures[nameOf(entry)] = {
      files: found.map(([path]) => nameOf(path)).sort(),
      packages: [...new Set(found.flatMap(([, { packages }]) => packages))].sort(),
    };
  }
  return { hashes, closures };
}

/**
 * What a JavaScript or TypeScript module refers to, in the order of its text: specifiers of imports that remain when
 * types are stripped, and first arguments of `new URL(…, import.meta.url)`, with `*` for what a template fills in.
 *
 * @throws Error for a reference that is known only when the module runs.
 */
export function referencesOf(text: string, path = 'the module'): { modules: string[]; urls: string[] } {
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
  const modules: string[] = [];
  const urls: string[] = [];
  for (const found of imports) {
    if (found.type === 'import-meta') {
      if (!text.startsWith('.url', found.end)) continue;
      const call = /new\s+URL\(\s*([^()]*?)\s*,\s*$/.exec(text.slice(0, found.start));
      if (!call) continue;
      if (!/^(?:'[^'\n]*'|"[^"\n]*"|`[^`]*`)$/.test(call[1])) throw unclear(call.index);
      urls.push(call[1].slice(1, -1).replace(/\$\{[^}]*\}/g, '*'));
    } else if (found.type === 'dynamic') {
      if (found.probablyTypeOnly) continue;
      if (found.specifier === undefined || found.glob) throw unclear(found.importStart);
      modules.push(found.specifier);
    } else if (!found.typeOnly) modules.push(found.specifier);
  }
  return { modules, urls };
}

function sorted(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function filesIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => join(folder, name));
  } catch {
    return [];
  }
}
