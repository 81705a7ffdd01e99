import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { backportsLine, isNodeEnough, neededNode, packagesAreCurrent } from '../pipeline/setup.mjs';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { testUnless } from './helpers/skip.ts';

test('the Node version that package.json requires is accepted, and an older one is not', () => {
  assert.is(neededNode(), '20.9');
  for (const version of ['20.9.0', '20.20.1', '22.0.0']) assert.ok(isNodeEnough(version), version);
  for (const version of ['20.8.9', '18.20.0']) assert.not(isNodeEnough(version), version);
});

test('packages are current when npm’s record matches the lock file', () => {
  const lock = {
    packages: {
      '': { version: '1.0.0' },
      'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
      'node_modules/b': { version: '2.0.0', integrity: 'sha512-b', optional: true },
    },
  };
  const a = { version: '1.0.0', integrity: 'sha512-a' };
  assert.ok(
    packagesAreCurrent(lock, { packages: { 'node_modules/a': a } }),
    'another platform’s package may be missing',
  );
  assert.not(packagesAreCurrent(lock, undefined), 'nothing is installed');
  assert.not(packagesAreCurrent(lock, { packages: {} }), 'a package is missing');
  assert.not(
    packagesAreCurrent(lock, { packages: { 'node_modules/a': { ...a, version: '1.0.1' } } }),
    'another version',
  );
  assert.not(
    packagesAreCurrent(lock, { packages: { 'node_modules/a': { ...a, integrity: 'sha512-x' } } }),
    'other contents',
  );
  const old = { version: '1.9.0', integrity: 'sha512-b' };
  assert.not(
    packagesAreCurrent(lock, { packages: { 'node_modules/a': a, 'node_modules/b': old } }),
    'an optional one is old',
  );
});

test('only Debian 12 installs its driver from backports, from the mirror that serves the release', () => {
  const debian =
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL="x"\n';
  const targets = [
    'http://mirror.example/apt cloud-sdk-bookworm main',
    'http://security.example/debian-security/ bookworm-security main',
    'http://mirror.example/debian/ bookworm contrib',
    'http://mirror.example/debian/ bookworm main',
    'http://mirror.example/debian/ bookworm-updates main',
    '',
  ].join('\n');
  assert.is(backportsLine(debian, targets), 'deb http://mirror.example/debian/ bookworm-backports main');
  const foreign = 'http://mirror.example/apt cloud-sdk-bookworm main\n';
  assert.is(backportsLine(debian, foreign), undefined, 'a foreign mirror gives none');
  const others = [debian.replace('=bookworm', '=trixie'), 'ID=ubuntu\nVERSION_CODENAME=noble\n', ''];
  for (const release of others) assert.is(backportsLine(release, targets), undefined);
});

const setUp = fileURLToPath(new URL('../pipeline/setup.mjs', import.meta.url));

const otherSystem = process.platform === 'linux' ? undefined : 'set-up installs a driver on Linux alone';

testUnless(
  test,
  otherSystem,
  'without an adapter it has apt install Mesa; without apt it says what to install',
  async () => {
    const folder = scratchFolder();
    const start = (path: string) =>
      $({
        nothrow: true,
        env: { ...process.env, PATH: path, VK_DRIVER_FILES: '/dev/null', VK_ICD_FILENAMES: '/dev/null' },
      })`${process.execPath} ${setUp}`;
    const without = await start(folder);
    assert.is(without.exitCode, 1);
    assert.match(
      without.stderr,
      /^set-up: there is no WebGPU adapter here\. Install your GPU vendor’s driver, or a Vulkan driver .*sudo .* setup`/,
    );

    // Programs that print what they are asked to do, and do nothing.
    put(folder, 'apt-get', '#!/bin/sh\necho "apt-get $*"\n');
    put(folder, 'sudo', '#!/bin/sh\necho "sudo $*"\n');
    for (const name of ['apt-get', 'sudo']) chmodSync(join(folder, name), 0o755);
    const { exitCode, stdout, stderr } = await start(`${folder}:${process.env.PATH}`);
    assert.is(exitCode, 1);
    assert.match(stdout, /apt-get .*update\n[\s\S]*apt-get .*install -y mesa-vulkan-drivers libvulkan1/);
    assert.match(stderr, /^set-up: the driver could not be installed, or offers no adapter/);
  },
);

test('prints nothing and changes nothing if everything is installed', async () => {
  assert.is((await $`${process.execPath} ${setUp}`).stdout, '');
});

test.run();
