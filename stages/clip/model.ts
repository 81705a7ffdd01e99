import { type Arena, type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { PackedEncoder } from '../../wgsl/transformer/weights.ts';
import { type ClipDescription, describeClip, tokenIds } from './directory.ts';
import { encodeTextsOnnx } from './onnx-text.ts';
import { packVision } from './packed-vision.ts';
import { type Precision, resolvePrecision } from './precision.ts';
import type { Preprocessor } from './preprocessor.ts';
import { encodeTexts } from './text.ts';
import type { Towers } from './towers.ts';
import { loadVision, type VisionWeights } from './vision.ts';
import { ModelWeights, type TensorSource } from './weights.ts';

/** Texts in one pass of the text encoder: its widest activations fit into 128 MiB for all models of 77 tokens. */
const TEXTS_AT_ONCE = 32;

/**
 * A CLIP model: embeds texts, and owns the weights of the image encoder on the GPU for the programs of objectives and
 * scorers. Destroy it after those.
 */
export class ClipModel {
  readonly gpu: Gpu;
  /** The folder of its files. */
  readonly directory: string;
  /** `owner/name` on the Hugging Face Hub, or the name of the folder. */
  readonly name: string;
  /** Shapes of the image encoder and the text encoder. */
  readonly towers: Towers;
  /** Size, mean and standard deviation of the image encoder's input. */
  readonly preprocessor: Preprocessor;
  /** Tensors by canonical name, read from the files when needed. */
  readonly weights: TensorSource;
  /** Of the image encoder; texts are embedded in f32. */
  readonly precision: Precision;
  readonly #description: ClipDescription;
  readonly #arena: Arena;
  #vision?: Promise<VisionWeights>;
  #packed?: Promise<PackedEncoder>;

  constructor(
    gpu: Gpu,
    description: ClipDescription,
    weights: TensorSource,
    precision: Precision | 'auto' = 'auto',
  ) {
    this.gpu = gpu;
    this.directory = description.folder;
    this.name = description.name;
    this.towers = description.towers;
    this.preprocessor = description.preprocessor;
    this.weights = weights;
    this.precision = resolvePrecision(gpu, description.towers, precision);
    this.#description = description;
    this.#arena = gpu.arena('clip');
  }

  /** Width D of embeddings. */
  get dimensions(): number {
    return this.towers.dimensions;
  }

  /** Side of the image encoder's input, pixels. */
  get imageSize(): number {
    return this.towers.vision.imageSize;
  }

  /** The weights of the image encoder, uploaded at the first call. @throws InputError when one is missing or invalid. */
  vision(): Promise<VisionWeights> {
    this.#vision ??= loadVision(this.#arena, this.towers, this.weights);
    return this.#vision;
  }

  /** The same for tensor cores. */
  packedVision(): Promise<PackedEncoder> {
    this.#packed ??= packVision(this.#arena, this.towers, this.weights);
    return this.#packed;
  }

  /** Token ids of a text, cut or padded to the context length. @throws InputError when the tokenizer is not this model's. */
  tokenize(text: string): number[] {
    return tokenIds(this.#description, text);
  }

  /**
   * Embeddings f32 [T, D] of unit length, from onnxruntime if the model has an ONNX text encoder, else from the GPU.
   * @throws InputError when there is no text, or a weight of the model is missing or invalid.
   */
  async embedTexts(texts: readonly string[]): Promise<Float32Array> {
    if (!texts.length) throw new InputError('no text to embed');
    const ids = texts.map((text) => this.tokenize(text));
    const { onnxText } = this.#description.files;
    const embeds = new Float32Array(this.dimensions * texts.length);
    for (let first = 0; first < ids.length; first += TEXTS_AT_ONCE) {
      const some = ids.slice(first, first + TEXTS_AT_ONCE);
      const raw = onnxText
        ? await encodeTextsOnnx(onnxText, some, this.dimensions)
        : await encodeTexts(this.gpu, this.towers, this.weights, some);
      embeds.set(raw, first * this.dimensions);
    }
    for (let i = 0; i < texts.length; i++)
      normalise(embeds.subarray(i * this.dimensions, (i + 1) * this.dimensions), texts[i]);
    return embeds;
  }

  /** The error about a number of the image encoder that is infinite or no number. `what` names it. */
  notFinite(what: string): InputError {
    const advice =
      this.precision === 'f16'
        ? 'set precision: f32; if it fails too, the weights are damaged'
        : 'its weights are damaged or too large; fetch it again or use another model';
    return new InputError(`${what} of the CLIP model is not finite: ${advice}`, this.directory);
  }

  /** Factor of the cosines before the softmax over texts (CLIP) or the sigmoid (SigLIP): e to the learnt `logit_scale`. */
  async logitScale(): Promise<number> {
    const [logarithm] = await this.weights.floats('logit_scale', []);
    return Math.exp(logarithm);
  }

  /** Frees the weights of the image encoder. Destroy objectives first. Texts can still be embedded. */
  destroy(): void {
    this.#vision = undefined;
    this.#packed = undefined;
    this.#arena.destroy();
  }
}

/**
 * Opens a model: a folder of the Hugging Face layout (`config.json`, `tokenizer.json`, `preprocessor_config.json`,
 * `model.safetensors` in f32, f16 or bf16), `owner/name[@revision]` in the cache of the Hugging Face Hub on this machine, or
 * `demo`, the small model of the package, which is the default.
 *
 * @throws InputError with the file and its fault.
 */
export async function openClip(
  gpu: Gpu,
  model?: string,
  precision: Precision | 'auto' = 'auto',
): Promise<ClipModel> {
  const description = await describeClip(model);
  const weights = await ModelWeights.open(description.files.weights, description.family.place);
  return new ClipModel(gpu, description, weights, precision);
}

function normalise(row: Float32Array, text: string): void {
  const length = Math.hypot(...row);
  if (!(length > 0 && Number.isFinite(length))) {
    throw new InputError(
      `the embedding of ${JSON.stringify(text)} has length ${length}: the model's weights are broken`,
    );
  }
  for (let i = 0; i < row.length; i++) row[i] /= length;
}
