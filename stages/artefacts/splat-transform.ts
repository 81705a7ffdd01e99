import { open } from 'node:fs/promises';
import { InputError } from '../../wgsl/core/index.ts';

// What is used of the library. Its own declarations import each other without file extensions, which TypeScript does
// not resolve for ES modules in Node, so that everything in them becomes `any`.

export interface Column {
  name: string;
  data: Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;
}

export interface DataTable {
  columns: Column[];
  numRows: number;
  columnNames: string[];
  getColumnByName(name: string): Column | null;
  hasColumn(name: string): boolean;
}

export interface ReadStream {
  bytesRead: number;
  pull(target: Uint8Array): Promise<number>;
}

export interface ReadSource {
  readonly size: number;
  readonly seekable: boolean;
  read(start?: number, end?: number): ReadStream;
  close(): void;
}

export interface SplatTransform {
  Column: new (name: string, data: Column['data']) => Column;
  DataTable: new (columns: Column[], transform: unknown) => DataTable;
  ReadStream: abstract new (expectedSize: number) => ReadStream;
  BufferedReadStream: new (inner: ReadStream, chunkBytes: number) => ReadStream;
  MemoryFileSystem: new () => { results: Map<string, Uint8Array> };
  /** `PLY` names the space that splats are stored in: none of the formats here is turned on the way in or out. */
  Transform: { PLY: unknown };
  getInputFormat(filename: string): string;
  readFile(request: {
    filename: string;
    inputFormat: string;
    params: [];
    options: object;
    fileSystem: { createSource(filename: string): Promise<ReadSource> };
  }): Promise<DataTable[]>;
  writePly(
    request: {
      filename: string;
      plyData: { comments: string[]; elements: { name: string; dataTable: DataTable }[] };
    },
    fileSystem: object,
  ): Promise<void>;
}

/**
 * The one doorway to @playcanvas/splat-transform, which knows the splat file formats. It takes seconds to import (it
 * carries an engine), so it is imported when a file needs it.
 */
export async function splatTransform(): Promise<SplatTransform> {
  return import('@playcanvas/splat-transform');
}

/** A file on disk as the library reads it: in pieces, so that no file is too large for one buffer. */
export async function openSource(library: SplatTransform, path: string): Promise<ReadSource> {
  const file = await open(path).catch((error: Error) => {
    throw new InputError(`cannot be opened: ${error.message}`, path);
  });
  const { size } = await file.stat();
  class FileStream extends library.ReadStream {
    #at: number;
    readonly #end: number;

    constructor(start: number, end: number) {
      super(end - start);
      this.#at = start;
      this.#end = end;
    }

    override async pull(target: Uint8Array): Promise<number> {
      const length = Math.min(target.length, this.#end - this.#at);
      if (length <= 0) return 0;
      const { bytesRead } = await file.read(target, 0, length, this.#at);
      this.#at += bytesRead;
      this.bytesRead += bytesRead;
      return bytesRead;
    }
  }
  return {
    size,
    seekable: true,
    read: (start = 0, end = size) =>
      new library.BufferedReadStream(new FileStream(start, Math.min(end, size)), 2 ** 20),
    close: () => void file.close(),
  };
}
