import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

interface Job {
  pixels: ArrayBuffer;
  width: number;
  height: number;
  resolve(png: Uint8Array): void;
  reject(error: Error): void;
}

/** Maximum number of PNG threads; leaves a core to the main thread and the driver. */
export const PNG_THREADS = Math.max(1, Math.min(16, availableParallelism() - 1));

// Shared by the process and created on demand. Idle threads do not keep the process alive.
const idle: Worker[] = [];
const waiting: Job[] = [];
/** Pixel memory that threads returned: first use of fresh memory costs more than a copy. */
const spare: ArrayBuffer[] = [];
let threads = 0;

/**
 * Encodes rgba8 pixels [H, W] as an 8-bit RGB PNG; drops alpha, because colours include the background. Equal pixels give
 * equal bytes with the same zlib. Encodes in up to `PNG_THREADS` threads; the pixels may change as soon as this returns.
 */
export function encodePng(rgba: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const bytes = 4 * width * height;
  if (rgba.length !== bytes) {
    throw new Error(`a picture of ${width}×${height} pixels has ${bytes} bytes as rgba8, got ${rgba.length}`);
  }
  const fitting = spare.findIndex(({ byteLength }) => byteLength === bytes);
  const pixels = fitting < 0 ? new ArrayBuffer(bytes) : spare.splice(fitting, 1)[0];
  new Uint8Array(pixels).set(rgba);
  return new Promise((resolve, reject) => {
    waiting.push({ pixels, width, height, resolve, reject });
    next();
  });
}

function next(): void {
  if (!waiting.length || (!idle.length && threads === PNG_THREADS)) return;
  const worker = idle.pop() ?? start();
  const { pixels, width, height, resolve, reject } = waiting.shift()!;
  worker.ref();
  worker.removeAllListeners();
  worker.once('message', (done: { png: Uint8Array; pixels: ArrayBuffer }) => {
    worker.removeAllListeners();
    worker.unref();
    idle.push(worker);
    if (waiting.length < PNG_THREADS && spare.length < PNG_THREADS) spare.push(done.pixels);
    resolve(done.png);
    next();
  });
  worker.once('error', (error) => {
    threads--;
    reject(error);
    next();
  });
  worker.postMessage({ pixels, width, height }, [pixels]);
}

function start(): Worker {
  threads++;
  // Without the options of the process, which may load a compiler.
  return new Worker(new URL('./png-worker.mjs', import.meta.url), { execArgv: [] });
}
