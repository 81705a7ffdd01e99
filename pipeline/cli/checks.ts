import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkClip } from '../../stages/clip/check.ts';
import { GET_CLIP, MODEL_FILES } from '../../stages/clip/directory.ts';
import { type Gpu, InputError, openGpu } from '../../wgsl/core/index.ts';
import { isNodeEnough, neededNode } from '../setup.mjs';

/** One thing that doctor looked at. */
export interface Check {
  name: string;
  ok: boolean;
  /** Some work does without it. */
  optional?: boolean;
  /** What was found, a fact a line. */
  found: string[];
  /** The line that mends it, or what to do. */
  mend?: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Only a checkout has a lock file beside it. */
const REINSTALL = existsSync(join(ROOT, 'package-lock.json')) ? 'npm ci' : 'npm install splatline';

export function checkNode(version = process.versions.node): Check {
  const ok = isNodeEnough(version);
  return {
    name: 'node',
    ok,
    found: [`${version}, ${process.platform} ${process.arch}`],
    ...(ok ? {} : { mend: `install Node ${neededNode()} or newer (nodejs.org)` }),
  };
}

/** Opens the adapter as a run would, and says what it offers. */
export async function checkAdapter(open: () => Promise<Gpu> = openGpu): Promise<Check> {
  const name = 'adapter';
  let gpu: Gpu;
  try {
    gpu = await open();
  } catch (error) {
    const found = [
      error instanceof Error ? error.message.split('\n')[0] : String(error),
      ...(await vulkanDrivers()),
    ];
    return {
      name,
      ok: false,
      found,
      mend: 'npx splatline setup   (or install your GPU vendor’s driver with Vulkan)',
    };
  }
  const { vendor, architecture, device, description, features, subgroupMinSize, subgroupMaxSize } =
    gpu.adapter;
  const { limits } = gpu.device;
  const subgroups =
    subgroupMinSize === subgroupMaxSize ? `${subgroupMinSize}` : `${subgroupMinSize} to ${subgroupMaxSize}`;
  const found = [
    `${device || 'unnamed'} (${[vendor, architecture].filter(Boolean).join(' ')})`,
    `driver: ${description || 'says nothing of itself'}`,
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

/** Packages with native parts, and what each is for: an install that left one out is found here. */
const PACKAGES = [
  ['webgpu', 'the GPU', () => import('webgpu')],
  ['sharp', 'photographs', () => import('sharp')],
  ['@huggingface/tokenizers', 'prompts', () => import('@huggingface/tokenizers')],
  ['mediabunny', 'MP4 files', () => import('mediabunny')],
] as const;

export async function checkPackages(): Promise<Check[]> {
  const needed = PACKAGES.map(([name, use, load]) => checkPackage(name, use, load, REINSTALL));
  const optional = checkPackage(
    'onnxruntime-node',
    'text encoders that come as ONNX',
    () => import('onnxruntime-node'),
    'npm install --ignore-scripts onnxruntime-node   (its script wants CUDA from the network; it works without)',
  );
  return Promise.all([...needed, optional.then((check) => ({ ...check, optional: true }))]);
}

async function checkPackage(
  name: string,
  use: string,
  load: () => Promise<unknown>,
  mend: string,
): Promise<Check> {
  try {
    await load();
    return { name, ok: true, found: [`${await versionOf(name)}, for ${use}`] };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { name, ok: false, found: [`cannot be loaded (${reason}); it is for ${use}`], mend };
  }
}

/** H.264 frames at a common size: the encoder is native code with licences of its own, and may be missing. */
export async function checkVideoEncoder(): Promise<Check> {
  const name = 'video encoder';
  try {
    const { VideoEncoder } = await import('@napi-rs/webcodecs');
    const config = { codec: 'avc1.640028', width: 960, height: 540, framerate: 30, bitrate: 2e6 };
    const { supported } = await VideoEncoder.isConfigSupported(config);
    if (supported)
      return {
        name,
        ok: true,
        found: [`H.264 by @napi-rs/webcodecs ${await versionOf('@napi-rs/webcodecs')}`],
      };
    return {
      name,
      ok: false,
      found: ['no H.264'],
      mend: 'set `video: false` in the orbit stage: frames/*.png are written all the same',
    };
  } catch (error) {
    return {
      name,
      ok: false,
      found: [error instanceof Error ? error.message.split('\n')[0] : String(error)],
      mend: REINSTALL,
    };
  }
}

/** CLIP models in `prompts/` and in folders named on the command line. */
export async function checkModels(folders: readonly string[]): Promise<Check[]> {
  const prompts = join(ROOT, 'prompts');
  const carried = (await readdir(prompts).catch(() => [])).map((name) => join(prompts, name));
  const candidates: string[] = [];
  for (const folder of carried) if (await isFile(join(folder, 'config.json'))) candidates.push(folder);
  const checks = await Promise.all([...candidates, ...folders].map(checkModel));
  if (checks.length) return checks;
  const mend = 'the package carries prompts/demo-clip: install it again, or name a model folder with `clip:`';
  return [{ name: 'CLIP model', ok: false, found: [`none in ${prompts}`], mend }];
}

async function checkModel(folder: string): Promise<Check> {
  const name = 'CLIP model';
  const missing: string[] = [];
  for (const file of MODEL_FILES) if (!(await isFile(join(folder, file)))) missing.push(file);
  if (missing.length) {
    const mend = `put ${missing.join(', ')} of the same model from the Hugging Face hub there`;
    return { name, ok: false, found: [`${folder} lacks ${missing.join(', ')}`], mend };
  }
  try {
    const { files } = await checkClip(folder);
    const { size } = await stat(files.weights);
    const text = files.onnxText ? 'text encoder as ONNX' : 'text encoder on the GPU';
    return { name, ok: true, found: [`${folder}, ${bytes(size)}, ${text}`] };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { name, ok: false, found: [error.message], mend: `fetch the model again: ${GET_CLIP}` };
  }
}

async function isFile(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ?? false;
}

/** The version in a package's own package.json, which `exports` may hide from `import`. */
async function versionOf(name: string): Promise<string> {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const text = await readFile(join(folder, name, 'package.json'), 'utf8').catch(() => undefined);
    if (text) return (JSON.parse(text) as { version: string }).version;
  }
  return 'of unknown version';
}

function bytes(count: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${Number((count / 1024 ** power).toPrecision(3))} ${units[power]}`;
}
