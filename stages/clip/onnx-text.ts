import { InputError } from '../../wgsl/core/index.ts';
import { shortened } from '../artefacts/excerpt.ts';

/**
 * Runs an ONNX text encoder (`onnx/text_model.onnx`, as exported by transformers.js) on the CPU: `input_ids` int64 [T, L]
 * (and `attention_mask`, if it has one) → `text_embeds` f32 [T, D], raw.
 *
 * @throws InputError with the file, when it does not load or has other inputs or outputs.
 */
export async function encodeTextsOnnx(
  path: string,
  ids: readonly (readonly number[])[],
  dimensions: number,
): Promise<Float32Array> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 }).catch((error: Error) => {
    throw faultOf(error, 'cannot load it', path);
  });
  try {
    const shape = [ids.length, ids[0].length];
    const words = BigInt64Array.from(ids.flat(), BigInt);
    const known = {
      input_ids: () => new Tensor('int64', words, shape),
      attention_mask: () => new Tensor('int64', new BigInt64Array(words.length).fill(1n), shape),
    };
    const feeds: Record<string, InstanceType<typeof Tensor>> = {};
    for (const name of session.inputNames) {
      if (!Object.hasOwn(known, name)) {
        throw new InputError(
          `has an input "${name}"; supported inputs are ${Object.keys(known).join(' and ')}`,
          path,
        );
      }
      feeds[name] = known[name as keyof typeof known]();
    }
    if (!session.outputNames.includes('text_embeds')) {
      throw new InputError(`has outputs ${session.outputNames.join(', ')}; text_embeds is expected`, path);
    }
    const { text_embeds: embeds } = await session
      .run(feeds, ['text_embeds'])
      .catch((error: Error) => Promise.reject(faultOf(error, 'cannot run it', path)));
    if (!(embeds.data instanceof Float32Array) || embeds.data.length !== ids.length * dimensions) {
      throw new InputError(
        `text_embeds is ${embeds.type} [${embeds.dims}]; f32 [${ids.length},${dimensions}] is expected`,
        path,
      );
    }
    return Float32Array.from(embeds.data);
  } finally {
    await session.release();
  }
}

/** onnxruntime's messages have the path, several lines, and the graph. */
function faultOf({ message }: Error, what: string, path: string): InputError {
  const [found] = message.replaceAll(path, 'it').split('\n');
  return new InputError(`onnxruntime ${what}: ${shortened(found)}`, path);
}
