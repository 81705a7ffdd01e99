/** For the tests of set-up, which is plain JavaScript because it runs before there are packages. */
interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
  options: Record<string, string>;
}
interface Packages {
  packages?: Record<string, { version?: string; integrity?: string; optional?: boolean }>;
}
export function setUp(): void;
export function neededNode(): string;
export function isNodeEnough(version: string, needed?: string): boolean;
export function packagesAreCurrent(lock: Packages, installed: Packages | undefined): boolean;
export function parseAptSources(text: string, format: 'list' | 'sources'): AptSource[];
export function backportsSource(
  entries: AptSource[],
  codename: string,
): { suite: string; listed: boolean; line(keyFile: string): string; key?: string } | undefined;
export function driverPlan(
  release: Record<string, string>,
  has: (program: string) => boolean,
): { kind: 'apt'; backports: boolean; commands?: undefined } | { kind: 'commands'; commands: string[][] } | undefined;
export function parseOsRelease(text: string): Record<string, string>;
