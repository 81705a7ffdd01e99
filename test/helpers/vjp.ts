import * as assert from 'uvu/assert';
import type { Arena, Gpu, KernelTarget } from '../../wgsl/core/index.ts';
import { add } from '../../wgsl/nn/elementwise.ts';
import { Graph, size, type Tensor } from '../../wgsl/nn/graph.ts';
import { Program } from '../../wgsl/nn/program.ts';
import { uniform } from './numbers.ts';

/** The targets with kernel variants of their own in wgsl/nn that the device supports. */
export function targetsOf(gpu: Gpu): KernelTarget[] {
  return (['cpu', 'portable'] as const).filter((target) => gpu.supports(target));
}

/** A plain function of tensors, in double precision: the reference of an op. */
export type Reference = (inputs: readonly Float64Array[]) => Float64Array;

/** Σ_j seed_j ∂f_j/∂x_i of one input, for every `every`-th i, by central differences of the double-precision reference. */
export function differences(
  f: Reference,
  inputs: readonly Float64Array[],
  which: number,
  seed: ArrayLike<number>,
  every = 1,
) {
  const step = 1e-5;
  const along = (i: number, shift: number) => {
    const moved = inputs.map((input) => Float64Array.from(input));
    moved[which][i] += shift;
    return f(moved);
  };
  const count = Math.ceil(inputs[which].length / every);
  return Float64Array.from({ length: count }, (_, at) => {
    const i = at * every;
    const [plus, minus] = [along(i, step), along(i, -step)];
    return plus.reduce((sum, value, j) => sum + ((value - minus[j]) / (2 * step)) * seed[j], 0);
  });
}

/** |found − expected| ≤ tolerance·(1 + |expected|) for every entry, and enough entries; all mismatches counted. */
export function near(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.ok(expected.length > 0, `${what}: nothing to compare`);
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(found[i] - expected[i]);
    if (error <= tolerance * (1 + Math.abs(expected[i]))) continue;
    if (!wrong++) first = i;
  }
  assert.is(
    wrong,
    0,
    `${what}: ${wrong} of ${expected.length} differ, first [${first}]: ${found[first]}, expected ${expected[first]}`,
  );
}

export interface OpCase {
  shapes: readonly (readonly number[])[];
  build: (graph: Graph, inputs: Tensor[]) => Tensor;
  reference: Reference;
  /** Tolerance of `near`. */
  tolerance: number;
  seed?: number;
  range?: readonly [number, number];
  /** Gradients are compared at every so many entries; 1 unless given. */
  every?: number;
}

/**
 * Compares an op with its reference, and its gradients with differences of the reference, for every target; then the same with
 * the op applied twice to the same inputs, where the second gradient accumulates.
 */
export async function checkOp(
  arena: Arena,
  { shapes, build, reference, tolerance, seed = 1, range = [-2, 2], every = 1 }: OpCase,
) {
  const inputs = shapes.map((shape, i) => uniform(size({ shape }), seed + i, ...range));
  const doubles = inputs.map((input) => Float64Array.from(input));
  const expected = reference(doubles);
  const cotangent = uniform(expected.length, seed + 77, -1, 1);
  const gradients = doubles.map((_, i) => differences(reference, doubles, i, cotangent, every));
  for (const target of targetsOf(arena.gpu)) {
    for (const times of [1, 2]) {
      const what = `${target} ×${times}`;
      const graph = new Graph();
      const values = shapes.map((shape, i) => graph.input(`input${i}`, shape, true));
      let output = build(graph, values);
      assert.is(size(output), expected.length, `${what}: size of the output`);
      if (times === 2) output = add(graph, 'twice', output, build(graph, values));
      const program = await Program.compile(arena, graph, {
        outputs: [output],
        gradOutputs: [output],
        target,
      });
      values.forEach((value, i) => {
        arena.gpu.write(program.buffer(value), inputs[i], 'test');
      });
      arena.gpu.write(program.gradient(output), cotangent, 'test');
      // Twice: a second run must not see anything of the first.
      for (let run = 0; run < 2; run++) {
        arena.gpu.run('test', (recorder) => {
          program.recordForward(recorder);
          program.recordBackward(recorder);
        });
      }
      const found = await arena.gpu.readFloats(program.buffer(output), 'test', expected.length);
      near(
        found,
        expected.map((value) => times * value),
        tolerance,
        `${what}: forward`,
      );
      for (const [i, value] of values.entries()) {
        const gradient = await arena.gpu.readFloats(program.gradient(value), 'test', inputs[i].length);
        near(
          gradient.filter((_, at) => at % every === 0),
          gradients[i].map((v) => times * v),
          tolerance,
          `${what}: gradient of input ${i}`,
        );
      }
    }
  }
}
