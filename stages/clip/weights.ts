import { type Arena, InputError } from '../../wgsl/core/index.ts';
import type { LayerNormWeights } from '../../wgsl/nn/layer-norm.ts';
import type { LinearWeights } from '../../wgsl/nn/linear.ts';
import type { LinearValues, NormValues } from '../../wgsl/transformer/weights.ts';
import { excerpt } from '../artefacts/excerpt.ts';
import { checkFinite, readSafetensorsHeader, readTensor, type SafeTensor } from './safetensors.ts';
import type { Entry } from './safetensors-header.ts';
import type { Shapes } from './tensors.ts';

/** Where the files of a family keep a tensor: a whole tensor of theirs, its transpose, or some of its rows. */
export interface Place {
  /** The name in the files, and the whole shape there. */
  name: string;
  shape: readonly number[];
  /** The first row, if only as many rows as the canonical tensor has are meant. */
  firstRow?: number;
  isTransposed?: boolean;
}

/** The place of a tensor with a canonical name and shape. */
export type Placement = (name: string, shape: readonly number[]) => Place;

/** Files that hold the tensors of one model. */
export interface WeightFiles {
  /** The file that errors about a missing tensor name: the only one, or the index of several. */
  path: string;
  parts: readonly string[];
}

/** A tensor in a file. */
interface Found {
  path: string;
  entry: Entry;
}

/** The weights of a model under canonical names (`visionTensors`, `textTensors`). */
export interface TensorSource {
  /** A tensor in its canonical shape. @throws InputError when it is missing or invalid. */
  floats(name: string, shape: readonly number[]): Promise<Float32Array>;
}

/** The weights of a model's files, whatever their layout. */
export class ModelWeights implements TensorSource {
  readonly #path: string;
  readonly #entries: ReadonlyMap<string, Found>;
  readonly #placement: Placement;
  // Adjacent canonical tensors may be rows of one: it is read once.
  #last?: { name: string; data: SafeTensor['data'] };

  private constructor(path: string, entries: ReadonlyMap<string, Found>, placement: Placement) {
    this.#path = path;
    this.#entries = entries;
    this.#placement = placement;
  }

  /** Reads the headers of all files; tensors are read one by one. @throws InputError as `readSafetensors` does. */
  static async open({ path, parts }: WeightFiles, placement: Placement): Promise<ModelWeights> {
    const entries = new Map<string, Found>();
    for (const part of parts) {
      const header = await readSafetensorsHeader(part);
      for (const entry of header.entries) {
        const other = entries.get(entry.name);
        if (other) {
          throw new InputError(
            `has tensor ${excerpt(entry.name)}, and so has ${other.path}; fetch the model again`,
            part,
          );
        }
        entries.set(entry.name, { path: part, entry });
      }
    }
    return new ModelWeights(path, entries, placement);
  }

  /**
   * A tensor in its canonical shape, widened to f32.
   * @throws InputError when it is missing, has another shape, or contains integers, NaN or infinity.
   */
  async floats(name: string, shape: readonly number[]): Promise<Float32Array> {
    const place = this.#placement(name, shape);
    const { path, entry } = this.#find(place);
    const data = await this.#read(path, entry);
    if (!(data instanceof Float32Array)) throw new Error(`tensor ${place.name} was not widened to floats`);
    if (place.isTransposed) return transpose(data, place.shape);
    const row = shape.slice(1).reduce((product, length) => product * length, 1);
    const start = (place.firstRow ?? 0) * row;
    return place.firstRow === undefined ? data : data.subarray(start, start + shape[0] * row);
  }

  /** @throws InputError when a listed tensor is missing, has another shape, or contains integers. Reads no tensor. */
  checkShapes(shapes: Shapes): void {
    for (const [name, shape] of shapes) this.#find(this.#placement(name, shape));
  }

  /** @throws InputError as `floats` does, for any of the listed tensors. Reads all of them. */
  async check(shapes: Shapes): Promise<void> {
    this.checkShapes(shapes);
    const names = new Set([...shapes].map(([name, shape]) => this.#placement(name, shape).name));
    for (const name of names) {
      const { path, entry } = this.#entries.get(name)!;
      await this.#read(path, entry);
    }
    this.#last = undefined;
  }

  async #read(path: string, entry: Entry): Promise<SafeTensor['data']> {
    if (this.#last?.name === entry.name) return this.#last.data;
    this.#last = undefined;
    const { data } = await readTensor(path, entry);
    checkFinite(data, entry.name, path);
    this.#last = { name: entry.name, data };
    return data;
  }

  #find({ name, shape }: Place): Found {
    const found = this.#entries.get(name);
    const fail = (text: string, path: string) =>
      new InputError(`tensor ${JSON.stringify(name)} ${text}`, path);
    if (!found) throw fail('is missing; a model of this configuration needs it', this.#path);
    const { path, entry } = found;
    if (entry.shape.join() !== shape.join()) {
      throw fail(`is [${entry.shape}]; the configuration requires [${shape}]`, path);
    }
    if (entry.dtype.startsWith('I')) throw fail(`has dtype ${entry.dtype}; expected floats`, path);
    return found;
  }
}

/** Uploads the weights of a model. `shapes` lists the available tensors. */
export class WeightLoader {
  readonly #arena: Arena;
  readonly #weights: TensorSource;
  readonly #shapes: Shapes;

  constructor(arena: Arena, weights: TensorSource, shapes: Shapes) {
    this.#arena = arena;
    this.#weights = weights;
    this.#shapes = shapes;
  }

  /** The numbers of a tensor, by its canonical name. @throws InputError as `ModelWeights.floats` does. */
  floats(name: string): Promise<Float32Array> {
    return this.#weights.floats(name, this.shapeOf(name));
  }

  async buffer(name: string): Promise<GPUBuffer> {
    return this.#arena.upload(name, await this.floats(name), 'weights');
  }

  async layerNorm(name: string, epsilon: number): Promise<LayerNormWeights> {
    const weight = await this.buffer(`${name}.weight`);
    return { weight, bias: await this.buffer(`${name}.bias`), epsilon };
  }

  /**
   * Concatenates layers of the same input into one: their outputs follow each other. With a bias if the list has one;
   * weights of more than two dimensions (a patch embedding) are read as [outputs, inputs].
   */
  async linear(...names: string[]): Promise<LinearWeights> {
    const { weight, bias, inputs, outputs } = await this.linearValues(...names);
    const upload = (role: string, values: Float32Array) =>
      this.#arena.upload(`${names.join('+')}.${role}`, values, 'weights');
    return { weight: upload('weight', weight), bias: bias && upload('bias', bias), inputs, outputs };
  }

  /** The numbers of `linear`. */
  async linearValues(...names: string[]): Promise<LinearValues> {
    const shape = this.shapeOf(`${names[0]}.weight`);
    const floats = async (role: string) => {
      const parts: Float32Array[] = [];
      for (const name of names) parts.push(await this.floats(`${name}.${role}`));
      return concatenate(parts);
    };
    return {
      weight: await floats('weight'),
      bias: this.#shapes.has(`${names[0]}.bias`) ? await floats('bias') : undefined,
      inputs: shape.slice(1).reduce((product, length) => product * length, 1),
      outputs: shape[0] * names.length,
    };
  }

  /** The numbers of a layer norm. */
  async normValues(name: string): Promise<NormValues> {
    const weight = await this.floats(`${name}.weight`);
    return { weight, bias: await this.floats(`${name}.bias`) };
  }

  /** The canonical shape of a tensor. */
  shapeOf(name: string): readonly number[] {
    const shape = this.#shapes.get(name);
    if (!shape) throw new Error(`tensor ${name} is not in the list of tensors`);
    return shape;
  }
}

function transpose(data: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const turned = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) turned[(i % columns) * rows + Math.floor(i / columns)] = data[i];
  return turned;
}

/** Arrays one after the other. */
function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0];
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
