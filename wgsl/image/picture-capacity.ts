import { InputError } from '../core/index.ts';

/** Bytes a pixel of the widest buffers: a rendered picture, rgba as f32; the maps of SSIM. */
export const PICTURE_BYTES = { render: 16, ssim: 36 } as const;

/**
 * Call it before allocating for pictures of this size. `fix`: the option that makes them smaller.
 * @throws InputError when this adapter cannot bind them.
 */
export function requirePicture(
  { maxStorageBufferBindingSize: limit }: Pick<GPUSupportedLimits, 'maxStorageBufferBindingSize'>,
  { width, height }: { width: number; height: number },
  bytesPerPixel: number,
  fix: string,
): void {
  const bytes = bytesPerPixel * width * height;
  if (bytes <= limit) return;
  const mib = (of: number) => `${Math.ceil(of / 2 ** 20)} MiB`;
  const by = Math.ceil(10 * Math.sqrt(bytes / limit)) / 10;
  throw new InputError(
    `views of ${width}×${height} need ${mib(bytes)} in one binding (${bytesPerPixel} bytes a pixel); this adapter allows ` +
      `${mib(limit)}. Make them smaller by ${by} at least (${fix})`,
  );
}
