import type { Arena } from '../../wgsl/core/index.ts';
import type { LayerNormWeights } from '../../wgsl/nn/layer-norm.ts';
import type { LinearWeights } from '../../wgsl/nn/linear.ts';
import { checkFinite, type SafetensorsFile } from './safetensors.ts';
import { checkTensor, type Shapes } from './tensors.ts';

/**
 * Uploads tensors of a model file, checking the shape of each and that its numbers are finite. `shapes` lists the available
 * tensors.
 */
export class WeightLoader {
  readonly #arena: Arena;
  readonly #file: SafetensorsFile;
  readonly #shapes: Shapes;

  constructor(arena: Arena, file: SafetensorsFile, shapes: Shapes) {
    this.#arena = arena;
    this.#file = file;
    this.#shapes = shapes;
  }

  /** @throws InputError when the tensor is missing, has another shape, or contains NaN or infinity. */
  floats(name: string): Float32Array {
    const { path, tensors } = this.#file;
    const tensor = tensors.get(name);
    checkTensor(path, name, this.#shapeOf(name), tensor);
    if (!(tensor?.data instanceof Float32Array)) throw new Error(`tensor ${name} was not widened to floats`);
    checkFinite(tensor.data, name, path);
    return tensor.data;
  }

  buffer(name: string): GPUBuffer {
    return this.#arena.upload(name, this.floats(name), 'weights');
  }

  layerNorm(name: string, epsilon: number): LayerNormWeights {
    return { weight: this.buffer(`${name}.weight`), bias: this.buffer(`${name}.bias`), epsilon };
  }

  /**
   * Concatenates layers of the same input into one: their outputs follow each other. With a bias if the list has one;
   * weights of more than two dimensions (a patch embedding) are read as [outputs, inputs].
   */
  linear(...names: string[]): LinearWeights {
    const shape = this.#shapeOf(`${names[0]}.weight`);
    const inputs = shape.slice(1).reduce((product, length) => product * length, 1);
    const upload = (role: string) => {
      const numbers = concatenate(names.map((name) => this.floats(`${name}.${role}`)));
      return this.#arena.upload(`${names.join('+')}.${role}`, numbers, 'weights');
    };
    return {
      weight: upload('weight'),
      bias: this.#shapes.has(`${names[0]}.bias`) ? upload('bias') : undefined,
      inputs,
      outputs: shape[0] * names.length,
    };
  }

  #shapeOf(name: string): readonly number[] {
    const shape = this.#shapes.get(name);
    if (!shape) throw new Error(`tensor ${name} is not in the list of tensors`);
    return shape;
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
