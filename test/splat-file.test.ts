import { readFileSync, statSync, truncateSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  emptyGaussians,
  type HostGaussians,
  readGaussians,
  releaseGaussians,
  uploadGaussians,
} from '../stages/artefacts/gaussians.ts';
import { loadGaussians, saveGaussians } from '../stages/artefacts/gaussians-file.ts';
import { importGaussians } from '../stages/artefacts/gaussians-import.ts';
import { encodePly, exportPly } from '../stages/artefacts/gaussians-ply.ts';
import { checkPlyHeader } from '../stages/artefacts/ply-header.ts';
import { checkSplatFile } from '../stages/artefacts/splat-file-check.ts';
import { load } from '../stages/load/stage.ts';
import { random4 } from '../wgsl/core/index.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testWithData } from './helpers/shared-data.ts';
import { throwsInput } from './helpers/throws.ts';

const folder = scratchFolder();

function randomSplat(count: number, shDegree: HostGaussians['shDegree']): HostGaussians {
  const host = emptyGaussians(count, shDegree);
  let step = 0;
  for (const name of ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const) {
    step++;
    host[name].forEach((_, i) => {
      host[name][i] = 4 * random4(7, 'init', step, i)[0] - 2;
    });
  }
  return host;
}

test('a .ply is unchanged by a round trip, SH 0 to 3, and its bytes repeat', () =>
  withGpu(async (gpu) => {
    for (const shDegree of [0, 1, 2, 3] as const) {
      const host = randomSplat(50, shDegree);
      const splat = uploadGaussians(gpu, 'test', host, 'test');
      const bytes = await exportPly(gpu, splat);
      assert.equal(bytes, await encodePly(host));
      const read = await importGaussians(put(folder, `degree${shDegree}.ply`, bytes));
      assert.equal(read.gaussians, host);
      assert.is(read.skippedCount, 0);
      releaseGaussians(splat);
    }
  }));

test('the .ply has the layout of 3DGS: f_rest by channel', async () => {
  const host = randomSplat(2, 1);
  const bytes = await encodePly(host);
  const text = new TextDecoder('latin1').decode(bytes);
  const header = text.slice(0, text.indexOf('end_header\n') + 'end_header\n'.length);
  const names = [...header.matchAll(/^property float (\w+)$/gm)].map((match) => match[1]);
  const rest = Array.from({ length: 9 }, (_, i) => `f_rest_${i}`);
  const expected = ['x y z nx ny nz f_dc_0 f_dc_1 f_dc_2', ...rest, 'opacity scale_0 scale_1 scale_2'];
  assert.is(names.join(' '), `${expected.join(' ')} rot_0 rot_1 rot_2 rot_3`);
  const floats = new Float32Array(bytes.slice(header.length).buffer);
  const row = floats.slice(names.length);
  const value = (name: string) => row[names.indexOf(name)];
  // sh [N,K,3]: row 1, coefficient 2, green is f_rest of channel 1, coefficient 2.
  assert.is(value('f_rest_4'), host.sh[12 + 3 * 2 + 1]);
  assert.is(value('f_dc_2'), host.sh[12 + 2]);
  assert.is(value('rot_0'), host.quats[4]);
  assert.is(value('nx'), 0);
});

test('Gaussians with values that are not finite or huge, or with zero quaternions, are skipped and counted', () =>
  withGpu(async (gpu) => {
    const host = randomSplat(20, 1);
    host.means[3 * 2 + 1] = Number.NaN;
    host.means[3 * 3] = Number.POSITIVE_INFINITY;
    host.logScales[3 * 3 + 2] = Number.NaN; // the same Gaussian has two faults
    host.logScales[3 * 4] = 60;
    host.logScales[3 * 5] = -60; // invisible, and no harm
    host.quats.fill(0, 4 * 6, 4 * 7);
    host.sh[12 * 8 + 11] = Number.NEGATIVE_INFINITY;
    host.opacityLogits[9] = Number.POSITIVE_INFINITY; // opaque, as some editors write it
    host.opacityLogits[10] = Number.NaN;
    const path = put(folder, 'broken.ply', await encodePly(host));
    const report = recordingReport();
    const { gaussians, dataset } = await load(gpu, {}, { ply: path, views: 20, size: [40, 30] }, { report });
    const kept = await readGaussians(gpu, gaussians!, 'test');
    assert.is(kept.count, 14);
    const rows = [0, 1, 5, 7, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19];
    assert.equal(
      [...kept.sh],
      rows.flatMap((row) => [...host.sh.subarray(12 * row, 12 * row + 12)]),
    );
    assert.is(kept.opacityLogits[4], 16);
    const [skipped, clamped] = report.warnings;
    assert.match(skipped, /broken\.ply: 6 of 20 Gaussians are skipped: /);
    for (const part of [
      '1 not finite in y',
      '1 not finite in x',
      '1 not finite in scale_2',
      '1 beyond 20 in scale_0',
    ]) {
      assert.match(skipped, part);
    }
    for (const part of ['1 zero-length quaternions', '1 not finite in f_rest_8', '1 not finite in opacity']) {
      assert.match(skipped, part);
    }
    assert.match(clamped, '1 opacities are infinite');
    assert.is(dataset.views.length, 20);
    assert.ok(dataset.views.every(({ image, split }) => image === null && split === 'train'));
    releaseGaussians(gaussians!);
  }));

test('a splat with only broken Gaussians is refused', async () => {
  const host = randomSplat(3, 0);
  host.means.fill(Number.NaN);
  const path = put(folder, 'nothing.ply', await encodePly(host));
  await throwsInput(() => importGaussians(path), path, 'no Gaussian with finite values', '3 not finite in x');
});

test('hostile headers: the error has the line, the value found, the value expected', async () => {
  const good = new TextDecoder('latin1').decode(await encodePly(randomSplat(2, 1)));
  const check = (head: string, size = head.length) => checkPlyHeader('a.ply', head, size);
  assert.is(check(good).shDegree, 1);
  const change = (from: string | RegExp, to: string) => good.replace(from, to);
  const cases: [string, ...(string | RegExp)[]][] = [
    ['', 'a.ply:1: ', 'expected "ply"'],
    [change('ply\n', 'PLY\n'), 'a.ply:1: '],
    [good.slice(0, 100), 'no line `end_header` before it ends'],
    [change('end_header', 'end_of_it'), 'end_header'],
    [change('binary_little_endian', 'ascii'), 'a.ply:2: ', 'expected binary_little_endian 1.0'],
    [change('binary_little_endian', 'binary_big_endian'), 'a.ply:2: '],
    [change(/format.*\n/, ''), 'has no format line'],
    [change('vertex 2', 'vertex -2'), 'a.ply:3: ', 'count from 0'],
    [change('vertex 2', 'vertex 9223372036854775808'), 'a.ply:3: '],
    [change('vertex 2', 'vertex 1e3'), 'a.ply:3: '],
    [change('vertex 2', 'vertex 4294967295'), 'is truncated', 'header declares'],
    [change('vertex 2', 'vertex 0'), '0 vertices'],
    [change('vertex 2', 'face 2'), 'no element vertex'],
    [change('float x', 'list uchar int x'), 'a.ply:4: ', 'lists'],
    [change('float x', 'constructor x'), 'a.ply:4: '],
    [change('float x', 'float y'), 'a.ply:5: ', '"y" appears twice'],
    [change('property float opacity\n', ''), 'lacks opacity'],
    [change('property float f_rest_3\n', ''), 'has 8 properties f_rest_'],
    [change('f_rest_3\n', 'f_rest_33\n'), 'has 9 properties f_rest_'],
    [change('element vertex', 'elephant vertex'), 'a.ply:3: ', '"elephant vertex 2"'],
    [`ply\n${'comment '.repeat(40_000)}\n${good.slice(4)}`.slice(0, 131072), 'no line `end_header`'],
    [
      'ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\nend_header\n1234',
      'lacks y, z',
    ],
  ];
  for (const [head, ...patterns] of cases) await throwsInput(() => check(head), 'a.ply', ...patterns);
  for (const size of [good.length - 1, good.length - 92, good.indexOf('end_header') + 11]) {
    await throwsInput(() => check(good, size), 'is truncated', `has ${size} bytes`);
  }
});

test('no single changed byte of a header makes the check throw anything but InputError', async () => {
  const good = await encodePly(randomSplat(2, 0));
  const end = new TextDecoder('latin1').decode(good).indexOf('end_header') + 11;
  for (let at = 0; at < end; at++) {
    for (const value of [0, 10, 32, 0x39, 0xff]) {
      const broken = good.slice();
      broken[at] = value;
      try {
        checkPlyHeader('a.ply', new TextDecoder('latin1').decode(broken), broken.length);
      } catch (error) {
        assert.is((error as Error).name, 'InputError', `byte ${at} = ${value}: ${(error as Error).stack}`);
      }
    }
  }
});

test('files of other kinds and damaged compact files are InputErrors', async () => {
  await throwsInput(() => checkSplatFile(put(folder, 'a.obj', 'x')), 'a.obj', '.ply');
  await throwsInput(() => checkSplatFile(`${folder}/none.ply`), 'cannot be opened');
  for (const name of ['a.splat', 'a.ksplat', 'a.sog', 'meta.json', 'b.ply']) {
    const noise = Uint8Array.from({ length: 333 }, (_, i) => (i * 73) & 255);
    const path = put(folder, name, noise);
    await throwsInput(() => importGaussians(path), path);
    await throwsInput(() => importGaussians(put(folder, `empty/${name}`, '')), name);
  }
});

test('a SOG that declares too many Gaussians is refused before it is read', async () => {
  for (const count of [4e9, 0, -1, 1.5, '"31"', 'null']) {
    const path = put(folder, 'sog/meta.json', `{"version":2,"count":${count}}`);
    await throwsInput(() => checkSplatFile(path), path, 'not 1 to 16777216');
  }
  await throwsInput(() => checkSplatFile(put(folder, 'sog/meta.json', '{')), 'is not JSON');
});

test('a splat is saved exactly, in the same bytes each time, and loaded again', () =>
  withGpu(async (gpu) => {
    for (const shDegree of [0, 3] as const) {
      const host = randomSplat(33, shDegree);
      host.means[0] = -0; // a sign that only bits show
      const splat = uploadGaussians(gpu, 'test', host, 'test');
      const [a, b] = [`${folder}/a.safetensors`, `${folder}/b.safetensors`];
      await saveGaussians(gpu, splat, a);
      await saveGaussians(gpu, splat, b);
      assert.ok(readFileSync(a).equals(readFileSync(b)));
      const loaded = await loadGaussians(gpu, a);
      const back = await readGaussians(gpu, loaded, 'test');
      for (const name of ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const) {
        assert.equal(new Uint32Array(back[name].buffer), new Uint32Array(host[name].buffer));
      }
      releaseGaussians(splat);
      releaseGaussians(loaded);
    }
  }));

test('buffers longer than the splat are saved to its count', () =>
  withGpu(async (gpu) => {
    const host = randomSplat(40, 0);
    const splat = uploadGaussians(gpu, 'test', host, 'test');
    const path = `${folder}/prefix.safetensors`;
    await saveGaussians(gpu, { ...splat, count: 5 }, path);
    const loaded = await loadGaussians(gpu, path);
    assert.is(loaded.count, 5);
    const { means } = await readGaussians(gpu, loaded, 'test');
    assert.equal([...means], [...host.means.subarray(0, 15)]);
    releaseGaussians(splat);
    releaseGaussians(loaded);
  }));

test('a saved splat that is truncated, longer, or of another format is detected', async () => {
  const gpu = await testGpu();
  const splat = uploadGaussians(gpu, 'test', randomSplat(9, 1), 'test');
  const path = `${folder}/cut.safetensors`;
  await saveGaussians(gpu, splat, path);
  const whole = readFileSync(path);
  for (const length of [whole.length - 1, whole.length >> 1, 300, 100, 8, 3, 0]) {
    put(folder, 'cut.safetensors', whole);
    truncateSync(path, length);
    await throwsInput(() => loadGaussians(gpu, path), path);
  }
  put(folder, 'cut.safetensors', Buffer.concat([whole, Buffer.from('x')]));
  await throwsInput(() => loadGaussians(gpu, path), `${whole.length + 1} bytes long`, `take ${whole.length}`);
  put(folder, 'cut.safetensors', Buffer.from(whole.toString('latin1').replace('F32', 'F16'), 'latin1'));
  await throwsInput(() => loadGaussians(gpu, path), 'is not a saved splat');
  await throwsInput(() => loadGaussians(gpu, `${folder}/none`), 'cannot be opened');
  releaseGaussians(splat);
});

test('NaN is never written: the tensor, the count and the Gaussian are named', async () => {
  const gpu = await testGpu();
  const host = randomSplat(10, 1);
  host.sh[12 * 4 + 1] = Number.NaN;
  host.sh[12 * 7] = Number.NaN;
  host.quats[4 * 9] = Number.POSITIVE_INFINITY;
  const splat = uploadGaussians(gpu, 'test', host, 'test');
  const path = `${folder}/nan.safetensors`;
  for (const write of [() => saveGaussians(gpu, splat, path), () => exportPly(gpu, splat)]) {
    const error = await write().then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    assert.match(error!.message, 'quats has 1, first Infinity in Gaussian 9');
    assert.match(error!.message, 'sh has 2, first NaN in Gaussian 4');
  }
  assert.not(statSync(path, { throwIfNoEntry: false }));
  assert.not(statSync(`${path}.partial`, { throwIfNoEntry: false }));
  releaseGaussians(splat);
});

testWithData(test, 'splat', 'real splats: .ply, SOG and the compact formats', async (path) => {
  const read = async (name: string) => (await importGaussians(`${path}/${name}`)).gaussians;
  const [ply, sog] = [await read('playbot_31k_sh2.ply'), await read('playbot_sog/meta.json')];
  assert.equal([ply.count, ply.shDegree, sog.count, sog.shDegree], [31000, 3, 31000, 2]);
  assert.equal(ply.means, sog.means);
  assert.equal(ply.opacityLogits, sog.opacityLogits);
  // The .ply is of degree 3 with an empty last band; the other coefficients agree.
  const coefficient = (host: HostGaussians, row: number, k: number, c: number) =>
    host.sh[(row * (host.shDegree + 1) ** 2 + k) * 3 + c];
  for (const row of [0, 1234, 30999]) {
    for (let k = 0; k < 9; k++) {
      for (let c = 0; c < 3; c++) assert.is(coefficient(ply, row, k, c), coefficient(sog, row, k, c));
    }
  }
  for (const name of ['minimal.splat', 'minimal.ksplat', 'minimal-v4.spz']) {
    assert.is((await read(`fixtures/${name}`)).count, 4);
  }
});

test.run();
