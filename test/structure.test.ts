import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stages } from '../stages/index.ts';
import { REFERENCE_OF } from './reference/kernels.ts';

const root = new URL('../', import.meta.url);
const list = async (folder: string, ending: string) =>
  (await readdir(new URL(folder, root), { recursive: true })).filter((name) => name.endsWith(ending)).sort();
const text = (path: string) => readFile(new URL(path, root), 'utf8');
const isMissing = (path: string) => !existsSync(new URL(path, root));

const kernels = (await list('wgsl', '.wgsl')).filter((path) => !path.startsWith('shared/'));
const baseOf = (path: string) =>
  path
    .split('/')
    .at(-1)!
    .replace(/\.wgsl$/, '');
/** A kernel's name, without the suffix of its target. */
const kernelOf = (path: string) => baseOf(path).replace(/-(subgroup|cpu)$/, '');

test('every kernel is loaded by a host beside it', async () => {
  const orphans: string[] = [];
  for (const path of kernels) {
    const folder = path.slice(0, path.lastIndexOf('/'));
    const hosts = (await readdir(new URL(`wgsl/${folder}`, root))).filter((name) => name.endsWith('.ts'));
    const texts = await Promise.all(hosts.map((host) => text(`wgsl/${folder}/${host}`)));
    if (!texts.some((host) => host.includes(`/${baseOf(path)}.wgsl'`))) orphans.push(path);
  }
  assert.equal(orphans, []);
});

/** The TypeScript modules that a module imports. */
const importsOf = async (path: string) =>
  [...(await text(path)).replace(/^(im|ex)port type [^;]*;/gm, '').matchAll(/from '(\.[^']*\.ts)'/g)].map(
    ([, name]) => posix.join(dirname(path), name),
  );

test('every kernel has a plain reference, and a test of its host that compares with it', async () => {
  const hosts = (await list('wgsl', '.ts')).map((path) => `wgsl/${path}`);
  const hostTexts = await Promise.all(hosts.map(text));
  // A test reaches a host if it imports the host or a module that does.
  const tests = await Promise.all(
    (await list('test', '.test.ts')).map(async (name) => {
      const own = await importsOf(`test/${name}`);
      const next = await Promise.all(own.filter((path) => existsSync(new URL(path, root))).map(importsOf));
      return { own, reached: new Set([...own, ...next.flat()]) };
    }),
  );
  const wrong = kernels.flatMap((path) => {
    const name = kernelOf(path);
    const forward = name.replace(/-backward$/, '');
    const reference = `test/reference/${REFERENCE_OF[name] ?? REFERENCE_OF[forward] ?? forward}.ts`;
    if (isMissing(reference)) return [`${path}: no ${reference}`];
    const loaders = hosts.filter(
      (host, i) =>
        dirname(host) === dirname(`wgsl/${path}`) && hostTexts[i].includes(`/${baseOf(path)}.wgsl'`),
    );
    const compares = tests.some(
      ({ own, reached }) => own.includes(reference) && loaders.some((host) => reached.has(host)),
    );
    return compares ? [] : [`${path}: no test imports both ${reference} and ${loaders.join(' or ')}`];
  });
  assert.equal(wrong, []);
});

test('the table of references names existing kernels', () => {
  const names = kernels.map(kernelOf);
  assert.equal(
    Object.keys(REFERENCE_OF).filter((name) => !names.includes(name)),
    [],
  );
});

test('every stage folder has a stage.ts and a row in the registry, under the folder’s name', async () => {
  const shared = new Set(['artefacts', 'clip', 'losses', 'optimizer', 'regions']);
  const folders = (await readdir(new URL('stages/', root), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && !shared.has(entry.name))
    .map(({ name }) => name);
  assert.equal(
    folders.filter((name) => isMissing(`stages/${name}/stage.ts`)),
    [],
  );
  assert.equal(stages.map(({ name }) => name).sort(), folders.sort());
});

test('no module of the GPU library imports Node at its top', async () => {
  const modules = (await list('wgsl', '.ts')).filter((path) => !path.endsWith('.d.ts'));
  const offenders: string[] = [];
  for (const path of modules)
    if (/^import .* from 'node:/m.test(await text(`wgsl/${path}`))) offenders.push(path);
  assert.equal(offenders, []);
});

test.run();
