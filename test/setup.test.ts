import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { $ } from '../pipeline/process.ts';
import {
  backportsSource,
  driverPlan,
  isNodeEnough,
  neededNode,
  packagesAreCurrent,
  parseAptSources,
  parseOsRelease,
} from '../pipeline/setup.mjs';

const DEB822 = `# See sources.list(5).
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

# security has a mirror of its own
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
`;

test('the Node that package.json asks for is enough, and an older one is not', () => {
  assert.is(neededNode(), '20.9');
  for (const version of ['20.9.0', '20.20.1', '22.0.0']) assert.ok(isNodeEnough(version), version);
  for (const version of ['20.8.9', '18.20.0']) assert.not(isNodeEnough(version), version);
});

test('packages are current when npm’s record says what the lock says', () => {
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

test('derives the backports suite from sources in the deb822 format', () => {
  const source = backportsSource(parseAptSources(DEB822, 'sources'), 'bookworm');
  assert.is(
    source?.line(''),
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm-backports main',
  );
  assert.is(source?.suite, 'bookworm-backports');
});

test('derives the backports suite from one-line sources, with their options', () => {
  const text = `# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
deb [ arch=amd64,arm64 trusted=yes signed-by=/k.gpg ] https://mirror.example/debian/ bookworm main contrib # comment
`;
  assert.is(
    backportsSource(parseAptSources(text, 'list'), 'bookworm')?.line(''),
    'deb [arch=amd64,arm64 trusted=yes signed-by=/k.gpg] https://mirror.example/debian/ bookworm-backports main',
  );
  assert.is(
    backportsSource(parseAptSources('deb http://m.example/d bookworm main\n', 'list'), 'bookworm')?.line(''),
    'deb http://m.example/d bookworm-backports main',
  );
});

test('a suite that the machine has already needs no source, and a foreign mirror gives none', () => {
  const listed = parseAptSources(
    'deb http://m.example/d bookworm main\ndeb http://m.example/d bookworm-backports main\n',
    'list',
  );
  assert.is(backportsSource(listed, 'bookworm')?.listed, true);
  const foreign = parseAptSources('deb http://m.example/apt cloud-sdk-bookworm main\n', 'list');
  assert.is(backportsSource(foreign, 'bookworm'), undefined);
});

test('a stanza that is switched off or has only sources is not used; a key inside a stanza goes to a file', () => {
  const off = DEB822.replace(
    'Types: deb\nURIs: http://mirror',
    'Enabled: no\nTypes: deb\nURIs: http://mirror',
  );
  assert.is(backportsSource(parseAptSources(off, 'sources'), 'bookworm'), undefined);
  const src = DEB822.replace('Types: deb\nURIs: http://mirror', 'Types: deb-src\nURIs: http://mirror');
  assert.is(backportsSource(parseAptSources(src, 'sources'), 'bookworm'), undefined);
  const inline = DEB822.replace(
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
    'Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----',
  );
  const source = backportsSource(parseAptSources(inline, 'sources'), 'bookworm');
  assert.is(source?.key, '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----');
  assert.is(
    source?.line('/tmp/key.asc'),
    'deb [signed-by=/tmp/key.asc] http://mirror.example/debian bookworm-backports main',
  );
});

test('chooses the package manager, and backports on Debian 12 alone', () => {
  const debian = parseOsRelease(
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n',
  );
  const ubuntu = parseOsRelease('ID=ubuntu\nVERSION_CODENAME=noble\n');
  const only = (name: string) => (program: string) => program === name;
  assert.equal(driverPlan(debian, only('apt-get')), { kind: 'apt', backports: true });
  assert.equal(driverPlan({ ...debian, VERSION_CODENAME: 'trixie' }, only('apt-get')), {
    kind: 'apt',
    backports: false,
  });
  assert.equal(driverPlan(ubuntu, only('apt-get')), { kind: 'apt', backports: false });
  assert.is(driverPlan({ ID: 'fedora' }, only('dnf'))?.commands?.[0][0], 'dnf');
  assert.is(driverPlan({ ID: 'arch' }, only('pacman'))?.commands?.[0][0], 'pacman');
  assert.is(driverPlan({ ID: 'alpine' }, only('apk')), undefined);
});

test('says nothing and changes nothing where all is there', async () => {
  const file = fileURLToPath(new URL('../pipeline/setup.mjs', import.meta.url));
  assert.is((await $`${process.execPath} ${file}`).stdout, '');
});

test.run();
