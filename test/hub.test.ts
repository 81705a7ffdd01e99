/** Models of the Hugging Face Hub by name: the download, and the cache that other clients share. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type FetchOptions, fetchModel } from '../pipeline/run/models.ts';
import { checkClip } from '../stages/clip/check.ts';
import { cachedModels, repositoryFolder } from '../stages/clip/hub-cache.ts';
import { pinnedName } from '../stages/clip/resolve.ts';
import { answering, blobName, commitOf, hubTest, TestHub, tinyModel } from './helpers/hub.ts';
import { put } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

const WEIGHTS = 'model.safetensors';
const FILES = Object.keys(tinyModel()).sort();

const get = (name = 'test/tiny', options: FetchOptions & { update?: boolean } = {}) =>
  fetchModel(name, options);
const inCache = (path: string) => join(repositoryFolder('test/tiny'), path);
const blobs = () => readdirSync(inCache('blobs')).sort();

hubTest('fetches the files of a model into the layout of the hub’s own clients', async (hub) => {
  hub.files = { ...hub.files, 'README.md': Buffer.from('#'), 'onnx/text_model.onnx': Buffer.from('x') };
  const events: { bytes: number; total: number }[] = [];
  const onEvent: FetchOptions['onEvent'] = (event) => void (event.event === 'fetch' && events.push(event));
  assert.is(await get('test/tiny', { onEvent }), `test/tiny@${commitOf(1)}`);
  assert.equal([...hub.transfers].sort(), FILES);
  assert.is(readFileSync(inCache('refs/main'), 'utf8'), commitOf(1));
  assert.equal(readdirSync(inCache(`snapshots/${commitOf(1)}`)).sort(), FILES);
  for (const [name, bytes] of Object.entries(tinyModel())) {
    const path = inCache(`snapshots/${commitOf(1)}/${name}`);
    assert.is(readlinkSync(path), `../../blobs/${blobName(name, bytes)}`);
    assert.equal(readFileSync(path), bytes);
  }
  assert.equal(
    blobs(),
    Object.entries(tinyModel())
      .map(([name, bytes]) => blobName(name, bytes))
      .sort(),
  );
  const total = Object.values(tinyModel()).reduce((sum, { length }) => sum + length, 0);
  assert.equal(events.at(-1), { ...events.at(-1), bytes: total, total });
  assert.is((await checkClip('test/tiny')).name, 'test/tiny');
});

hubTest('fetches a sharded model with its index', async (hub) => {
  const { [WEIGHTS]: weights, ...others } = tinyModel();
  const index = Buffer.from(JSON.stringify({ weight_map: { x: 'model-00001-of-00001.safetensors' } }));
  hub.files = {
    ...others,
    'model.safetensors.index.json': index,
    'model-00001-of-00001.safetensors': weights,
  };
  await get();
  assert.equal([...hub.transfers].sort(), Object.keys(hub.files).sort());
});

hubTest('fetches nothing twice, and opens no socket for a model in the cache', async (hub) => {
  await get();
  const { connect } = Socket.prototype;
  Socket.prototype.connect = () => {
    throw new Error('a socket was opened');
  };
  try {
    assert.is(await get(), `test/tiny@${commitOf(1)}`);
    assert.is(await get(`test/tiny@${commitOf(1)}`), `test/tiny@${commitOf(1)}`);
    await checkClip('test/tiny');
    process.env.HF_ENDPOINT = 'http://127.0.0.1:9'; // a new connection: those of before stay open
    await throwsInput(() => get('test/other'), 'no connection');
  } finally {
    Socket.prototype.connect = connect;
  }
  assert.is(hub.transfers.length, FILES.length);
});

hubTest('follows a branch on request only, and transfers what has changed', async (hub) => {
  await get();
  hub.commit = commitOf(2);
  hub.files = { ...hub.files, 'config.json': Buffer.concat([hub.files['config.json'], Buffer.from('\n')]) };
  hub.requests = [];
  assert.is(await get(), `test/tiny@${commitOf(1)}`);
  assert.equal(hub.requests, []);
  assert.is(await get('test/tiny', { update: true }), `test/tiny@${commitOf(2)}`);
  assert.equal(hub.transfers, ['config.json']);
  assert.is(await pinnedName('test/tiny'), `test/tiny@${commitOf(2)}`);
  assert.is(await pinnedName(`test/tiny@${commitOf(1)}`), `test/tiny@${commitOf(1)}`, 'the old one stays');
  assert.is(blobs().length, FILES.length + 1);
});

hubTest('uses a cache as Python’s client writes it, without its network', async (hub) => {
  hub.stop();
  for (const [name, bytes] of Object.entries(tinyModel())) {
    put(inCache('blobs'), blobName(name, bytes), bytes);
    mkdirSync(inCache(`snapshots/${commitOf(3)}`), { recursive: true });
    symlinkSync(`../../blobs/${blobName(name, bytes)}`, inCache(`snapshots/${commitOf(3)}/${name}`));
  }
  put(inCache('refs'), 'main', commitOf(3));
  put(inCache(`.no_exist/${commitOf(3)}`), 'adapter_config.json', '');
  assert.is(await get(), `test/tiny@${commitOf(3)}`);
  await checkClip('test/tiny');
  process.env.HF_HUB_CACHE = join(process.env.HF_HOME!, 'hub');
  process.env.HF_HOME = '/nowhere';
  assert.is(await get(), `test/tiny@${commitOf(3)}`, 'by HF_HUB_CACHE');
});

hubTest('completes a snapshot that another client fetched in part', async (hub) => {
  put(inCache(`snapshots/${commitOf(1)}`), 'config.json', hub.files['config.json']);
  put(inCache('refs'), 'main', commitOf(1));
  await get();
  await checkClip('test/tiny');
});

hubTest('replaces a damaged file of a snapshot, and takes files that are not links', async (hub) => {
  for (const [name, bytes] of Object.entries(tinyModel()))
    put(inCache(`snapshots/${commitOf(1)}`), name, name === 'config.json' ? bytes.subarray(0, 20) : bytes);
  await get('test/tiny', { update: true });
  assert.equal(hub.transfers, ['config.json']);
  await checkClip('test/tiny');
});

hubTest('copies files where the file system has no links', async () => {
  const { symlink, link } = fs;
  const refuse = async () => {
    throw Object.assign(new Error('no links'), { code: 'ENOTSUP', syscall: 'link' });
  };
  Object.assign(fs, { symlink: refuse, link: refuse });
  syncBuiltinESMExports();
  try {
    await get();
  } finally {
    Object.assign(fs, { symlink, link });
    syncBuiltinESMExports();
  }
  assert.ok(lstatSync(inCache(`snapshots/${commitOf(1)}/${WEIGHTS}`)).isFile());
  await checkClip('test/tiny');
});

/** Answers a request for the weights with half of them and closes the connection; later requests by `next`. */
const cut = (hub: TestHub, next: TestHub['fault']): TestHub['fault'] => {
  let isFirst = true;
  return (url, request, response) => {
    if (!url.endsWith(WEIGHTS)) return undefined;
    if (!isFirst) return next?.(url, request, response);
    isFirst = false;
    const bytes = hub.files[WEIGHTS];
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2), () => setTimeout(() => response.destroy(), 50));
    return true;
  };
};

hubTest('continues a transfer that breaks in the middle', async (hub) => {
  hub.fault = cut(hub, () => undefined);
  await get();
  const half = hub.files[WEIGHTS].length / 2;
  assert.equal(hub.transfers.slice(-2), [WEIGHTS, `${WEIGHTS} from ${half}`]);
  await checkClip('test/tiny');
});

hubTest('gives up a connection that stays broken, and continues in the next run', async (hub) => {
  hub.fault = cut(hub, (_, request) => {
    request.socket.destroy();
    return true;
  });
  await throwsInput(() => get(), /^test\/tiny: model\.safetensors: .*the next run continues.*`model: demo`/);
  assert.equal(await cachedModels(), []);
  hub.fault = undefined;
  hub.requests = [];
  await get();
  assert.equal(hub.transfers, [`${WEIGHTS} from ${hub.files[WEIGHTS].length / 2}`]);
});

hubTest('starts over where a server sends the whole file again', async (hub) => {
  hub.fault = cut(hub, (_, __, response) => {
    response.writeHead(200).end(hub.files[WEIGHTS]);
    return true;
  });
  await get();
  await checkClip('test/tiny');
});

hubTest('does not append bytes from another place than it asked for', async (hub) => {
  let count = 0;
  hub.fault = cut(hub, (_, __, response) => {
    if (++count > 1) return undefined;
    const bytes = hub.files[WEIGHTS];
    const range = `bytes 0-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(206, { 'content-range': range }).end(bytes);
    return true;
  });
  await get();
  await checkClip('test/tiny');
});

hubTest('gives up a server that sends too much, and keeps no more than the file', async (hub) => {
  hub.fault = (url, _, response) => {
    if (!url.endsWith(WEIGHTS)) return undefined;
    for (let i = 0; i < 20; i++) response.write(Buffer.alloc(hub.files[WEIGHTS].length));
    response.end();
    return true;
  };
  const size = hub.files[WEIGHTS].length;
  await throwsInput(() => get(), /model\.safetensors/);
  for (const name of blobs()) assert.ok(readFileSync(inCache(`blobs/${name}`)).length <= size, name);
});

hubTest('stops at a signal, and keeps what has come', async (hub) => {
  const stop = new AbortController();
  hub.fault = (url, _, response) => {
    if (!url.endsWith(WEIGHTS)) return undefined;
    response.writeHead(200, { 'content-length': hub.files[WEIGHTS].length });
    response.write(hub.files[WEIGHTS].subarray(0, 1000), () =>
      setTimeout(() => stop.abort(new Error('stopped')), 50),
    );
    return true;
  };
  const error = await get('test/tiny', { signal: stop.signal }).catch((error: Error) => error);
  assert.is((error as Error).message, 'stopped');
  hub.fault = undefined;
  hub.requests = [];
  await get();
  assert.equal(hub.transfers, [`${WEIGHTS} from 1000`]);
});

hubTest('refuses a file with another hash, and removes it', async (hub) => {
  for (const [damaged, kind] of [
    ['config.json', 'git sha1'],
    [WEIGHTS, 'sha256'],
  ]) {
    hub.fault = (url, _, response) => {
      if (!url.endsWith(`/${damaged}`)) return undefined;
      response.end(Buffer.alloc(hub.files[damaged].length));
      return true;
    };
    await throwsInput(() => get(), new RegExp(`^test/tiny: ${damaged} has the ${kind} \\w+, expected \\w+`));
    assert.equal(
      blobs().filter((name) => name.endsWith('.partial')),
      [],
    );
    assert.equal(await cachedModels(), []);
  }
  hub.fault = undefined;
  await get();
  await checkClip('test/tiny');
});

hubTest('states the model, the status and what to do', async (hub) => {
  const cases: [TestHub['fault'], RegExp][] = [
    [answering(401), /^test\/tiny: http:.+ answers 401 .*spelling.*HF_TOKEN.*`model: demo`/],
    [
      answering(401, { 'x-error-code': 'GatedRepo' }),
      /401 .*accept the terms at .+\/test\/tiny and set HF_TOKEN/,
    ],
    [answering(403), /403 .*accept the terms at .+ set HF_TOKEN/],
    [answering(404), /404 .*neither a folder here nor a model there.*spelling/],
    [answering(429, { 'retry-after': '3600' }), /429 .*asks to wait 3600 s/],
    [
      (_, __, response) => Boolean(response.end('<html>')) as true,
      /^test\/tiny: http:.+ does not answer as the Hugging Face Hub/,
    ],
  ];
  for (const [fault, message] of cases) {
    hub.fault = fault;
    await throwsInput(() => get(), message);
  }
  hub.fault = (url, ...rest) => (url.endsWith(WEIGHTS) ? answering(404)!(url, ...rest) : undefined);
  await throwsInput(() => get(), /^test\/tiny: model\.safetensors: .+ answers 404/);
  hub.fault = undefined;
  await throwsInput(() => get('test/tiny@other'), /^test\/tiny@other: .+ 404 .*the revision other/);
  hub.files = { 'config.json': Buffer.from('{}'), 'pytorch_model.bin': Buffer.from('') };
  await throwsInput(
    () => get(),
    /pytorch_model\.bin only.*python3 -c ".+".*hf download test\/tiny .*`model: demo`/,
  );
  await throwsInput(() => get('tiny'), 'expected owner/name');
});

hubTest('waits as a busy hub asks, and repeats after its fault', async (hub) => {
  const waits = [
    { status: 429, headers: { 'retry-after': '1' } },
    { status: 500, headers: {} },
  ];
  for (const { status, headers } of waits) {
    let count = 0;
    const start = performance.now();
    hub.fault = (...args) =>
      ++count === 1 ? answering(status, headers as Record<string, string>)!(...args) : undefined;
    await get('test/tiny', { update: true });
    assert.ok(performance.now() - start >= 990, `${status}`);
  }
  hub.requests = [];
  hub.fault = answering(500);
  await throwsInput(() => get('test/tiny', { update: true }), /answers 500/);
  assert.is(hub.requests.length, 3);
});

hubTest('sends the token to the hub, and not to where the hub redirects', async (hub) => {
  process.env.HF_TOKEN = 'secret';
  const storage = new TestHub();
  const elsewhere = await storage.start();
  const sent: (string | undefined)[] = [];
  storage.fault = (_, { headers }) => {
    sent.push(headers.authorization);
    return undefined;
  };
  hub.fault = (url, { headers }, response) => {
    if (headers.authorization !== 'Bearer secret') return answering(401)!(url, {} as never, response);
    return url.endsWith(WEIGHTS)
      ? answering(302, { location: elsewhere + url })!(url, {} as never, response)
      : undefined;
  };
  try {
    await get();
    assert.equal(sent, [undefined]);
  } finally {
    storage.stop();
  }
});

hubTest('sends the token that is saved, and shows no invalid one', async (hub) => {
  const sent = new Set<string | undefined>();
  hub.fault = (_, { headers }) => {
    sent.add(headers.authorization);
    return undefined;
  };
  put(process.env.HF_HOME!, 'token', 'saved\n');
  await get();
  process.env.HF_TOKEN = 'given';
  await get('test/tiny', { update: true });
  assert.equal([...sent], ['Bearer saved', 'Bearer given']);
  process.env.HF_TOKEN = 'two words';
  const message = await throwsInput(() => get('test/tiny', { update: true }), /^HF_TOKEN: is no token/);
  assert.not.match(message, 'two words');
});

hubTest('HF_HUB_OFFLINE allows no download', async (hub) => {
  process.env.HF_HUB_OFFLINE = '1';
  await throwsInput(() => get(), /^test\/tiny: is not in the cache .+ HF_HUB_OFFLINE=1 .*`model: demo`/);
  assert.equal(hub.requests, []);
  delete process.env.HF_HUB_OFFLINE;
  await get();
  process.env.HF_HUB_OFFLINE = '1';
  assert.is(await get(), `test/tiny@${commitOf(1)}`);
  await throwsInput(() => get('test/tiny', { update: true }), /^test\/tiny: cannot be updated, /);
});

test.run();
