/**
 * Makes a checkout ready to run: the packages of the lock file, the build, and a WebGPU adapter. `npm start` and
 * `npm test` run it first. It needs nothing but Node. Where Debian or Ubuntu offers no adapter, it installs Mesa's
 * software Vulkan driver, as root or through `sudo -n`; elsewhere it prints what to install.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Exit code of the probe for "Dawn works, and offers no adapter". */
const NO_ADAPTER = 7;
const PROBE = `
  const { create } = await import('webgpu');
  const dawn = create([]);
  const adapter = await dawn.requestAdapter();
  process.exit(adapter ? 0 : ${NO_ADAPTER});
`;
const PROBE_TIMEOUT_MS = 120_000;
const DRIVER = ['mesa-vulkan-drivers', 'libvulkan1'];

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

/** @typedef {Record<string, {version?: string, integrity?: string, optional?: boolean}>} Packages by their paths */

/**
 * Whether what is installed (npm's own record in node_modules) is what the lock file asks for. Optional packages may be
 * missing, because those of other platforms are. Compares contents: a copy changes times.
 *
 * @param {{packages?: Packages}} lock
 * @param {{packages?: Packages} | undefined} installed
 */
export function packagesAreCurrent(lock, installed) {
  return Object.entries(lock.packages ?? {}).every(([path, wanted]) => {
    const found = installed?.packages?.[path];
    if (path === '') return true;
    if (!found) return installed !== undefined && wanted.optional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

/**
 * Mesa of Debian 12 is too old for Dawn, which then offers no adapter; its backports have a newer one. Gives the line of
 * apt's sources that adds them, from the mirror that serves the release; undefined where none is needed or known.
 *
 * @param {string} osRelease the text of /etc/os-release
 * @param {() => string} targets what `apt-get indextargets` prints: a line `URI RELEASE COMPONENT` for each part
 */
export function backportsLine(osRelease, targets) {
  if (!/^ID="?debian"?$/m.test(osRelease) || !/^VERSION_CODENAME="?bookworm"?$/m.test(osRelease))
    return undefined;
  const mirror = /^(\S+) bookworm main$/m.exec(targets())?.[1];
  return mirror && `deb ${mirror} bookworm-backports main`;
}

function installDriver() {
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) {
    return fail(
      'there is no WebGPU adapter here. Install a Vulkan driver and the Vulkan loader: ' +
        '`dnf install mesa-vulkan-drivers vulkan-loader` on Fedora, ' +
        '`pacman -S vulkan-swrast vulkan-icd-loader` on Arch, or your GPU vendor’s driver',
    );
  }
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (sudo.length && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) {
    const line = `sudo ${process.execPath} ${join(ROOT, 'pipeline', 'splatline.mjs')} setup`;
    return fail(`there is no WebGPU adapter here. This line installs a software one (Mesa): ${line}`);
  }
  say('no WebGPU adapter here: installing Mesa’s software Vulkan driver');
  if (installWithApt(sudo) && probe() === 0) return say('a software adapter is ready');
  return fail(
    'the driver could not be installed, or offers no adapter. `npx splatline doctor` lists what is there',
  );
}

function installWithApt(sudo) {
  const folder = mkdtempSync(join(tmpdir(), 'splatline-apt-'));
  try {
    const targets = [
      'indextargets',
      '--format',
      '$(REPO_URI) $(RELEASE) $(COMPONENT)',
      'Created-By: Packages',
    ];
    const line = backportsLine(
      read('/etc/os-release') ?? '',
      () => spawnSync('apt-get', targets, { encoding: 'utf8' }).stdout ?? '',
    );
    const options = ['-o', 'APT::Install-Recommends=false', '-o', 'DPkg::Lock::Timeout=120'];
    if (line) {
      // The machine's own list, and one line more: the machine's files stay as they are.
      const list = join(folder, 'sources.list');
      writeFileSync(list, `${read('/etc/apt/sources.list') ?? ''}\n${line}\n`);
      options.push('-o', `Dir::Etc::SourceList=${list}`);
    }
    const suite = line ? ['-t', 'bookworm-backports'] : [];
    const apt = (...args) =>
      command([...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...args]);
    return apt(...options, 'update') && apt(...options, 'install', '-y', ...suite, ...DRIVER);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Exit code of a process that asks Dawn for an adapter: 0 when there is one. */
function probe() {
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROBE], {
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
    // npm 10 runs onnxruntime-node's install script, which would download CUDA.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
}

function command([program, ...args], options = {}) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (error) say(`${program}: ${error.message}`);
  return status === 0;
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function say(text) {
  process.stdout.write(`set-up: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`set-up: ${text}\n`);
  process.exitCode = 1;
}

/** Installs what is missing. Where it cannot, sets the exit code and prints what is missing and what to do. */
export async function setUp() {
  const needed = neededNode();
  if (!isNodeEnough(process.versions.node, needed)) {
    return fail(`this is Node ${process.versions.node}; install Node ${needed} or newer (nodejs.org)`);
  }
  // Only a checkout has a lock file; an installed package is built and has its packages.
  const lock = read(join(ROOT, 'package-lock.json'));
  if (lock) {
    const installed = read(join(ROOT, 'node_modules', '.package-lock.json'));
    const current = packagesAreCurrent(JSON.parse(lock), installed && JSON.parse(installed));
    if (!current && !installPackages()) return fail('npm ci failed; its own output is above');
    const { buildIfStale } = await import(new URL('./build.mjs', import.meta.url).href);
    await buildIfStale();
  }
  const status = probe();
  if (status === 0) return;
  if (status !== NO_ADAPTER) return fail('Dawn (npm `webgpu`) does not start here; its own output is above');
  if (process.platform === 'linux') return installDriver();
  return fail(
    'there is no WebGPU adapter here: install a driver of the GPU with Metal (macOS) or D3D12 (Windows)',
  );
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await setUp();
