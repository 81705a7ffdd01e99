import { type Arena, InputError } from '../../wgsl/core/index.ts';
import type { LayerNormWeights } from '../../wgsl/nn/layer_norm.ts';
import type { LinearWeights } from '../../wgsl/nn/linear.ts';
import type { SafetensorsFile } from './safetensors.ts';

/** Takes tensors of a model file to the GPU, each checked for its shape and for numbers that are not finite. */
export class WeightLoader {
  readonly #arena: Arena;
  readonly #file: SafetensorsFile;

  constructor(arena: Arena, file: SafetensorsFile) {
    this.#arena = arena;
    this.#file = file;
  }

  /** @throws InputError when the tensor is missing, has another shape, or holds NaN or infinity. */
  floats(name: string, shape: readonly number[]): Float32Array {
    const { path, tensors } = this.#file;
    const tensor = tensors.get(name);
    if (!tensor) {
      throw new InputError(
        `tensor "${name}" is missing; a CLIPModel of the shape in config.json has it`,
        path,
      );
    }
    if (tensor.shape.join() !== shape.join()) {
      throw new InputError(`tensor "${name}" is [${tensor.shape}]; config.json says [${shape}]`, path);
    }
    if (!(tensor.data instanceof Float32Array)) {
      throw new InputError(`tensor "${name}" holds ${tensor.dtype}; floats are expected`, path);
    }
    const wrong = tensor.data.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) {
      const count = tensor.data.reduce((sum, value) => sum + Number(!Number.isFinite(value)), 0);
      throw new InputError(
        `tensor "${name}" has ${count} values that are not finite, the first at ${wrong}`,
        path,
      );
    }
    return tensor.data;
  }

  buffer(name: string, shape: readonly number[]): GPUBuffer {
    return this.#arena.upload(name, this.floats(name, shape), 'weights');
  }

  layerNorm(name: string, width: number, epsilon: number): LayerNormWeights {
    return {
      weight: this.buffer(`${name}.weight`, [width]),
      bias: this.buffer(`${name}.bias`, [width]),
      epsilon,
    };
  }

  /** One layer of several of the same input, side by side: their outputs follow each other. */
  linear(names: readonly string[], inputs: number, outputsEach: number, biased = true): LinearWeights {
    const outputs = outputsEach * names.length;
    const weight = concatenate(names.map((name) => this.floats(`${name}.weight`, [outputsEach, inputs])));
    const bias = concatenate(biased ? names.map((name) => this.floats(`${name}.bias`, [outputsEach])) : []);
    return this.linearOf(names.join('+'), weight, inputs, outputs, biased ? bias : undefined);
  }

  /** A linear layer from its numbers [outputs, inputs]. */
  linearOf(
    label: string,
    weight: Float32Array,
    inputs: number,
    outputs: number,
    bias?: Float32Array,
  ): LinearWeights {
    const upload = (role: string, data: Float32Array) =>
      this.#arena.upload(`${label}.${role}`, data, 'weights');
    return {
      weight: upload('weight', weight),
      bias: bias && upload('bias', bias),
      inputs,
      outputs,
    };
  }
}

function concatenate(parts: Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
