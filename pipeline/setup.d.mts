/** Types of set-up, which is plain JavaScript because it runs before there are packages. */
interface Packages {
  packages?: Record<string, { version?: string; integrity?: string; optional?: boolean }>;
}
export function setUp(): Promise<void>;
export function neededNode(): string;
export function isNodeEnough(version: string, needed?: string): boolean;
export function packagesAreCurrent(lock: Packages, installed: Packages | undefined): boolean;
export function backportsLine(osRelease: string, targets: string): string | undefined;
