import { InputError } from '../../wgsl/core/index.ts';

/** Where the cells of one job slot run: an adapter by (a part of) its name, variables for the driver, or both. */
export interface Slot {
  adapter?: string;
  env: Record<string, string>;
}

/**
 * Reads what `--adapter` takes: `NAME`, `env:KEY=VALUE`, or a name and variables such as `NVIDIA,env:KEY=VALUE`. The
 * variables are for machines with equal adapters, which no name tells apart: on Linux `DRI_PRIME=pci-0000_00_07_0`, a
 * GPU's bus address, puts that one first, through the device-select layer of Mesa's Vulkan drivers, NVIDIA's GPUs included
 * (CUDA_VISIBLE_DEVICES does nothing to Vulkan). A name may have commas (`llvmpipe (LLVM 15.0.6, 256 bits)`). Throws InputError.
 */
export function parseSlot(argument: string): Slot {
  const slot: Slot = { env: {} };
  for (const part of argument.split(/(?:^|,)\s*(?=env:)/).filter((text) => text !== '')) {
    const variable = /^env:([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(part);
    if (variable) slot.env[variable[1]] = variable[2];
    else if (part.startsWith('env:')) throw mistake(argument);
    else slot.adapter = part.trim();
  }
  if (slot.adapter === '' || (slot.adapter === undefined && !Object.keys(slot.env).length))
    throw mistake(argument);
  return slot;
}

function mistake(argument: string): InputError {
  return new InputError(
    'expected a NAME, env:KEY=VALUE, or both with a comma between',
    `--adapter ${argument}`,
  );
}
