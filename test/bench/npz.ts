import { inflateRawSync } from 'node:zlib';

/** An array of a .npz, row-major. Whole numbers of 64 bits become doubles. */
export interface NpyArray {
  shape: number[];
  data: Float32Array | Float64Array | Uint8Array | Int32Array | Uint32Array;
}

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const STORED = 0;
const DEFLATED = 8;

/** The arrays of a .npz: a zip of .npy files, as numpy's `savez` and `savez_compressed` write it (below 4 GiB). */
export function readNpz(bytes: Uint8Array): Map<string, NpyArray> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END_OF_DIRECTORY) end--;
  if (end < 0) throw new Error('not a zip file: it has no end of a directory');
  const arrays = new Map<string, NpyArray>();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (view.getUint32(at, true) !== DIRECTORY_ENTRY) throw new Error('broken zip directory');
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    arrays.set(name.replace(/\.npy$/, ''), readNpy(entryBytes(bytes, view, at), name));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return arrays;
}

function entryBytes(bytes: Uint8Array, view: DataView, entry: number): Uint8Array {
  const method = view.getUint16(entry + 10, true);
  const header = view.getUint32(entry + 42, true);
  // The local header has extra fields of its own.
  const from = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  const packed = bytes.subarray(from, from + view.getUint32(entry + 20, true));
  if (method === STORED) return packed;
  if (method === DEFLATED) return inflateRawSync(packed);
  throw new Error(`a zip entry is packed by method ${method}; 0 (stored) and 8 (deflate) are known`);
}

const TYPES = {
  '<f4': Float32Array,
  '<f8': Float64Array,
  '|u1': Uint8Array,
  '<i4': Int32Array,
  '<u4': Uint32Array,
  '<i8': BigInt64Array,
  '<u8': BigUint64Array,
} as const;

/** One .npy of version 1 or 2. */
export function readNpy(bytes: Uint8Array, name = 'array'): NpyArray {
  if (bytes[0] !== 0x93 || new TextDecoder().decode(bytes.subarray(1, 6)) !== 'NUMPY') {
    throw new Error(`${name} is no .npy`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [from, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const header = new TextDecoder().decode(bytes.subarray(from, from + length));
  const descr = /'descr': *'([^']*)'/.exec(header)?.[1];
  const shape = /'shape': *\(([^)]*)\)/
    .exec(header)?.[1]
    .split(',')
    .map((word) => word.trim());
  const Type = TYPES[descr as keyof typeof TYPES];
  if (!Type || !shape || !/'fortran_order': *False/.test(header)) {
    throw new Error(`${name} has a header that is not known here: ${header.trim()}`);
  }
  const sizes = shape.filter(Boolean).map(Number);
  const count = sizes.reduce((a, b) => a * b, 1);
  const start = from + length;
  const need = count * Type.BYTES_PER_ELEMENT;
  if (bytes.length < start + need) throw new Error(`${name} ends early`);
  // A copy: the file need not lie on an element's boundary. (A Buffer's own slice would be none.)
  const data = new Type(new Uint8Array(bytes.subarray(start, start + need)).buffer);
  return {
    shape: sizes,
    data:
      data instanceof BigInt64Array || data instanceof BigUint64Array
        ? Float64Array.from(data, Number)
        : data,
  };
}
