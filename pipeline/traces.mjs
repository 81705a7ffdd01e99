/** Stack traces that name the modules which a file was made of. */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, resolve } from 'node:path';

/**
 * From now on frames in `file` name the places that its source map gives. The map is read when the first trace is asked for:
 * most processes end without one.
 *
 * @param {string} file as V8 names it
 * @param {string} mapFile
 * @param {number} above lines that `file` has in front of what the map speaks of
 */
export function mapTraces(file, mapFile, above) {
  let map;
  const inherited = Error.prepareStackTrace;
  Error.prepareStackTrace = (error, sites) => {
    if (!sites.some((site) => site.getFileName() === file)) {
      return inherited ? inherited(error, sites) : traceOf(error, sites.map(String));
    }
    map ??= readMap(mapFile);
    return traceOf(
      error,
      sites.map((site) => (site.getFileName() === file ? mapped(site, map, file, above) : String(site))),
    );
  };
}

function traceOf(error, frames) {
  const head = Error.prototype.toString.call(error);
  return [head, ...frames.map((frame) => `    at ${frame}`)].join('\n');
}

/** A map that is gone leaves frames as they are: what went wrong is not to be hidden by that. */
function readMap(mapFile) {
  try {
    return new SourceMap(JSON.parse(readFileSync(mapFile, 'utf8')));
  } catch {
    return undefined;
  }
}

function mapped(site, map, file, above) {
  const [line, column] = [site.getLineNumber(), site.getColumnNumber()];
  const { originalSource, originalLine, originalColumn } = map?.findEntry(line - 1 - above, column - 1) ?? {};
  if (originalSource === undefined) return String(site);
  const place = `${resolve(dirname(file), originalSource)}:${originalLine + 1}:${originalColumn + 1}`;
  return String(site).replace(`${file}:${line}:${column}`, place);
}
