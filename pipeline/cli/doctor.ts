import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkClip } from '../../stages/clip/check.ts';
import { GET_CLIP, MODEL_FILES } from '../../stages/clip/directory.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { EXIT } from '../exit.ts';
import { openDevice } from '../open-device.ts';
import { packageVersion } from '../run/manifest.ts';
import { isNodeEnough, neededNode } from '../setup.mjs';

/** The result of one check. */
interface Check {
  name: string;
  ok: boolean;
  /** Needed by some work only. */
  optional?: boolean;
  /** Facts, one a line. */
  found: string[];
  /** The command that fixes it, or what to do. */
  fix?: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Only a checkout has a lock file. */
const REINSTALL = existsSync(join(ROOT, 'package-lock.json')) ? 'npm ci' : 'npm install splatline';

/** Checks this machine and prints the results. Gives the exit code: 3 without an adapter, 1 if anything else is missing. */
export async function doctor(models: readonly string[], json = false): Promise<number> {
  const checks = [
    checkNode(),
    await checkAdapter(),
    ...(await checkPackages()),
    await checkVideoEncoder(),
    ...(await checkModels(models)),
  ];
  const splatline = await packageVersion();
  const text = json
    ? JSON.stringify({ splatline, checks }, null, 2)
    : [`splatline ${splatline}`, ...checks.map(checkText)].join('\n');
  process.stdout.write(`${text}\n`);
  const failed = checks.filter(({ ok, optional }) => !ok && !optional);
  if (!failed.length) return EXIT.ok;
  return failed.some(({ name }) => name === 'adapter') ? EXIT.gpu : EXIT.fault;
}

function checkText({ name, ok, optional, found, fix }: Check): string {
  const [first, ...others] = found;
  return [
    `${(ok ? 'ok' : optional ? 'absent' : 'MISSING').padEnd(8)} ${name}: ${first}`,
    ...others.map((fact) => `           ${fact}`),
    ...(fix ? [`           to fix: ${fix}`] : []),
  ].join('\n');
}

function checkNode(): Check {
  const { node } = process.versions;
  const found = [`${node}, ${process.platform} ${process.arch}`];
  if (isNodeEnough(node)) return { name: 'node', ok: true, found };
  return { name: 'node', ok: false, found, fix: `install Node ${neededNode()} or newer (nodejs.org)` };
}

/** Opens the adapter as a run would. */
async function checkAdapter(): Promise<Check> {
  const name = 'adapter';
  let gpu: Gpu;
  try {
    gpu = await openDevice();
  } catch (error) {
    const fix = 'npx splatline setup   (or install your GPU vendor’s driver with Vulkan)';
    return { name, ok: false, found: [firstLine(error), ...(await vulkanDrivers())], fix };
  }
  const { vendor, architecture, device, description, features, subgroupMinSize, subgroupMaxSize } =
    gpu.adapter;
  const { limits } = gpu.device;
  const subgroups =
    subgroupMinSize === subgroupMaxSize ? `${subgroupMinSize}` : `${subgroupMinSize} to ${subgroupMaxSize}`;
  const found = [
    `${device || 'unnamed'} (${[vendor, architecture].filter(Boolean).join(' ')})`,
    `driver: ${description || 'no description'}`,
    `features: ${features.join(', ') || 'none'}`,
    `subgroups of ${subgroups}`,
    `largest buffer ${bytes(limits.maxBufferSize)}, largest binding ${bytes(limits.maxStorageBufferBindingSize)}, ` +
      `${limits.maxStorageBuffersPerShaderStage} storage buffers a kernel, workgroup memory ${bytes(limits.maxComputeWorkgroupStorageSize)}`,
    ...(await vulkanDrivers()),
  ];
  gpu.close();
  return { name, ok: true, found };
}

/** The Vulkan drivers that the loader would find on Linux. */
async function vulkanDrivers(): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  const named = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES;
  if (named) return [`Vulkan drivers, by environment: ${named.split(delimiter).join(', ')}`];
  const folders = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];
  const files = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
  return [`Vulkan drivers: ${files.flat().join(', ') || 'none'}`];
}

/** Packages with native parts, which an install may have left out, and what each is for. */
const PACKAGES = [
  ['webgpu', 'the GPU', () => import('webgpu')],
  ['sharp', 'photographs', () => import('sharp')],
  ['@huggingface/tokenizers', 'prompts', () => import('@huggingface/tokenizers')],
  ['mediabunny', 'MP4 files', () => import('mediabunny')],
] as const;

async function checkPackages(): Promise<Check[]> {
  const needed = PACKAGES.map(([name, use, load]) => checkPackage(name, use, load, REINSTALL));
  const onnx = checkPackage(
    'onnxruntime-node',
    'text encoders in ONNX format',
    () => import('onnxruntime-node'),
    'npm install --ignore-scripts onnxruntime-node   (its script wants CUDA from the network; it works without)',
  );
  return Promise.all([...needed, onnx.then((check) => ({ ...check, optional: true }))]);
}

async function checkPackage(
  name: string,
  use: string,
  load: () => Promise<unknown>,
  fix: string,
): Promise<Check> {
  try {
    await load();
    return { name, ok: true, found: [`${await versionOf(name)}, for ${use}`] };
  } catch (error) {
    return { name, ok: false, found: [`cannot be loaded (${firstLine(error)}); it is for ${use}`], fix };
  }
}

/** Asks for H.264 at a common size: the encoder is native code under a licence of its own and may lack it. */
async function checkVideoEncoder(): Promise<Check> {
  const name = 'video encoder';
  try {
    const { VideoEncoder } = await import('@napi-rs/webcodecs');
    const config = { codec: 'avc1.640028', width: 960, height: 540, framerate: 30, bitrate: 2e6 };
    const { supported } = await VideoEncoder.isConfigSupported(config);
    const version = await versionOf('@napi-rs/webcodecs');
    if (supported) return { name, ok: true, found: [`H.264 by @napi-rs/webcodecs ${version}`] };
    const fix = 'set `video: false` in the orbit stage: frames/*.png are written all the same';
    return { name, ok: false, found: ['no H.264'], fix };
  } catch (error) {
    return { name, ok: false, found: [firstLine(error)], fix: REINSTALL };
  }
}

/** Checks the CLIP models in `prompts/` and in these folders. */
async function checkModels(folders: readonly string[]): Promise<Check[]> {
  const prompts = join(ROOT, 'prompts');
  const packaged = (await readdir(prompts).catch(() => []))
    .map((name) => join(prompts, name))
    .filter((folder) => existsSync(join(folder, 'config.json')));
  const checks = await Promise.all([...packaged, ...folders].map(checkModel));
  if (checks.length) return checks;
  const fix = 'the package contains prompts/demo-clip: install it again, or name a model folder with `clip:`';
  return [{ name: 'CLIP model', ok: false, found: [`none in ${prompts}`], fix }];
}

async function checkModel(folder: string): Promise<Check> {
  const name = 'CLIP model';
  const missing = MODEL_FILES.filter((file) => !existsSync(join(folder, file))).join(', ');
  if (missing) {
    const fix = `put ${missing} of the same model from the Hugging Face hub there`;
    return { name, ok: false, found: [`${folder} lacks ${missing}`], fix };
  }
  try {
    const { files } = await checkClip(folder);
    const { size } = await stat(files.weights);
    const text = files.onnxText ? 'text encoder in ONNX format' : 'text encoder on the GPU';
    return { name, ok: true, found: [`${folder}, ${bytes(size)}, ${text}`] };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { name, ok: false, found: [error.message], fix: `fetch the model again: ${GET_CLIP}` };
  }
}

/** The version in a package's own package.json, which its `exports` may hide from `import`. */
async function versionOf(name: string): Promise<string> {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const text = await readFile(join(folder, name, 'package.json'), 'utf8').catch(() => undefined);
    if (text) return (JSON.parse(text) as { version: string }).version;
  }
  return 'of unknown version';
}

function firstLine(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0] : String(error);
}

function bytes(count: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${Number((count / 1024 ** power).toPrecision(3))} ${units[power]}`;
}
