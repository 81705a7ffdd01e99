import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type AdapterReport, InputError } from '../../wgsl/core/index.ts';

/** Where the cells of one job run: an adapter by a part of its name, variables for the driver, or both. */
export interface Slot {
  adapter?: string;
  env: Record<string, string>;
}

/**
 * Parses a value of `--adapter`: `NAME`, `env:KEY=VALUE`, or a name and variables such as `NVIDIA,env:KEY=VALUE`. A name may
 * contain commas (`llvmpipe (LLVM 15.0.6, 256 bits)`). Variables select among equal adapters, which have the same name: on Linux
 * the device-select layer of Mesa's Vulkan drivers reads a bus address, `DRI_PRIME=pci-0000_00_07_0`, and lists that GPU
 * first, also one of NVIDIA. CUDA_VISIBLE_DEVICES has no effect on Vulkan.
 *
 * @throws InputError
 */
export function parseSlot(argument: string): Slot {
  const slot: Slot = { env: {} };
  for (const part of argument.split(/(?:^|,)\s*(?=env:)/).filter((text) => text !== '')) {
    const variable = /^env:([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(part);
    if (variable) slot.env[variable[1]] = variable[2];
    else slot.adapter = part.trim();
  }
  const { adapter = Object.keys(slot.env)[0] ?? '' } = slot;
  if (adapter && !adapter.startsWith('env:')) return slot;
  throw new InputError(
    'expected a NAME, env:KEY=VALUE, or both, separated by a comma',
    `--adapter ${argument}`,
  );
}

/**
 * Explains that a slot and an earlier one with other variables report the same adapter in every field; undefined if none
 * does. `selectable`: Mesa's device-select layer is installed and reads the variables of both, so the adapters may be two equal cards.
 */
export function equalCards(
  slot: Slot,
  reports: ReadonlyMap<Slot, AdapterReport>,
): { text: string; selectable: boolean } | undefined {
  const report = reports.get(slot)!;
  const own = variables(slot);
  const [other] = [...reports.keys()].filter(
    (one) => own && ![own, ''].includes(variables(one)) && isDeepStrictEqual(reports.get(one), report),
  );
  if (!other) return undefined;
  const selectable =
    [other, slot].every(({ env }) => 'DRI_PRIME' in env || 'MESA_VK_DEVICE_SELECT' in env) &&
    (process.env.XDG_DATA_DIRS || '/usr/local/share:/usr/share')
      .split(':')
      .some((folder) => existsSync(join(folder, 'vulkan/implicit_layer.d/VkLayer_MESA_device_select.json')));
  const names = [own, variables(other)].sort().join(' and ');
  const text = `the jobs with ${names} report the same adapter, ${report.description || report.device}`;
  return { selectable, text: `${text}: ${selectable ? DOUBT : FIX}` };
}

/** `env:DRI_PRIME=pci-…`, as `--adapter` takes it. */
function variables({ env }: Slot): string {
  const list = Object.entries(env).map(([key, value]) => `env:${key}=${value}`);
  return list.sort().join(',');
}

const DOUBT = 'two equal cards look like this, and one card used twice: check with nvidia-smi';
const FIX =
  "the variables select no card, so both run on one; install Mesa's device-select layer (Debian, Ubuntu: mesa-vulkan-drivers) and give each job env:DRI_PRIME=pci-… with the bus address of its card, or leave --adapter out";
