import { GpuError } from './errors.ts';
import { Gpu } from './gpu.ts';
import { describeMissing, missingLimits } from './limits.ts';
import { pacePolls } from './polls.ts';
import {
  hasSubgroupMatrices,
  type KernelTarget,
  probeLinearSubgroups,
  SUBGROUP_MATRIX,
  type SubgroupNumbering,
  subgroupSize,
  targetFor,
} from './target.ts';

/** Options of `openGpu`. */
export interface OpenOptions {
  /**
   * Your own device: a browser's, Deno's, or one of the npm package `webgpu`. It needs the limits of `NEEDED_LIMITS`, which exceed
   * those of a device requested without `requiredLimits`. The feature `subgroups` enables faster kernels, and `timestamp-query` a
   * `Profiler`. The options `adapter`, `dawn` and `without` do not apply to it.
   */
  device?: GPUDevice;
  /**
   * Part of the adapter's name as `splatline doctor` and the driver print it (case-sensitive); Node only. Default: the
   * fastest adapter. Equal adapters have equal names: the driver decides which of them Dawn opens.
   */
  adapter?: string;
  /** Dawn's own options, Node only, e.g. `enable-dawn-features=allow_unsafe_apis`. */
  dawn?: string[];
  /** Requests an adapter from the driver. A caller may wrap the call, to capture the driver's output. */
  request?: <T>(work: () => T) => T;
  /** Features that are not requested although the adapter offers them; for tests. */
  without?: GPUFeatureName[];
  /** The kernel variants to run, instead of those that are fast on the adapter; for tests. */
  target?: KernelTarget;
  /**
   * Maximum bytes of a row buffer in one binding; the device's largest binding unless given. A smaller value lets a
   * small scene test the path of scenes larger than a binding: no byte of a result depends on it.
   */
  windowBytes?: number;
}

/** Requested where offered, never required. */
const WANTED: GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query', SUBGROUP_MATRIX];

/** Dawn offers products on tensor cores as an experiment, and f16 on NVIDIA's cards not by default. */
const TOGGLES = 'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia';

// Dawn occasionally crashes when the object that create() returned is collected, so this reference lasts until the process ends.
const instances: GPU[] = [];

export const NO_ADAPTER =
  'no WebGPU adapter: there is no GPU driver with Vulkan (Linux), Metal (macOS) or D3D12 (Windows) here. ' +
  'Run `npx splatline setup`, which installs a software driver on Debian and Ubuntu, ' +
  'or `npx splatline doctor` to see what is missing';

/**
 * Opens the fastest adapter with its full limits, or wraps `device`. The adapter comes from Dawn (npm `webgpu`) in Node and
 * from `navigator.gpu` elsewhere. In Node it also defines WebGPU's globals (`GPUBufferUsage` …) where they are missing.
 * Resolves after at most one small dispatch. `Gpu.close` destroys the device, also your own.
 *
 * @throws GpuError when there is no adapter, none of the given name, or one whose limits are too low for the kernels
 * (`missingLimits`); when the device does not support `target`; when `windowBytes` exceeds the device's largest binding.
 */
export async function openGpu(options: OpenOptions = {}): Promise<Gpu> {
  const { device: given } = options;
  if (given) {
    if (typeof GPUBufferUsage === 'undefined') await dawn();
    requireLimits(given.limits, 'the device', 'request it with the limits of its adapter as requiredLimits');
    return wrap(given, given.adapterInfo, globalThis.navigator?.gpu, options);
  }
  const entry = await webgpu(options.dawn ?? [], options.adapter);
  const request = options.request ?? ((work) => work());
  const adapter = await request(() => entry.requestAdapter({ powerPreference: 'high-performance' })).catch(
    (error: unknown) => Promise.reject(unknownName(error, options.adapter)),
  );
  if (!adapter) throw new GpuError(NO_ADAPTER);
  requireLimits(
    adapter.limits,
    `the adapter ${adapter.info.device || adapter.info.vendor || 'of this machine'}`,
    'update its driver, or use another adapter (`npx splatline setup` installs a software driver on Debian and Ubuntu)',
  );
  const without = options.without ?? [];
  const requiredFeatures = WANTED.filter((name) => adapter.features.has(name) && !without.includes(name));
  const requiredLimits: Record<string, number> = {};
  for (const name of [
    'maxBufferSize',
    'maxStorageBufferBindingSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
  ] as const) {
    requiredLimits[name] = adapter.limits[name];
  }
  const device = await adapter.requestDevice({ label: 'splatline', requiredFeatures, requiredLimits });
  return wrap(device, adapter.info, entry, options);
}

function requireLimits(limits: GPUSupportedLimits, whose: string, fix: string): void {
  const missing = missingLimits(limits);
  if (missing.length)
    throw new GpuError(`${whose} is too small for the kernels: ${describeMissing(missing)}; ${fix}`);
}

async function webgpu(toggles: string[], adapter: string | undefined): Promise<GPU> {
  // Deno also has a `process` with a Node version, and its own adapter.
  const inNode = typeof process !== 'undefined' && Boolean(process.versions?.node) && !('Deno' in globalThis);
  if (!inNode) {
    if (!globalThis.navigator?.gpu) throw new GpuError(NO_ADAPTER);
    if (adapter !== undefined) throw new GpuError('an adapter can be chosen by name in Node only');
    return navigator.gpu;
  }
  const { create } = await dawn();
  const options = [TOGGLES, ...toggles];
  const instance = create(adapter === undefined ? options : [...options, `adapter=${adapter}`]);
  instances.push(instance);
  return instance;
}

/** Dawn for Node. Defines WebGPU's globals where they are missing. */
async function dawn(): Promise<typeof import('webgpu')> {
  const module = await import('webgpu');
  for (const [name, value] of Object.entries(module.globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  return module;
}

/** For an unknown adapter name, Dawn's error lists the known ones: ` * backend: 'vulkan', name: 'llvmpipe …'`. */
function unknownName(error: unknown, adapter: string | undefined): unknown {
  const message = error instanceof Error ? error.message : String(error);
  if (adapter === undefined || !message.includes('Available adapters')) return error;
  const names = [...message.matchAll(/name: '(.*)'$/gm)].map(([, name]) => name);
  if (!names.length) return new GpuError(NO_ADAPTER);
  return new GpuError(
    `no adapter has ${JSON.stringify(adapter)} in its name; there is ${[...new Set(names)].join('; ')}`,
  );
}

async function wrap(
  device: GPUDevice,
  info: GPUAdapterInfo,
  entry: GPU | undefined,
  { windowBytes, target }: Pick<OpenOptions, 'windowBytes' | 'target'>,
): Promise<Gpu> {
  const largest = device.limits.maxStorageBufferBindingSize;
  if (windowBytes !== undefined && windowBytes > largest) {
    throw new GpuError(`windows of ${windowBytes} bytes; this device binds ${largest} at most`);
  }
  const software = info.isFallbackAdapter ?? false;
  const cpu = software ? await cpuModel() : undefined;
  if (software) pacePolls();
  const report = {
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    features: [...device.features].sort(),
    subgroupMinSize: info.subgroupMinSize ?? 0,
    subgroupMaxSize: info.subgroupMaxSize ?? 0,
    software,
    ...(cpu ? { cpu } : {}),
  };
  const subgroup = device.features.has('subgroups') ? subgroupSize(report) : 0;
  const numbering = subgroup ? await numberingOf(device, subgroup, entry) : undefined;
  return new Gpu(device, report, {
    target: target ?? targetFor(report, numbering ? subgroup : 0),
    numbering,
    hasMatrices:
      numbering === 'builtin' &&
      !!entry?.wgslLanguageFeatures.has('buffer_view') &&
      hasSubgroupMatrices(device, info, subgroup),
    windowBytes,
  });
}

async function numberingOf(
  device: GPUDevice,
  subgroup: number,
  entry: GPU | undefined,
): Promise<SubgroupNumbering | undefined> {
  if (entry?.wgslLanguageFeatures?.has('subgroup_id')) return 'builtin';
  // A device that cannot run the probe runs the portable kernels.
  const isLinear = await probeLinearSubgroups(device, subgroup).catch(() => false);
  return isLinear ? 'linear' : undefined;
}

/**
 * The CPU's name from the operating system, on Linux with the numbers that distinguish processors of one name; undefined in a
 * browser, and where the system does not report it or Deno lacks the permission.
 */
async function cpuModel(): Promise<string | undefined> {
  if (typeof process === 'undefined' || !process.versions?.node) return undefined;
  const [{ cpus }, { readFile }] = await Promise.all([import('node:os'), import('node:fs/promises')]);
  try {
    const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
    const numbers = ['cpu family', 'model', 'stepping'].flatMap((name) => {
      const found = new RegExp(`^${name}\\s*: (\\d+)$`, 'm').exec(info);
      return found ? [`${name.replace('cpu ', '')} ${found[1]}`] : [];
    });
    const model = cpus()[0]?.model.trim();
    return model && numbers.length ? `${model} (${numbers.join(', ')})` : model || undefined;
  } catch {
    return undefined;
  }
}
