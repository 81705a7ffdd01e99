import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { checkClip } from '../../stages/clip/check.ts';
import { hubCache } from '../../stages/clip/hub-cache.ts';
import { FULL_CLIP } from '../../stages/clip/resolve.ts';
import { findColmap, installLine } from '../../stages/sfm/colmap.ts';
import { EXIT } from '../exit.ts';
import { openDevice } from '../open-device.ts';
import { packageVersion } from '../run/manifest.ts';
import { isNodeEnough, neededNode } from '../setup.mjs';
import { byteSize } from './format.ts';
import { nameOf, usableModels } from './models.ts';

interface Check {
  name: string;
  /** Facts, one a line. An error states what is missing. */
  facts(): string[] | Promise<string[]>;
  /** The command that fixes it, or other advice. */
  fix: string;
  /** Needed by some work only. */
  optional?: boolean;
}

/** Only a checkout has a lock file. */
const LOCK = fileURLToPath(new URL('../../package-lock.json', import.meta.url));
const REINSTALL = existsSync(LOCK) ? 'npm ci' : 'npm install splatline';

/** `splatline doctor [MODEL…]`. Exit code: 3 without an adapter, 1 if anything else is missing. */
export async function doctor(models: readonly string[], json = false): Promise<void> {
  const checks = await Promise.all([...CHECKS, ...['demo', ...models].map(clipCheck)].map(runCheck));
  const splatline = await packageVersion();
  const text = json
    ? JSON.stringify({ splatline, checks }, null, 2)
    : [`splatline ${splatline}`, ...checks.map(resultText)].join('\n');
  process.stdout.write(`${text}\n`);
  const failed = checks.filter(({ ok, optional }) => !ok && !optional);
  if (failed.length) process.exitCode = failed.some(({ name }) => name === 'adapter') ? EXIT.gpu : EXIT.fault;
}

/** A check as `--json` prints it. */
interface Result extends Omit<Check, 'facts' | 'fix'> {
  ok: boolean;
  found: string[];
  fix?: string;
}

async function runCheck({ facts, fix, ...check }: Check): Promise<Result> {
  try {
    return { ...check, ok: true, found: await facts() };
  } catch (error) {
    const [line] = String(error instanceof Error ? error.message : error).split('\n');
    return { ...check, ok: false, found: [line], fix };
  }
}

function resultText({ name, ok, optional, found, fix }: Result): string {
  const [first, ...others] = found;
  return [
    `${(ok ? 'ok' : optional ? 'absent' : 'MISSING').padEnd(8)} ${name}: ${first}`,
    ...others.map((fact) => `           ${fact}`),
    ...(fix ? [`           to fix: ${fix}`] : []),
  ].join('\n');
}

const CHECKS: readonly Check[] = [
  {
    name: 'node',
    fix: `install Node ${neededNode()} or newer (nodejs.org)`,
    facts() {
      const found = `${process.versions.node}, ${process.platform} ${process.arch}`;
      if (!isNodeEnough(process.versions.node)) throw new Error(found);
      return [found];
    },
  },
  {
    name: 'adapter',
    fix: 'npx splatline setup   (or install your GPU vendor’s driver with Vulkan)',
    facts: adapterFacts,
  },
  packageCheck('webgpu', 'the GPU', () => import('webgpu')),
  packageCheck('sharp', 'photographs', () => import('sharp')),
  packageCheck('@huggingface/tokenizers', 'prompts', () => import('@huggingface/tokenizers')),
  packageCheck('mediabunny', 'MP4 files', () => import('mediabunny')),
  {
    ...packageCheck('onnxruntime-node', 'text encoders in ONNX format', () => import('onnxruntime-node')),
    optional: true,
    fix: 'npm install --ignore-scripts onnxruntime-node   (its install script downloads CUDA, which is not needed)',
  },
  {
    name: 'colmap',
    optional: true,
    get fix() {
      return installLine();
    },
    facts: async () => [`${(await findColmap()).title}, for photographs and videos without cameras`],
  },
  {
    name: 'models of the Hub',
    optional: true,
    fix: `npx splatline models add ${FULL_CLIP}`,
    facts: hubModels,
  },
  {
    name: 'video encoder',
    fix: `${REINSTALL}, or set \`files: [png]\` in the orbit stage`,
    facts: videoFacts,
  },
];

/** Opens the adapter as a run would. */
async function adapterFacts(): Promise<string[]> {
  const gpu = await openDevice();
  const { vendor, architecture, device, description, features, subgroupMinSize, subgroupMaxSize } =
    gpu.adapter;
  const { limits } = gpu.device;
  const subgroups =
    subgroupMinSize === subgroupMaxSize ? `${subgroupMinSize}` : `${subgroupMinSize} to ${subgroupMaxSize}`;
  const facts = [
    `${device || 'unnamed'} (${[vendor, architecture].filter(Boolean).join(' ')})`,
    `driver: ${description || 'no description'}`,
    `features: ${features.join(', ') || 'none'}`,
    `subgroups of ${subgroups}`,
    `largest buffer ${byteSize(limits.maxBufferSize)}, largest binding ${byteSize(limits.maxStorageBufferBindingSize)}, ` +
      `${limits.maxStorageBuffersPerShaderStage} storage buffers a kernel, workgroup memory ${byteSize(limits.maxComputeWorkgroupStorageSize)}`,
  ];
  gpu.close();
  return facts;
}

/** A package with native parts, which an install may omit. */
function packageCheck(name: string, use: string, load: () => Promise<unknown>): Check {
  const facts = () => load().then(() => [`for ${use}`]);
  return { name, fix: REINSTALL, facts };
}

/** Asks for H.264 at a common size: the encoder is native code under its own licence and may lack it. */
async function videoFacts(): Promise<string[]> {
  const { VideoEncoder } = await import('@napi-rs/webcodecs');
  const config = { codec: 'avc1.640028', width: 960, height: 540, framerate: 30, bitrate: 2e6 };
  const { supported } = await VideoEncoder.isConfigSupported(config);
  if (!supported) throw new Error('no H.264');
  return ['H.264 by @napi-rs/webcodecs'];
}

/** The models that a pipeline file may name without a download. */
async function hubModels(): Promise<string[]> {
  const models = await usableModels();
  if (!models.length) throw new Error(`none in ${hubCache()}`);
  return models.map((model) => `${nameOf(model)}, ${byteSize(model.bytes)}`);
}

function clipCheck(model: string): Check {
  const facts = async () => {
    const { files, folder } = await checkClip(model);
    const parts = await Promise.all(files.weights.parts.map((part) => stat(part)));
    const size = parts.reduce((bytes, part) => bytes + part.size, 0);
    const text = files.onnxText ? 'text encoder in ONNX format' : 'text encoder on the GPU';
    return [`${folder}, ${byteSize(size)}, ${text}`];
  };
  return { name: 'CLIP model', fix: `npx splatline models add ${FULL_CLIP}`, facts };
}
