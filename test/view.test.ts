/** `splatline view`: what its server shows and refuses, and its page of a splat in Chromium. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, promises, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildIfStale } from '../pipeline/build.mjs';
import { runsIn } from '../pipeline/report/run-list.ts';
import { runSite } from '../pipeline/view/run-site.ts';
import { serve } from '../pipeline/view/server.ts';
import { splatSite } from '../pipeline/view/splat-site.ts';
import { writeSplat } from '../stages/artefacts/splat-writer.ts';
import { noChromium, Page } from './helpers/chromium.ts';
import { ball, exampleRun } from './helpers/example-run.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';
import { throwsInput } from './helpers/throws.ts';
import { get, serving } from './helpers/view-server.ts';

test.before(() => buildIfStale());

/** Other systems have other openers. */
const noOpener = process.platform === 'linux' ? undefined : 'only Linux has xdg-open';
const never = async () => assert.unreachable();

const folder = scratchFolder();
test.before(async () => {
  await exampleRun(join(folder, 'fox'));
  put(folder, 'secret.txt', 'secret');
  put(folder, 'fox/turntable.mp4', '0123456789');
  put(folder, 'fox/.store/hidden', 'secret');
  put(folder, 'other/notes.txt', 'secret');
  symlinkSync(join(folder, 'secret.txt'), join(folder, 'fox/link.txt'));
  symlinkSync(folder, join(folder, 'fox/up'));
  symlinkSync(join(folder, 'other'), join(folder, 'linked'));
});

test('a run has its report, its files and parts of them', () =>
  serving(join(folder, 'fox/run.json'), async (address) => {
    const page = await get(address, '/');
    assert.is(page.status, 200);
    assert.match(page.body, '"kind":"run"');
    assert.is((await get(address, '/report.html')).body, page.body);
    const part = await get(address, '/turntable.mp4', { headers: { Range: 'bytes=2-4' } });
    assert.equal([part.status, part.body, part.headers['content-type']], [206, '234', 'video/mp4']);
    const head = await get(address, '/turntable.mp4', { method: 'HEAD' });
    assert.equal([head.status, head.headers['content-length'], head.body], [200, '10', '']);
    const beyond = await get(address, '/turntable.mp4', { headers: { Range: 'bytes=20-' } });
    assert.equal([beyond.status, beyond.headers['content-range']], [416, 'bytes */10']);
    assert.match(beyond.body, 'turntable.mp4: Range Not Satisfiable');
  }));

test('paths outside of the run are refused', () =>
  serving(join(folder, 'fox'), async (address) => {
    const refused: [path: string, status: number][] = [
      ['/../secret.txt', 403],
      ['/%2e%2e/secret.txt', 403],
      ['/stages/../../secret.txt', 403],
      ['/..%2fsecret.txt', 403],
      ['/..%5csecret.txt', 403],
      ['/%252e%252e/secret.txt', 404],
      [`/${join(folder, 'secret.txt')}`, 400],
      [join(folder, 'secret.txt'), 404],
      ['/link.txt', 403],
      ['/up/secret.txt', 403],
      ['/.store/hidden', 403],
      ['/run.json%00.html', 400],
      ['/%zz', 400],
      ['http://127.0.0.1/run.json', 400],
      ['/stages', 404],
      ['/nothing.txt', 404],
    ];
    for (const [path, status] of refused) {
      const answer = await get(address, path);
      assert.is(answer.status, status, `${path}: ${answer.body}`);
      assert.not.match(answer.body, /^secret/);
    }
  }));

test('other methods, other hosts and an unreadable file are refused', () =>
  serving(join(folder, 'fox'), async (address) => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      assert.is((await get(address, '/', { method })).status, 405, method);
    }
    const { port } = new URL(address);
    const statusFor = async (Host: string) => (await get(address, '/run.json', { headers: { Host } })).status;
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '192.168.0.1',
      '127.0.0.1.evil.example',
      '[::2]',
    ])
      assert.is(await statusFor(host), 403, host);
    for (const host of [`localhost:${port}`, `[::1]:${port}`, '127.0.0.1'])
      assert.is(await statusFor(host), 200, host);
    const { headers } = await get(address, '/run.json');
    assert.is(headers['access-control-allow-origin'], undefined);
    assert.is(headers['cross-origin-resource-policy'], 'same-origin');
  }));

test('a folder of runs lists them, and shows files of runs alone', () =>
  serving(folder, async (address) => {
    const { body } = await get(address, '/');
    assert.match(body, '"href":"fox/"');
    assert.not.match(body, 'linked');
    assert.is((await get(address, '/fox')).headers.location, 'fox/');
    assert.match((await get(address, '/fox/')).body, '"kind":"run"');
    for (const path of [
      '/secret.txt',
      '/other/notes.txt',
      '/linked/notes.txt',
      '/other/',
      '/fox/../secret.txt',
    ])
      assert.ok([403, 404].includes((await get(address, path)).status), path);
  }));

test('a list has a run that was killed before its first result, and no run that vanishes meanwhile', async () => {
  const root = scratchFolder();
  put(root, 'killed/.live/events.jsonl', '');
  put(root, 'vanishing/run.json', '{}');
  const { stat } = promises;
  // The list has found the run, and asks for its time.
  promises.stat = ((path: string) => {
    if (path.startsWith(join(root, 'vanishing')))
      rmSync(join(root, 'vanishing'), { recursive: true, force: true });
    return stat(path);
  }) as typeof stat;
  syncBuiltinESMExports();
  try {
    const runs = await runsIn(root);
    assert.equal(
      runs.map(({ name, kind, status }) => [name, kind, status]),
      [['killed', 'run', 'stopped']],
    );
  } finally {
    promises.stat = stat;
    syncBuiltinESMExports();
  }
  assert.not.ok(existsSync(join(root, 'vanishing')));
});

test('a folder without runs, a port in use and a foreign interface are one sentence each', async () => {
  for (const path of [join(folder, 'other'), join(folder, 'secret.txt')])
    await throwsInput(() => runSite(path), /expected a run/);
  await throwsInput(() => runSite(join(folder, 'fox/run.json/below')), /cannot be read/);
  await serving(folder, async (address) => {
    const port = Number(new URL(address).port);
    await throwsInput(() => serving(folder, never, { port }), /is in use on 127\.0\.0\.1/);
  });
  await throwsInput(() => serving(folder, never, { host: '192.0.2.1' }), /no interface/);
});

testUnless(test, noChromium, 'a splat opens in the viewer', async () => {
  const file = put(scratchFolder(), 'ball.spz', await writeSplat(ball([1.5, -1.5, -1.5]), 'spz'));
  const server = await serve(await splatSite(file), { port: 0 });
  const page = await Page.open(server.address, { width: 160, height: 120 });
  try {
    await page.until("document.getElementById('loadingWrap')?.classList.contains('hidden')");
    const { data } = await sharp(await page.tab.screenshot())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    let red = 0;
    for (let i = 0; i < data.length; i += 3) if (data[i] > 150 && data[i + 1] < 60 && data[i + 2] < 60) red++;
    assert.ok(red > 200, `${red} red pixels`);
    assert.equal(
      page.requests.filter((url) => !url.endsWith('/favicon.ico')),
      [server.address, `${server.address}splat.ply`],
    );
    assert.is((await get(server.address, '/ball.spz')).status, 404);
  } finally {
    await page.close();
    await server.close();
  }
});

test('the command prints its address, and an interrupt ends it with a connection open', async () => {
  const command = new URL('../pipeline/splatline.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [command, 'view', folder, '--port', '0']);
  const ended = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8');
  for await (const piece of child.stdout) {
    output += piece;
    if (output.includes('Ctrl-C')) break;
  }
  const [page, list] = output.match(/http:\S+/g)!;
  assert.is(page, `${list}fox/`);
  await fetch(list);
  child.kill('SIGINT');
  assert.equal(await ended, [0, null]);
});

testUnless(test, noOpener, '--open opens the address in the browser, and says why it cannot', async () => {
  const bin = scratchFolder();
  const command = new URL('../pipeline/splatline.mjs', import.meta.url).pathname;
  const opened = async (expected: RegExp) => {
    const args = [command, 'view', join(folder, 'fox'), '--port', '0', '--open'];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, PATH: bin, FILE: join(bin, 'address') },
    });
    const ended = once(child, 'exit');
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (piece: string) => void (output[name] += piece));
    }
    const file = join(bin, 'address');
    const text = () => output.stderr + (existsSync(file) ? readFileSync(file, 'utf8') : '');
    while (!expected.test(text()) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const address = output.stdout.split('\n')[0];
    assert.match(text(), expected);
    assert.is((await fetch(address)).status, 200, 'the server continues');
    child.kill('SIGINT');
    assert.equal(await ended, [0, null]);
    return { address, text: text() };
  };
  await opened(/^--open: no browser was opened: spawn xdg-open ENOENT\n$/);
  const opener = (script: string) => {
    put(bin, 'xdg-open', `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, 'xdg-open'), 0o755);
  };
  opener('exit 3');
  await opened(/^--open: no browser was opened: xdg-open ended with exit code 3\n$/);
  opener('echo "$@" > "$FILE"');
  const { address, text } = await opened(/^http:.*\n$/);
  assert.is(text, `${address}\n`);
});

test.run();
