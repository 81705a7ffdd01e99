import { open } from 'node:fs/promises';
import { InputError } from '../../wgsl/core/index.ts';

/** A file of which any part can be read. */
export interface FileBytes {
  path: string;
  /** Bytes. */
  size: number;
  /** At most `length` bytes from `start`: fewer where the file ends. */
  at(start: number, length: number): Promise<Buffer>;
}

/** Opens a file to read any part of it. @throws InputError */
export async function withFileBytes<Value>(
  path: string,
  use: (file: FileBytes) => Promise<Value>,
): Promise<Value> {
  const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be opened (${error.code ?? error.message})`, path);
  });
  try {
    const { size } = await handle.stat();
    const at = async (start: number, length: number) => {
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - start)));
      let done = 0;
      while (done < bytes.length) {
        const { bytesRead } = await handle.read(
          bytes,
          done,
          Math.min(bytes.length - done, 2 ** 28),
          start + done,
        );
        if (!bytesRead) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    };
    return await use({ path, size, at });
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined && !code.startsWith('ERR_'))
      throw new InputError(`cannot be read (${code})`, path);
    throw new Error(`${path}: ${message}`, { cause: error });
  } finally {
    await handle.close();
  }
}
