import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/**
 * The pixels of a picture and what a PNG keeps of them. `rgb`: rgba8 without alpha; `rgba`: rgba8 with straight alpha; `gray`: the red
 * of rgba8; `gray16`: u16, little-endian.
 */
export type PixelKind = 'rgb' | 'rgba' | 'gray' | 'gray16';

interface Job {
  pixels: ArrayBuffer;
  width: number;
  height: number;
  kind: PixelKind;
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

/** Bytes of a picture's pixels. */
export function pixelBytes(kind: PixelKind, width: number, height: number): number {
  return (kind === 'gray16' ? 2 : 4) * width * height;
}

/**
 * Encodes pixels [H, W] as a PNG of 8 or 16 bits a channel; by default as RGB, because colours include the background. Equal
 * pixels give equal bytes with the same zlib. Encodes in up to `PNG_THREADS` threads; the pixels may change as soon as this returns.
 */
export function encodePng(
  given: Uint8Array,
  width: number,
  height: number,
  kind: PixelKind = 'rgb',
): Promise<Uint8Array> {
  const bytes = pixelBytes(kind, width, height);
  if (given.length !== bytes) {
    const format = kind === 'gray16' ? 'u16' : 'rgba8';
    throw new Error(
      `a picture of ${width}×${height} pixels has ${bytes} bytes as ${format}, got ${given.length}`,
    );
  }
  const fitting = spare.findIndex(({ byteLength }) => byteLength === bytes);
  const pixels = fitting < 0 ? new ArrayBuffer(bytes) : spare.splice(fitting, 1)[0];
  new Uint8Array(pixels).set(given);
  return new Promise((resolve, reject) => {
    waiting.push({ pixels, width, height, kind, resolve, reject });
    next();
  });
}

function next(): void {
  if (!waiting.length || (!idle.length && threads === PNG_THREADS)) return;
  const worker = idle.pop() ?? start();
  const { pixels, width, height, kind, resolve, reject } = waiting.shift()!;
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
  worker.postMessage({ pixels, width, height, kind }, [pixels]);
}

function start(): Worker {
  threads++;
  // Without the options of the process, which may load a compiler.
  return new Worker(new URL('./png-worker.mjs', import.meta.url), { execArgv: [] });
}
