/**
 * Makes a checkout ready to run: the packages of the lock file, and a WebGPU adapter. `npm start` and `npm test` call it
 * first; when all is there it takes a moment. It needs nothing but Node.
 *
 * Where Linux offers no adapter it installs Mesa's software Vulkan driver with the system's own package manager, as root
 * or through `sudo -n`; where it may not, it prints the one line to type.
 */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROBE_TIMEOUT_MS = 120_000;
/** Exit code of the probe for "Dawn works, and offers no adapter". */
const NO_ADAPTER = 7;
const PROBE = `
  const { create } = await import('webgpu');
  const dawn = create([]);
  const adapter = await dawn.requestAdapter();
  process.exit(adapter ? 0 : ${NO_ADAPTER});
`;

/** The Node that package.json asks for (`engines.node`, of the form `>=20.9`): its number. */
export function neededNode() {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return engines.node.replace('>=', '');
}

/** @param {string} version such as `20.20.0` */
export function isNodeEnough(version, needed = neededNode()) {
  const [major, minor] = version.split('.').map(Number);
  const [neededMajor, neededMinor = 0] = needed.split('.').map(Number);
  return major > neededMajor || (major === neededMajor && minor >= neededMinor);
}

/**
 * Whether what is installed (npm's own record in node_modules) is what the lock file asks for. Optional packages may be
 * missing, as those of other platforms are. Compares contents: times lie after a copy.
 *
 * @param {{packages?: Record<string, {version?: string, integrity?: string, optional?: boolean}>}} lock
 * @param {{packages?: Record<string, {version?: string, integrity?: string}>} | undefined} installed
 */
export function packagesAreCurrent(lock, installed) {
  const have = installed?.packages;
  if (!have) return false;
  return Object.entries(lock.packages ?? {}).every(([path, wanted]) => {
    if (path === '') return true;
    const found = have[path];
    if (!found) return wanted.optional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

/**
 * The entries of apt's source lists, both formats, binary packages only.
 *
 * @param {string} text
 * @param {'list' | 'sources'} format
 * @returns {{uris: string[], suites: string[], components: string[], options: Record<string, string>}[]}
 */
export function parseAptSources(text, format) {
  return format === 'sources' ? parseStanzas(text) : parseLines(text);
}

function parseLines(text) {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match) return [];
    const [, bracket = '', uri, suite, components] = match;
    const options = Object.fromEntries(
      [...bracket.matchAll(/([\w-]+)\s*=\s*(\S+)/g)].map(([, key, value]) => [key.toLowerCase(), value]),
    );
    return [{ uris: [uri], suites: [suite], components: words(components), options }];
  });
}

/** deb822: stanzas of `Field: value`, continued by lines that start with a blank. */
function parseStanzas(text) {
  const stanzas = text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/);
  return stanzas.flatMap((stanza) => {
    const fields = Object.fromEntries(
      [...stanza.matchAll(/^([\w-]+):((?:.*)(?:\n[ \t].*)*)/gm)].map(([, key, value]) => [
        key.toLowerCase(),
        value.trim(),
      ]),
    );
    if (fields.enabled === 'no' || !words(fields.types).includes('deb') || !fields.uris) return [];
    const options = {};
    for (const key of ['signed-by', 'trusted', 'architectures']) if (fields[key]) options[key] = fields[key];
    return [
      {
        uris: words(fields.uris),
        suites: words(fields.suites),
        components: words(fields.components),
        options,
      },
    ];
  });
}

const words = (text = '') => text.split(/\s+/).filter(Boolean);

/**
 * The backports suite on the machine's own mirror: the entry that serves the release itself, with the suite's name
 * changed. `listed` when the machine has the suite already; undefined when no entry serves the release.
 *
 * @param {ReturnType<typeof parseAptSources>} entries
 * @param {string} codename
 */
export function backportsSource(entries, codename) {
  const suite = `${codename}-backports`;
  if (entries.some(({ suites }) => suites.includes(suite)))
    return { suite, listed: true, line: () => '', key: undefined };
  const release = entries.find(
    ({ suites, components }) => suites.includes(codename) && components.includes('main'),
  );
  if (!release) return undefined;
  const { 'signed-by': signedBy, ...options } = release.options;
  // A key that stands in the list itself has no place in a one-line entry: it needs a file.
  const key = signedBy?.includes('\n') ? signedBy.replace(/^[ \t]\.?/gm, '').trim() : undefined;
  const shown = { ...options, ...(signedBy && !key ? { 'signed-by': words(signedBy).join(',') } : {}) };
  const line = (keyFile) => {
    const pairs = Object.entries({ ...shown, ...(key ? { 'signed-by': keyFile } : {}) });
    const bracket = pairs.length
      ? `[${pairs.map(([name, value]) => `${ONE_LINE_NAMES[name] ?? name}=${words(value).join(',')}`).join(' ')}] `
      : '';
    return `deb ${bracket}${release.uris[0]} ${suite} main`;
  };
  return { suite, listed: false, line, key };
}

/** Where the two formats call an option differently. */
const ONE_LINE_NAMES = { architectures: 'arch' };

/** Mesa in these Debian releases is too old for Dawn, which then offers no adapter; their backports have a newer one. */
const OLD_MESA = ['bookworm'];

/**
 * The commands that install a software Vulkan driver, or undefined for a system that we do not know.
 *
 * @param {Record<string, string>} release the fields of /etc/os-release
 * @param {(program: string) => boolean} has
 */
export function driverPlan(release, has) {
  if (has('apt-get'))
    return { kind: 'apt', backports: release.ID === 'debian' && OLD_MESA.includes(release.VERSION_CODENAME) };
  if (has('dnf'))
    return { kind: 'commands', commands: [['dnf', 'install', '-y', 'mesa-vulkan-drivers', 'vulkan-loader']] };
  if (has('pacman')) {
    return {
      kind: 'commands',
      commands: [['pacman', '-Sy', '--noconfirm', '--needed', 'vulkan-swrast', 'vulkan-icd-loader']],
    };
  }
  return undefined;
}

/** @param {string} text the contents of /etc/os-release */
export function parseOsRelease(text) {
  return Object.fromEntries(
    [...text.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)].map(([, key, value]) => [key, value]),
  );
}

function readAptSources(folder = '/etc/apt') {
  const parts = join(folder, 'sources.list.d');
  const files = [join(folder, 'sources.list'), ...list(parts).map((name) => join(parts, name))];
  return files.flatMap((file) => {
    const format = /\.(list|sources)$/.exec(file)?.[1];
    const text = format && read(file);
    return text ? parseAptSources(text, format) : [];
  });
}

/** apt with the backports suite in a list of its own, in a folder that goes afterwards: the machine's lists stay as they are. */
function installWithApt(codename, backports, sudo) {
  const packages = ['mesa-vulkan-drivers', 'libvulkan1'];
  const source = backports ? backportsSource(readAptSources(), codename) : undefined;
  if (backports && !source) say(`apt's sources name no mirror of ${codename}; trying without its backports`);
  const folder = mkdtempSync(join(tmpdir(), 'splatline-apt-'));
  chmodSync(folder, 0o755); // apt reads it as a user of its own
  try {
    const options = [
      '-o',
      'APT::Install-Recommends=false',
      '-o',
      'Acquire::Languages=none',
      '-o',
      'DPkg::Lock::Timeout=120',
    ];
    if (source && !source.listed) {
      const keyFile = join(folder, 'key.asc');
      if (source.key) writeFileSync(keyFile, `${source.key}\n`);
      mkdirSync(join(folder, 'lists', 'partial'), { recursive: true });
      const own = read('/etc/apt/sources.list') ?? '';
      writeFileSync(join(folder, 'sources.list'), `${own}\n${source.line(keyFile)}\n`);
      options.push(
        '-o',
        `Dir::Etc::SourceList=${join(folder, 'sources.list')}`,
        '-o',
        `Dir::State::Lists=${join(folder, 'lists')}`,
      );
      options.push('-o', 'Dir::Cache::PkgCache=', '-o', 'Dir::Cache::SrcPkgCache=');
    }
    const target = source ? ['-t', source.suite] : [];
    const apt = (...args) =>
      command([...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...options, ...args]);
    return apt('update') && apt('install', '-y', ...target, ...packages);
  } finally {
    // apt leaves files of root's behind when it ran through sudo.
    if (sudo.length) command([...sudo, 'rm', '-rf', folder]);
    else rmSync(folder, { recursive: true, force: true });
  }
}

function installDriver() {
  const release = parseOsRelease(read('/etc/os-release') ?? '');
  const plan = driverPlan(release, hasProgram);
  const own = `sudo ${process.execPath} ${join(ROOT, 'pipeline', 'setup.mjs')}`;
  if (!plan) {
    return fail(
      'there is no WebGPU adapter here, and this system is not one that set-up knows: install a Vulkan driver (Mesa’s lavapipe will do) and the Vulkan loader',
    );
  }
  const isRoot = process.getuid?.() === 0;
  const sudo = isRoot ? [] : ['sudo', '-n'];
  if (
    !isRoot &&
    !(hasProgram('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0)
  ) {
    return fail(`there is no WebGPU adapter here; this line installs a software one (Mesa): ${own}`);
  }
  say('no WebGPU adapter here: installing Mesa’s software Vulkan driver');
  const done =
    plan.kind === 'apt'
      ? installWithApt(release.VERSION_CODENAME, plan.backports, sudo)
      : plan.commands.every((args) => command([...sudo, ...args]));
  if (done && probe() === 0) return say('a software adapter is ready');
  return fail(
    'the driver could not be installed, or offers no adapter; `npx splatline doctor` says what there is',
  );
}

/** Exit code of a process that asks Dawn for an adapter: 0 when there is one. */
function probe() {
  const args = ['--input-type=module', '-e', PROBE];
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: PROBE_TIMEOUT_MS,
  });
  if (status !== 0 && status !== NO_ADAPTER) process.stderr.write(stderr ?? '');
  return status;
}

function installPackages() {
  say('installing packages (npm ci)');
  const cli = process.env.npm_execpath;
  const npm = cli && /npm-cli\.c?js$/.test(cli) ? [process.execPath, cli] : ['npm'];
  return command([...npm, 'ci', '--no-audit', '--no-fund'], {
    cwd: ROOT,
    shell: process.platform === 'win32',
  });
}

function command([program, ...args], options = {}) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (error) say(`${program}: ${error.message}`);
  return status === 0;
}

function hasProgram(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function list(folder) {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function say(text) {
  process.stdout.write(`set-up: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`set-up: ${text}\n`);
  process.exitCode = 1;
}

/** Sets the exit code, and says what is missing and the line that mends it. */
export function setUp() {
  const needed = neededNode();
  if (!isNodeEnough(process.versions.node, needed)) {
    return fail(`this is Node ${process.versions.node}; install Node ${needed} or newer (nodejs.org)`);
  }
  // Only a checkout has a lock file; a package that npm installed has its packages from whoever installed it.
  const lock = read(join(ROOT, 'package-lock.json'));
  const installed = read(join(ROOT, 'node_modules', '.package-lock.json'));
  const current = !lock || packagesAreCurrent(JSON.parse(lock), installed && JSON.parse(installed));
  if (!current && !installPackages()) return fail('npm ci failed; its own words are above');
  const status = probe();
  if (status === 0) return;
  if (status !== NO_ADAPTER) return fail('Dawn (npm `webgpu`) does not start here; its own words are above');
  if (process.platform === 'linux') return installDriver();
  return fail(
    'there is no WebGPU adapter here: this needs a GPU with Metal (macOS) or D3D12 (Windows) and its driver',
  );
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) setUp();
