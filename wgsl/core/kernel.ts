import { GpuError, SMALLER } from './errors.ts';
import { assemble, type Constants, type SourceOptions } from './source.ts';
import type { KernelTarget } from './target.ts';

/** One variant of a kernel. */
export interface KernelVariant {
  /**
   * The .wgsl file: `new URL('./project.wgsl', import.meta.url)`, a literal, so that a code hash and bundlers find it. A `data:` URL
   * contains the text itself.
   */
  source: URL;
  /** Constants of the WGSL in this variant, added to those of the definition. */
  constants?: Constants;
  /** Added to the definition's `example`. */
  example?: Constants;
  /** WGSL extensions. With `subgroups` the kernel also gets the constant SUBGROUP, the size of the adapter's subgroups. */
  enables?: readonly string[];
}

/**
 * A kernel in all its variants. The file of a variant has the target as its suffix: `x.wgsl`, `x-subgroup.wgsl`, `x-cpu.wgsl`.
 * `wgsl/kernels.ts` lists all kernels.
 */
export interface KernelDefinition {
  /** `folder/file` of the kernel, e.g. `splat/project`; names the pipeline, its passes and its time span. */
  label: string;
  /** Entry point; `main` unless the file has several. */
  entry?: string;
  /** Constants of all variants. A variant, and then a use, adds its own. */
  constants?: Constants;
  /** Typical values of the constants that a use adds: `test/kernels.test.ts` compiles every variant with them. */
  example?: Constants;
  /** A target without a variant uses `portable`. A variant without a source uses that of `portable`, with other constants. */
  variants: { portable: KernelVariant } & Partial<Record<KernelTarget, Partial<KernelVariant>>>;
}

/** Options of one use of a kernel. */
export interface KernelUse {
  /** Added to those of the definition. */
  constants?: Constants;
  /** The variant; that of `Gpu.target` unless given. */
  target?: KernelTarget;
}

/** Defines a kernel, without reading or compiling it: `Gpu.kernel` does that. */
export function defineKernel(definition: KernelDefinition): KernelDefinition {
  return definition;
}

/** One variant with all its constants, as `Gpu.kernel` compiles it. */
export interface ResolvedVariant extends SourceOptions {
  label: string;
  source: URL;
  entry?: string;
}

/** A uniform or storage struct as the WGSL declares it: byte size, and byte offset by member. */
export interface StructLayout {
  size: number;
  members: ReadonlyMap<string, { offset: number; size: number; type: string }>;
}

interface Binding {
  name: string;
  binding: number;
  type: GPUBufferBindingType;
}

/** Buffers, or parts of buffers, by the names of the WGSL's variables. */
export type Bindings = Record<string, GPUBuffer | GPUBufferBinding>;

/** A kernel with its buffers, for `Recorder.run`. Create it once, run it every step. */
export interface BoundKernel {
  kernel: Kernel;
  group: GPUBindGroup;
  readonly buffers: readonly GPUBuffer[];
}

/**
 * A compiled compute pipeline, from `Gpu.kernel`. Its bindings (bind group 0) and struct layouts are read from the WGSL;
 * nothing is declared twice.
 */
export class Kernel {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly #device: GPUDevice;
  readonly #layout: GPUBindGroupLayout;
  readonly #bindings: Binding[];
  readonly #structs: Map<string, StructLayout>;

  private constructor(
    device: GPUDevice,
    label: string,
    pipeline: GPUComputePipeline,
    layout: GPUBindGroupLayout,
    bindings: Binding[],
    structs: Map<string, StructLayout>,
  ) {
    this.#device = device;
    this.label = label;
    this.pipeline = pipeline;
    this.#layout = layout;
    this.#bindings = bindings;
    this.#structs = structs;
  }

  /** Compiles without a cache; use `Gpu.kernel`. @throws Error with line, column and source of each error of the WGSL. */
  static async compile(device: GPUDevice, variant: ResolvedVariant): Promise<Kernel> {
    const code = await assemble(variant.source, variant);
    const module = device.createShaderModule({ label: variant.label, code });
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter((message) => message.type === 'error');
    if (errors.length) throw new Error(shaderErrors(variant.label, code, errors));
    const { WgslReflect } = await import('wgsl_reflect/wgsl_reflect.module.js');
    // wgsl_reflect does not know every extension; it needs none of them to see the bindings.
    const known = code
      .replace(/^(enable|requires) .*;$/gm, '')
      .replace(/\bsubgroup_matrix_\w+<[^>]*>/g, 'f32')
      .replace(/\bsubgroupMatrix(Load|Store)<[^>]*>/g, 'subgroupMatrix$1')
      .replace(/: buffer\b(<\w+>)?;/g, ': array<u32>;')
      .replace(/\bbufferView<array<[^>]*>>/g, 'bufferView');
    const reflected = new WgslReflect(known);
    const bindings = reflected.getBindGroups()[0]?.filter(Boolean).map(toBinding) ?? [];
    const structs = new Map(
      reflected.structs.map((struct) => [
        struct.name,
        {
          size: struct.size,
          members: new Map(
            struct.members.map((member) => [
              member.name,
              { offset: member.offset, size: member.size, type: member.type.getTypeName() },
            ]),
          ),
        },
      ]),
    );
    const layout = device.createBindGroupLayout({
      label: variant.label,
      entries: bindings.map(({ binding, type }) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    });
    const pipeline = await device.createComputePipelineAsync({
      label: variant.label,
      layout: device.createPipelineLayout({ label: variant.label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: variant.entry ?? 'main' },
    });
    return new Kernel(device, variant.label, pipeline, layout, bindings, structs);
  }

  /**
   * Binds buffers by the names of the WGSL's variables: all of them, and no others.
   *
   * @throws Error with the names that are missing or unknown.
   * @throws GpuError when a part of a buffer exceeds the adapter's largest binding.
   */
  bind(buffers: Bindings): BoundKernel {
    const wanted = this.#bindings.map(({ name }) => name);
    const unknown = Object.keys(buffers).filter((name) => !wanted.includes(name));
    const missing = wanted.filter((name) => !buffers[name]);
    if (unknown.length || missing.length) {
      throw new Error(
        `${this.label} binds ${wanted.join(', ')}` +
          (missing.length ? `; missing: ${missing.join(', ')}` : '') +
          (unknown.length ? `; not in the shader: ${unknown.join(', ')}` : ''),
      );
    }
    const group = this.#device.createBindGroup({
      label: this.label,
      layout: this.#layout,
      entries: this.#bindings.map(({ name, binding }) => {
        const given = buffers[name];
        const resource = 'buffer' in given ? given : { buffer: given };
        this.#requireBindable(name, resource);
        return { binding, resource };
      }),
    });
    const bound = Object.values(buffers).map((given) => ('buffer' in given ? given.buffer : given));
    return { kernel: this, group, buffers: bound };
  }

  #requireBindable(
    name: string,
    { buffer, offset = 0, size = buffer.size - offset }: GPUBufferBinding,
  ): void {
    const limit = this.#device.limits.maxStorageBufferBindingSize;
    if (size <= limit) return;
    throw new GpuError(
      `${this.label} needs ${size} bytes of ${buffer.label} in its binding ${name}; this adapter binds ${limit} at most. ` +
        SMALLER,
    );
  }

  /** The layout of a struct that the WGSL declares. @throws Error when it declares none of that name. */
  struct(name: string): StructLayout {
    const layout = this.#structs.get(name);
    if (!layout)
      throw new Error(`${this.label} declares no struct ${name}; it declares ${[...this.#structs.keys()]}`);
    return layout;
  }

  /**
   * Packs plain numbers into a struct that the WGSL declares: a number for a scalar, a list for a vector. Members whose
   * names begin with `_` are padding and may be left out.
   *
   * @throws Error with the member that is missing, unknown or too long.
   */
  pack(name: string, values: Record<string, number | ArrayLike<number>>): ArrayBuffer {
    const layout = this.struct(name);
    const bytes = new DataView(new ArrayBuffer(layout.size));
    for (const [member, { offset, size, type }] of layout.members) {
      const value = values[member];
      if (value === undefined) {
        if (member.startsWith('_')) continue;
        throw new Error(`${this.label}: struct ${name} needs ${member}`);
      }
      const list = typeof value === 'number' ? [value] : Array.from(value);
      if (list.length * 4 > size) {
        throw new Error(`${this.label}: ${name}.${member} holds ${size / 4} numbers, got ${list.length}`);
      }
      list.forEach((number, i) => {
        const at = offset + 4 * i;
        if (/u32|vec\du/.test(type)) bytes.setUint32(at, number, true);
        else if (/i32|vec\di/.test(type)) bytes.setInt32(at, number, true);
        else bytes.setFloat32(at, number, true);
      });
    }
    for (const given of Object.keys(values)) {
      if (!layout.members.has(given)) throw new Error(`${this.label}: struct ${name} has no ${given}`);
    }
    return bytes.buffer as ArrayBuffer;
  }
}

function toBinding(info: { name: string; binding: number; resourceType: number; access: string }): Binding {
  const uniform = info.resourceType === 0;
  return {
    name: info.name,
    binding: info.binding,
    type: uniform ? 'uniform' : info.access === 'read_write' ? 'storage' : 'read-only-storage',
  };
}

function shaderErrors(label: string, code: string, errors: readonly GPUCompilationMessage[]): string {
  const lines = code.split('\n');
  const shown = errors.map(
    ({ lineNum, linePos, message }) =>
      `  ${lineNum}:${linePos} ${message}\n    ${lines[lineNum - 1]?.trim() ?? ''}`,
  );
  return `${label}: the shader does not compile\n${shown.join('\n')}`;
}
