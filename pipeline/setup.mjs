/**
 * Prepares a checkout: the packages of the lock file, the build, and a WebGPU adapter. `npm start` and
 * `npm test` run it first. It needs nothing but Node. Where apt-get runs as root or through `sudo -n` (Debian, Ubuntu), it
 * installs Mesa's software Vulkan driver if there is no adapter; elsewhere it prints what to install.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Exit code of the probe for "Dawn works, and offers no adapter". */
const NO_ADAPTER = 7;
const PROBE = `
  const { create } = await import('webgpu');
  const adapter = await create([]).requestAdapter();
  process.exit(adapter ? 0 : ${NO_ADAPTER});
`;
const PROBE_TIMEOUT_MS = 120_000;

/** The Node version that package.json requires (`engines.node`, of the form `>=20.9`). */
export function neededNode() {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return engines.node.replace('>=', '');
}

export function isNodeEnough(version, needed = neededNode()) {
  return version.localeCompare(needed, 'en', { numeric: true }) >= 0;
}

/**
 * Whether the installed packages (npm's record in node_modules) match the lock file. Optional packages may be
 * missing, as those of other platforms are. Compares contents, because copying changes times.
 */
export function packagesAreCurrent(lock, installed) {
  if (!installed) return false;
  return Object.entries(lock.packages ?? {}).every(([path, wanted]) => {
    const found = installed.packages?.[path];
    if (path === '' || (!found && wanted.optional)) return true;
    return found?.version === wanted.version && found?.integrity === wanted.integrity;
  });
}

/**
 * Mesa of Debian 12 is too old for Dawn, which then offers no adapter; its backports have a newer one. Returns the line of
 * apt's sources that adds them, from the mirror that serves the release; undefined if none is needed or known.
 * `targets` is what `apt-get indextargets` prints: a line `URI RELEASE COMPONENT` for each part.
 */
export function backportsLine(osRelease, targets) {
  const isBookworm = /^ID="?debian"?$/m.test(osRelease) && /^VERSION_CODENAME="?bookworm"?$/m.test(osRelease);
  const mirror = isBookworm && /^(\S+) bookworm main$/m.exec(targets)?.[1];
  return mirror ? `deb ${mirror} bookworm-backports main` : undefined;
}

/** Installs missing parts. If it cannot, sets the exit code and prints the missing part and the fix. */
export async function setUp() {
  const fault = faultOfNode() ?? (await faultOfPackages()) ?? faultOfAdapter();
  if (fault === undefined) return;
  process.stderr.write(`set-up: ${fault}\n`);
  process.exitCode = 1;
}

function faultOfNode() {
  const { node } = process.versions;
  if (isNodeEnough(node)) return undefined;
  return `this is Node ${node}; install Node ${neededNode()} or newer (nodejs.org)`;
}

/** Installs packages and builds. Only a checkout has a lock file; an installed package is built and has its packages. */
async function faultOfPackages() {
  const lock = read(join(ROOT, 'package-lock.json'));
  if (!lock) return undefined;
  const installed = read(join(ROOT, 'node_modules', '.package-lock.json'));
  if (!packagesAreCurrent(JSON.parse(lock), installed && JSON.parse(installed))) {
    say('installing packages (npm ci)');
    const options = {
      cwd: ROOT,
      shell: process.platform === 'win32',
      // npm 10 runs onnxruntime-node's install script, which would download CUDA.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    };
    if (!run(['npm', 'ci', '--no-audit', '--no-fund'], options)) return 'npm ci failed; see its output above';
  }
  const { buildIfStale } = await import(new URL('./build.mjs', import.meta.url).href);
  await buildIfStale();
}

function faultOfAdapter() {
  const status = probe();
  if (status === 0) return undefined;
  if (status !== NO_ADAPTER) return 'Dawn (npm `webgpu`) does not start here; see its output above';
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (!run([...sudo, 'apt-get', '--version'], { stdio: 'ignore' })) return NONE;
  say('no WebGPU adapter here: installing Mesa’s software Vulkan driver');
  if (!installDriver(sudo) || probe() !== 0) return 'the driver could not be installed, or offers no adapter';
  say('a software adapter is ready');
}

const NONE =
  'there is no WebGPU adapter here. Install your GPU vendor’s driver, or a Vulkan driver and the Vulkan loader: on Debian ' +
  `and Ubuntu with \`sudo ${process.execPath} ${join(ROOT, 'pipeline', 'splatline.mjs')} setup\``;

/** @param {string[]} sudo the prefix of commands that need root */
function installDriver(sudo) {
  const columns = ['--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages'];
  const { stdout: targets } = spawnSync('apt-get', ['indextargets', ...columns], { encoding: 'utf8' });
  const line = backportsLine(read('/etc/os-release') ?? '', targets);
  // A copy of the machine's list, with one more line if needed: the machine's files stay unchanged.
  const list = join(tmpdir(), `splatline-${process.pid}.list`);
  const options = [
    'APT::Install-Recommends=false',
    'DPkg::Lock::Timeout=120',
    `Dir::Etc::SourceList=${list}`,
  ];
  const command = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q'];
  command.push(...options.flatMap((option) => ['-o', option]));
  const release = line ? ['-t', 'bookworm-backports'] : [];
  writeFileSync(list, `${read('/etc/apt/sources.list') ?? ''}\n${line ?? ''}\n`, { flag: 'wx' });
  try {
    const install = ['install', '-y', 'mesa-vulkan-drivers', 'libvulkan1', ...release];
    return run([...command, 'update']) && run([...command, ...install]);
  } finally {
    rmSync(list);
  }
}

/** Exit code of a process that asks Dawn for an adapter: 0 when there is one. Dawn may end the process. */
function probe() {
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROBE], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: PROBE_TIMEOUT_MS,
  });
  if (status !== 0 && status !== NO_ADAPTER) process.stderr.write(stderr ?? '');
  return status;
}

function run([program, ...args], options = {}) {
  return spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options }).status === 0;
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function say(text) {
  process.stdout.write(`set-up: ${text}\n`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await setUp();
