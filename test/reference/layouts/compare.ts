import type { SafeTensor } from '../../../stages/clip/safetensors.ts';
import { InputError } from '../../../wgsl/core/index.ts';
import type { Row } from '../layout.ts';

type Numbers = ArrayLike<number>;

/** A tensor of a reference file, with its shape checked; letters stand for sizes that must agree within one `Shapes`. */
export class Shapes {
  readonly #path: string;
  readonly #tensors: ReadonlyMap<string, SafeTensor>;
  readonly #sizes = new Map<string, number>();

  constructor(path: string, tensors: ReadonlyMap<string, SafeTensor>) {
    this.#path = path;
    this.#tensors = tensors;
  }

  /** The tensor's values. `shape` has a number or a letter for each dimension: `['N', 3]`. */
  floats(name: string, shape: readonly (number | string)[]): Float32Array {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new InputError(`tensor "${name}" is missing; the layout needs it`, this.#path);
    const fits =
      tensor.shape.length === shape.length &&
      shape.every((size, i) => {
        if (typeof size === 'number') return size === tensor.shape[i];
        if (!this.#sizes.has(size)) this.#sizes.set(size, tensor.shape[i]);
        return this.#sizes.get(size) === tensor.shape[i];
      });
    if (!fits || !(tensor.data instanceof Float32Array)) {
      const sizes = [...this.#sizes].map(([letter, size]) => `${letter} = ${size}`).join(', ');
      throw new InputError(
        `tensor "${name}" is ${tensor.dtype} [${tensor.shape}]; floats [${shape}] are expected` +
          (sizes ? `, with ${sizes}` : ''),
        this.#path,
      );
    }
    return tensor.data;
  }

  size(letter: string): number {
    const size = this.#sizes.get(letter);
    if (size === undefined) throw new Error(`no tensor with a dimension ${letter} was read`);
    return size;
  }
}

/** Values that may differ by `limit` at most. */
export function absoluteRow(tensor: string, found: Numbers, expected: Numbers, limit: number): Row {
  const { maximum } = differences(found, expected);
  return {
    tensor,
    error: `${maximum.toExponential(2)} at most`,
    limit: limit.toExponential(0),
    pass: maximum <= limit,
  };
}

/** Gradients: relative in L2, and relative to the tensor's largest entry, where that has a limit. */
export function gradientRow(
  tensor: string,
  found: Numbers,
  expected: Numbers,
  limits: { l2: number; largest?: number },
): Row {
  const { maximum, l2, norm, largest } = differences(found, expected);
  const relative = ratio(l2, norm);
  const worst = ratio(maximum, largest);
  const bounded = limits.largest !== undefined;
  return {
    tensor,
    error:
      `${relative.toExponential(2)} relative L2` +
      (bounded ? `, ${worst.toExponential(2)} of the largest at most` : ''),
    limit: limits.l2.toExponential(0) + (bounded ? `, ${limits.largest!.toExponential(0)}` : ''),
    pass: relative <= limits.l2 && (!bounded || worst <= limits.largest!),
  };
}

/** Pictures [H, W, channels]: a few pixels, where a splat sits on a cut, may differ by more than the rest. */
export function pictureRow(
  tensor: string,
  found: Numbers,
  expected: Numbers,
  channels: number,
  limits: { tolerance: number; outlierTolerance: number; outlierShare: number; minOutliers: number },
): Row {
  const pixels = expected.length / channels;
  const allowed = Math.max(limits.minOutliers, Math.floor(limits.outlierShare * pixels));
  let outliers = 0;
  for (let pixel = 0; pixel < pixels; pixel++) {
    let worst = 0;
    for (let i = channels * pixel; i < channels * (pixel + 1); i++) {
      worst = Math.max(worst, Math.abs(found[i] - expected[i]));
    }
    if (!(worst <= limits.tolerance)) outliers++;
  }
  const { maximum } = differences(found, expected);
  const limit = limits.tolerance.toExponential(0);
  return {
    tensor,
    error: `${maximum.toExponential(2)} at most, ${outliers} of ${pixels} pixels beyond ${limit}`,
    limit: `${limit}, ${allowed} pixels ${limits.outlierTolerance.toExponential(0)}`,
    pass: maximum <= limits.outlierTolerance && outliers <= allowed,
  };
}

/** NaN in either gives NaN, which passes no limit. */
function differences(found: Numbers, expected: Numbers) {
  if (found.length < expected.length) throw new Error(`${found.length} values for ${expected.length}`);
  let [maximum, squares, norm, largest] = [0, 0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i] - expected[i]);
    maximum = Math.max(maximum, difference);
    squares += difference ** 2;
    norm += expected[i] ** 2;
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return { maximum, l2: Math.sqrt(squares), norm: Math.sqrt(norm), largest };
}

function ratio(error: number, size: number): number {
  return error === 0 ? 0 : error / size;
}
