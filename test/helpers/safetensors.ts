/** A tensor of f32 to write. */
export interface FloatTensor {
  shape: readonly number[];
  data: Float32Array;
}

/** The bytes of a safetensors file. */
export function packTensors(tensors: ReadonlyMap<string, FloatTensor>): Uint8Array {
  let end = 0;
  const header = Object.fromEntries(
    [...tensors].map(([name, { shape, data }]) => {
      const start = end;
      end += data.byteLength;
      return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
    }),
  );
  // The header's length keeps the tensors aligned to 8 bytes.
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(Buffer.byteLength(text) / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  const parts = [...tensors.values()].map(({ data }) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  );
  return Buffer.concat([length, head, ...parts]);
}
