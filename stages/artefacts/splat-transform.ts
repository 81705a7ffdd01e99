import { open } from 'node:fs/promises';
import { InputError } from '../../wgsl/core/index.ts';

// Declarations of the parts in use. The library's own import each other without file extensions, which TypeScript does not
// resolve for ES modules in Node, so that all of them become `any`.

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
  ZipReadFileSystem: new (source: ReadSource) => { createSource(filename: string): Promise<ReadSource> };
  MemoryFileSystem: new () => { results: Map<string, Uint8Array> };
  MemoryReadFileSystem: new () => {
    set(name: string, bytes: Uint8Array): void;
    createSource(filename: string): Promise<ReadSource>;
  };
  /** `PLY` is the coordinate space of stored splats: no format is rotated on reading or writing. */
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
 * The only import of @playcanvas/splat-transform, which reads and writes the splat file formats. Importing it takes seconds
 * (it contains an engine), so it is imported on demand.
 */
export async function splatTransform(): Promise<SplatTransform> {
  return import('@playcanvas/splat-transform');
}

/** A file as a source of the library: read in pieces, so that its size is not limited by one buffer. */
export async function openSource(library: SplatTransform, path: string): Promise<ReadSource> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be opened (${error.code ?? error.message})`, path);
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
