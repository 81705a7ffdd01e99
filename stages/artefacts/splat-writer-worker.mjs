/**
 * The thread of splat-writer.ts: writes splats by @playcanvas/splat-transform, one after the other. The library clusters SH with
 * Math.random and stamps archives with the time; in this thread both are fixed, so that equal splats give equal bytes. Plain
 * JavaScript: a thread starts sooner without a compiler.
 */
import { basename } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { gunzipSync, gzipSync } from 'node:zlib';

let state = 0;
/** Mulberry32 (T. Ettinger). */
Math.random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};
/** The first time that a ZIP archive can hold, in every time zone. */
globalThis.Date = class extends Date {
  constructor() {
    super(1980, 0, 1);
  }
};

const library = await import('@playcanvas/splat-transform');

parentPort.on('message', async (job) => {
  try {
    const bytes = await write(job);
    parentPort.postMessage({ bytes }, [bytes.buffer]);
  } catch (error) {
    parentPort.postMessage({ failed: String(error?.message ?? error) });
  }
});

async function write({ columns, output, iterations, seed, viewer, antialias }) {
  const { Column, DataTable, MemoryFileSystem, Transform, writeFile } = library;
  state = seed >>> 0;
  const files = new MemoryFileSystem();
  const dataTable = new DataTable(
    columns.map(({ name, data }) => new Column(name, data)),
    Transform.PLY,
  );
  // Version 4 of SPZ is too new for most viewers.
  const options = { iterations, viewerSettingsJson: viewer, spzVersion: 3 };
  const mark = antialias ? MARKS[output] : undefined;
  const outputFormat = mark?.output ?? output;
  await writeFile({ filename: 'splat', outputFormat, dataTable, options }, files);
  await mark?.apply(files);
  return new Uint8Array(files.results.get('splat'));
}

/** The library reads the mark of a splat with antialiasing, and drops it when it writes. Where the formats have one: */
const MARKS = {
  'compressed-ply': {
    apply({ results }) {
      const [first, second, ...rest] = Buffer.from(results.get('splat')).toString('latin1').split('\n');
      const text = [first, second, 'comment SplatRenderMode: mip', ...rest].join('\n');
      results.set('splat', Buffer.from(text, 'latin1'));
    },
  },
  spz: {
    apply({ results }) {
      const packed = gunzipSync(results.get('splat'));
      const flags = 14; // after magic, version and count (u32 each), SH degree and fractional bits
      packed[flags] |= 1;
      results.set('splat', gzipSync(packed));
    },
  },
  'sog-bundle': {
    output: 'sog', // the files of the archive
    async apply(files) {
      const { results } = files;
      const meta = { ...JSON.parse(Buffer.from(results.get('splat'))), model: 'antialiased' };
      results.delete('splat');
      const entries = [...results, ['meta.json', Buffer.from(JSON.stringify(meta))]];
      const archive = new library.ZipFileSystem(await files.createWriter('splat'));
      for (const [name, bytes] of entries) {
        const entry = await archive.createWriter(basename(name));
        await entry.write(bytes);
        await entry.close();
      }
      await archive.close();
    },
  },
};
