import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INCLUDE } from '../../wgsl/core/source.ts';
import { Packages, packageOf } from './packages.ts';
import { isBelow, PACKAGE, posix } from './places.ts';
import { referencesOf } from './scan.ts';

const SHARED = join(PACKAGE, 'wgsl', 'shared');

/** The code behind a result. */
export interface Code {
  /** sha256 by path, sorted: relative to this package, or, where the file is another's, to that one (`other:src/x.ts`). */
  files: Record<string, string>;
  /** Versions of the npm packages that it imports, and of those that they need. */
  packages: Record<string, string>;
}

interface Module {
  sha256: string;
  /** Absolute paths of what it refers to. */
  files: string[];
  /** Bare npm packages. */
  packages: string[];
}

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

/**
 * Follows imports on the disk. Every file is read and hashed once, as what a process runs does not change under it, and
 * without waiting: hundreds of small files are read several times faster so.
 */
export class CodeReader {
  readonly packages = new Packages();
  readonly #modules = new Map<string, Module>();
  readonly #folders = new Map<string, Set<string>>();
  readonly #labels = new Map<string, string>();

  /**
   * The modules, all that they import, and the WGSL that these name (`new URL('./x.wgsl', import.meta.url)`) with its
   * includes. Where a template names the WGSL, every file of the folder that it can name counts.
   *
   * @param modules absolute paths.
   * @throws Error naming the importer, when a file is missing or an import cannot be followed.
   */
  codeOf(modules: readonly string[]): Code {
    const found = new Map<string, Module>();
    const visit = (path: string, importer: string): void => {
      if (found.has(path)) return;
      const module = this.#module(path, importer);
      found.set(path, module);
      for (const file of module.files) visit(file, path);
    };
    for (const path of modules) visit(path, 'a stage');
    const rows = [...found].map(([path, { sha256 }]) => [this.#label(path), sha256] as const);
    const wanted = [...found].flatMap(([path, { packages }]) =>
      packages.map((name) => ({ name, folder: dirname(path) })),
    );
    return {
      files: Object.fromEntries(rows.sort(([a], [b]) => (a < b ? -1 : 1))),
      packages: this.packages.versions(wanted),
    };
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
    let references: ReturnType<typeof referencesOf>;
    try {
      references = referencesOf(text);
    } catch (error) {
      throw new Error(`${path}, ${(error as Error).message}`);
    }
    const near = references.modules.filter((name) => /^(\.{0,2}\/|file:)/.test(name));
    const bare = references.modules.filter((name) => !near.includes(name) && !isBuiltin(name));
    const unknown = bare.find((name) => /^(#|[a-z]+:)/.test(name));
    if (unknown) throw new Error(`${path} imports ${unknown}, which cannot be followed`);
    // Other files are data: a stage names those in its `reads`.
    const urls = references.urls.filter((url) => KERNEL_OR_SCRIPT.test(url));
    return {
      files: [
        ...near.map((name) => this.#findModule(name, path)),
        ...urls.flatMap((url) => this.#findAll(url, path)),
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

  /** Modules are behind several stages, and paths take long to compare. */
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

function filesIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => join(folder, name));
  } catch {
    return [];
  }
}
