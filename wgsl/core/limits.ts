/**
 * The device limits that the kernels need, for `requiredLimits`. By default a device has 8 storage buffers, 16384 bytes
 * and 256 invocations; it has more only if the request asks for more. test/limits.test.ts counts the kernels' buffers.
 */
export const NEEDED_LIMITS = {
  /** project-backward binds 15; adapters offer 8, 10 or 16. */
  maxStorageBuffersPerShaderStage: 16,
  /** Bytes: the tables of rasterize-backward and product. */
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
} as const;

/** A limit of `NEEDED_LIMITS`. */
export type LimitName = keyof typeof NEEDED_LIMITS;

/** A limit that is too low. */
export interface MissingLimit {
  name: LimitName;
  found: number;
  needed: number;
}

/** The limits of an adapter or a device that are below `NEEDED_LIMITS`; empty if all kernels run. */
export function missingLimits(limits: Readonly<Record<LimitName, number>>): MissingLimit[] {
  return (Object.keys(NEEDED_LIMITS) as LimitName[])
    .map((name) => ({ name, found: limits[name], needed: NEEDED_LIMITS[name] }))
    .filter(({ found, needed }) => !(found >= needed));
}

/** `maxStorageBuffersPerShaderStage is 8 and 16 is needed`, all of them. */
export function describeMissing(missing: readonly MissingLimit[]): string {
  return missing.map(({ name, found, needed }) => `${name} is ${found} and ${needed} is needed`).join(', ');
}
