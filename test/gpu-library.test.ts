/** The exports of `splatline/gpu`, their docstrings, and the examples of docs/gpu-library.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format } from 'node:util';
import ts from 'typescript';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { create } from 'webgpu';
import * as library from '../pipeline/gpu.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const entry = join(root, 'pipeline/gpu.ts');

interface Example {
  title: string;
  code: string;
  /** The lines that it prints. */
  prints: string[];
}

/** The document's examples, each complete with the set-up. */
function readExamples(): Example[] {
  const document = readFileSync(join(root, 'docs/gpu-library.md'), 'utf8');
  const blocks = [...document.matchAll(/^```ts\n((?:(?!```).*\n)*)/gm)];
  const [setUp, ...examples] = blocks.map(([, code]) => code);
  return examples.map((code, i) => {
    const title = document
      .slice(0, blocks[i + 1].index)
      .match(/^## (.*)$/gm)!
      .at(-1)!
      .slice(3);
    const complete = code.includes('openGpu(') ? code : `${setUp}\n${code}`;
    return {
      title,
      code: `${complete}\nawait gpu.settle();\ngpu.close();\n`.replaceAll("'splatline/gpu'", `'${entry}'`),
      prints: [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line),
    };
  });
}

const folder = scratchFolder();
const examples = readExamples().map((example, i) => ({
  ...example,
  file: put(folder, `example-${i}.mts`, example.code),
}));

// What a browser has.
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) }, configurable: true });

const adapter = await navigator.gpu.requestAdapter();
const noTimestamps = adapter?.features.has('timestamp-query')
  ? undefined
  : 'the adapter offers no timestamps';

for (const { title, file, prints } of examples) {
  const reason = title === 'Profiler' ? noTimestamps : undefined;
  testUnless(test, reason, `the example runs: ${title}`, async () => {
    const printed: string[] = [];
    const { log } = console;
    console.log = (...values) => printed.push(format(...values));
    try {
      await import(pathToFileURL(file).href);
    } finally {
      console.log = log;
    }
    assert.ok(prints.length);
    assert.equal(printed, prints);
  });
}

/** Adding or removing a name is a decision, repeated here. */
const SURFACE = {
  values: [
    'Adam',
    'ClipObjective',
    'FromRgba8',
    'GpuError',
    'InputError',
    'NEEDED_LIMITS',
    'ParameterGradients',
    'PhotometricLoss',
    'PhotometricMetrics',
    'Profiler',
    'RANDOM',
    'RASTER_COUNTERS',
    'RadixSort',
    'Rasterizer',
    'RasterizerBackward',
    'Readback',
    'Scan',
    'SplatAdam',
    'SplatRenderer',
    'ToRgba8',
    'defineKernel',
    'describeMissing',
    'gridFor',
    'loopingGrid',
    'missingLimits',
    'openClip',
    'openGpu',
    'permutation',
    'psnr',
    'random4',
    'randomInt',
  ],
  types: [
    'AdamOptions',
    'AdamTensor',
    'AdapterReport',
    'Arena',
    'Bindings',
    'BoundKernel',
    'BoundPhoto',
    'ClipModel',
    'ClipObjectiveOptions',
    'Constants',
    'CropAugment',
    'Data',
    'GaussianBuffers',
    'Gaussians',
    'Gpu',
    'Kernel',
    'KernelDefinition',
    'KernelTarget',
    'KernelUse',
    'KernelVariant',
    'LimitName',
    'LossOptions',
    'MissingLimit',
    'OpenOptions',
    'PictureOptions',
    'PictureSize',
    'PinholeCamera',
    'Place',
    'Purpose',
    'RadixSortOptions',
    'RandomPurpose',
    'RasterizerOptions',
    'ReadbackOptions',
    'ReadbackPart',
    'ReadbackParts',
    'ReadbackSlot',
    'Recorder',
    'RenderTarget',
    'Rgb',
    'ScanOptions',
    'SpanTotal',
    'SplatAdamOptions',
    'SplatRates',
    'StructLayout',
    'ViewOptions',
  ],
};

const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} };
const { options } = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, host)!;
const program = ts.createProgram([entry, ...examples.map(({ file }) => file)], {
  ...options,
  noUnusedLocals: false,
});
const checker = program.getTypeChecker();
const exported = checker
  .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)!)!)
  .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));

test('the examples have no type errors', () => {
  const errors = examples.flatMap(({ title, file }) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(file))
      .map(({ messageText }) => `${title}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`),
  );
  assert.equal(errors, []);
});

test('the entry exports exactly this', () => {
  assert.equal(Object.keys(library).sort(), SURFACE.values);
  const types = exported.map(({ name }) => name).filter((name) => !(name in library));
  assert.equal(types.sort(), SURFACE.types);
});

test('every export, and every public method of a class, has a docstring', () => {
  const bare = exported.flatMap((symbol) => {
    const isClass = symbol.flags & ts.SymbolFlags.Class;
    const members = isClass ? [...symbol.members!.values(), ...symbol.exports!.values()] : [];
    const methods = members.filter(
      ({ flags, name }) => flags & ts.SymbolFlags.Method && !name.startsWith('#'),
    );
    return [symbol, ...methods]
      .filter((of) => !of.getDocumentationComment(checker).length)
      .map((of) => (of === symbol ? of.name : `${symbol.name}.${of.name}`));
  });
  assert.equal(bare, []);
});

test.run();
