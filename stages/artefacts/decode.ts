import { open } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { InputError } from '../../wgsl/core/index.ts';

/** Limit on decoded pixels, 16384²: more than any camera produces. A small file may declare more. */
const MAX_PIXELS = 2 ** 28;

const SIGNATURES = [
  { format: 'PNG', offset: 0, bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
  { format: 'JPEG', offset: 0, bytes: [0xff, 0xd8, 0xff] },
  { format: 'WebP', offset: 8, bytes: [0x57, 0x45, 0x42, 0x50] },
];

/**
 * Uses a picture's file (PNG, JPEG, WebP) without colour management.
 * @throws InputError when it is none of these, or when `use` fails.
 */
export async function withPicture<Value>(
  path: string,
  use: (image: Sharp) => Promise<Value>,
): Promise<Value> {
  await checkSignature(path);
  const { default: sharp } = await import('sharp');
  try {
    return await use(
      sharp(path, { failOn: 'error', limitInputPixels: MAX_PIXELS, ignoreIcc: true, sequentialRead: true }),
    );
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = (error as Error).message.replaceAll(path, '').replace(/\s+/g, ' ').trim();
    throw new InputError(`cannot be decoded (${reason}); expected a whole PNG, JPEG or WebP picture`, path);
  }
}

/** Checks the first bytes, so that no other decoder ever opens the file. */
async function checkSignature(path: string): Promise<void> {
  const head = new Uint8Array(16);
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`cannot be opened (${error.code ?? error.message})`, path);
  });
  let bytesRead: number;
  try {
    ({ bytesRead } = await file.read(head, 0, head.length, 0));
  } catch (error) {
    throw new InputError(`cannot be read: ${(error as Error).message}`, path);
  } finally {
    await file.close();
  }
  if (!bytesRead) throw new InputError('is empty; expected a PNG, JPEG or WebP picture', path);
  const known = SIGNATURES.some(({ offset, bytes }) => bytes.every((byte, i) => head[offset + i] === byte));
  if (!known) {
    const found = [...head.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new InputError(
      `is not a supported image: it begins with ${found}, expected PNG, JPEG or WebP`,
      path,
    );
  }
}
