import { test } from 'uvu';
import { ACTIVATIONS, activation } from '../wgsl/nn/elementwise.ts';
import { Graph } from '../wgsl/nn/graph.ts';
import { Program } from '../wgsl/nn/program.ts';
import { withGpu } from './helpers/gpu.ts';
import { checkOp, near, targetsOf } from './helpers/vjp.ts';
import { erf, gelu, geluTanh, quickGelu } from './reference/activation.ts';

const REFERENCE = { gelu, quick_gelu: quickGelu, gelu_tanh: geluTanh };

test('all activations, forward and backward', () =>
  withGpu(async (_, arena) => {
    for (const kind of ACTIVATIONS) {
      await checkOp(arena, {
        shapes: [[3, 67]],
        build: (graph, [x]) => activation(graph, 'activation', x, kind),
        reference: ([x]) => x.map(REFERENCE[kind]),
        range: [-7, 7],
        tolerance: 1e-6,
      });
    }
  }));

test('gelu keeps erf to 2e-7 everywhere, and saturates', () =>
  withGpu(async (gpu, arena) => {
    const x = Float32Array.from({ length: 20001 }, (_, i) => (i - 10000) / 1000);
    x[0] = -1e4;
    x[20000] = 1e4;
    const graph = new Graph();
    const input = graph.input('x', [x.length], false);
    const output = activation(graph, 'activation', input, 'gelu');
    const program = await Program.compile(arena, graph, { outputs: [output] });
    gpu.write(program.buffer(input), x, 'test');
    gpu.run('test', (recorder) => program.recordForward(recorder));
    const found = await gpu.readFloats(program.buffer(output), 'test');
    // 2·gelu/x − 1 = erf(x/√2), where the division does not magnify the rounding of 1 + erf
    const parts = [...x.keys()].filter((i) => Math.abs(x[i]) > 0.01);
    near(
      parts.map((i) => (2 * found[i]) / x[i] - 1),
      parts.map((i) => erf(x[i] / Math.SQRT2)),
      2e-7,
      'erf',
    );
  }));

test('the tanh form saturates without overflow, forward and backward', () =>
  withGpu(async (gpu, arena) => {
    const x = Float32Array.of(-1e4, -40, -12, -10, -9, 9, 10, 12, 40, 1e4);
    const graph = new Graph();
    const input = graph.input('x', [x.length], true);
    const output = activation(graph, 'activation', input, 'gelu_tanh');
    for (const target of targetsOf(gpu)) {
      const options = { outputs: [output], gradOutputs: [output], target };
      const program = await Program.compile(arena, graph, options);
      gpu.write(program.buffer(input), x, 'test');
      gpu.write(program.gradient(output), new Float32Array(x.length).fill(1), 'test');
      gpu.run('test', (recorder) => {
        program.recordForward(recorder);
        program.recordBackward(recorder);
      });
      near(await gpu.readFloats(program.buffer(output), 'test', x.length), x.map(geluTanh), 1e-6, 'y');
      const derivative = x.map((value) => Number(value > 0));
      near(await gpu.readFloats(program.gradient(input), 'test', x.length), derivative, 1e-6, 'dy/dx');
    }
  }));

test.run();
