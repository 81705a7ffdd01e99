/** Makes one CommonJS file of TypeScript modules, with esbuild. */
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** The oldest Node that package.json asks for. */
const TARGET = 'node20.9';

/**
 * @param {object} work
 * @param {string} work.entry path of the module whose exports the file has
 * @param {Map<string, Uint8Array>} work.sources all modules by path: these bytes count, not what lies on the disk by now
 * @param {readonly string[]} work.inlined npm packages to take in; all others are left to `require`
 * @param {string} work.folder where the file will lie
 * @returns {Promise<{code: string, map: string}>} ASCII. The code expects `module`, `require`, and `importLate`, which stands
 *   for `import()`: V8 forgets whose import it is when it takes compiled code from a cache.
 */
export async function bundle({ entry, sources, inlined, folder }) {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    outdir: folder,
    write: false,
    metafile: true,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    keepNames: true,
    minifyWhitespace: true,
    legalComments: 'none',
    sourcemap: 'external',
    sourcesContent: false,
    tsconfigRaw: {},
    logLevel: 'silent',
    define: { 'import.meta.url': 'moduleUrl' },
    plugins: [plugin(sources, inlined)],
  });
  const [output] = Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint);
  const late = output.imports.filter(({ kind }) => kind === 'dynamic-import').map(({ path }) => path);
  const textOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text;
  return { code: withLateImports(textOf('.js'), new Set(late)), map: textOf('.map') };
}

/** esbuild writes each `import("name")` with double quotes; one of a name that is computed cannot be told from a method. */
function withLateImports(code, names) {
  let done = code;
  for (const name of names) {
    const literal = JSON.stringify(name);
    done = done.replaceAll(`import(${literal})`, `importLate(${literal})`);
  }
  const left = /(?<![.\w$])import\((?!')[^)]*\)?/.exec(done);
  if (left) throw new Error(`${left[0]} names no package`);
  return done;
}

function plugin(sources, inlined) {
  const packageOf = (path) => path.split('/')[0];
  return {
    name: 'sources',
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ path, importer, kind }) => {
        if (kind === 'entry-point') return { path };
        if (!sources.has(importer)) return undefined; // within a package
        if (path.startsWith('.')) return { path: resolve(dirname(importer), path) };
        return inlined.includes(packageOf(path)) ? undefined : { path, external: true };
      });
      build.onLoad({ filter: /.*/ }, ({ path }) => {
        const text = sources.get(path)?.toString('utf8');
        if (text === undefined) return undefined;
        // On the first line, so that the lines of traces stay right.
        const url = text.includes('import.meta.url')
          ? `const moduleUrl = ${JSON.stringify(pathToFileURL(path).href)}; `
          : '';
        return { contents: url + text, loader: path.endsWith('.ts') ? 'ts' : 'js' };
      });
    },
  };
}
