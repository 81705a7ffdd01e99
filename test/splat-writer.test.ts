import { pathToFileURL } from 'node:url';
import { validateBytes } from 'gltf-validator';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyGaussians, GAUSSIAN_PARAMETERS, type HostGaussians } from '../stages/artefacts/gaussians.ts';
import { parseGaussians } from '../stages/artefacts/gaussians-import.ts';
import { encodePly } from '../stages/artefacts/gaussians-ply.ts';
import {
  SPLAT_FORMAT_NAMES,
  SPLAT_FORMATS,
  sogOfViewer,
  writeSplat,
  writeViewer,
} from '../stages/artefacts/splat-writer.ts';
import { noChromium, Page } from './helpers/chromium.ts';
import { uniform } from './helpers/numbers.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testUnless } from './helpers/skip.ts';

const COUNT = 600;

/** Red Gaussians in a ball of radius 1. */
function redBall(shDegree: HostGaussians['shDegree']): HostGaussians {
  const host = emptyGaussians(COUNT, shDegree);
  host.means.set(uniform(3 * COUNT, 1, -0.6, 0.6));
  host.logScales.set(uniform(3 * COUNT, 2, -2.5, -1.5));
  host.quats.set(uniform(4 * COUNT, 3, -1, 1));
  host.opacityLogits.set(uniform(COUNT, 4, 1, 4));
  const width = host.sh.length / COUNT;
  host.sh.set(uniform(host.sh.length, 5, -0.05, 0.05));
  for (let i = 0; i < COUNT; i++) host.sh.set([1.5, -1.5, -1.5], width * i);
  return host;
}

/** Written once: SOG takes seconds. */
const sogOfBall = writeSplat(redBall(1), 'sog');

/** The largest distance of a mean from the nearest one of `other`: the formats have orders of their own. */
function farthest(host: HostGaussians, other: HostGaussians): number {
  let worst = 0;
  for (let i = 0; i < host.count; i++) {
    let nearest = Number.POSITIVE_INFINITY;
    for (let j = 0; j < other.count; j++) {
      const apart = [0, 1, 2].map((c) => host.means[3 * i + c] - other.means[3 * j + c]);
      nearest = Math.min(nearest, Math.hypot(...apart));
    }
    worst = Math.max(worst, nearest);
  }
  return worst;
}

for (const { format, far } of [
  { format: 'compressed.ply', far: 2e-3 },
  { format: 'sog', far: 1e-4 },
  { format: 'spz', far: 1e-3 },
] as const) {
  test(`.${format} is read back with all Gaussians near their places, and its bytes repeat`, async () => {
    const host = redBall(1);
    const bytes = await writeSplat(host, format);
    const again = format === 'sog' ? await sogOfBall : await writeSplat(host, format);
    assert.equal(bytes, again);
    const { gaussians, skippedCount } = await parseGaussians(bytes, `splat.${format}`);
    assert.equal([gaussians.count, gaussians.shDegree, skippedCount], [COUNT, 1, 0]);
    const distance = farthest(host, gaussians);
    assert.ok(distance < far, `${distance}`);
  });
}

for (const format of SPLAT_FORMAT_NAMES.filter((name) => SPLAT_FORMATS[name].marks && name !== 'html')) {
  test(`.${format} marks a splat with antialiasing`, async () => {
    const marked = { ...redBall(1), antialias: true };
    const { gaussians } = await parseGaussians(await writeSplat(marked, format), `splat.${format}`);
    assert.equal([gaussians.antialias, gaussians.count], [true, COUNT]);
  });
}

test('.ply is exact, and the bytes are those of exportPly', async () => {
  const host = redBall(2);
  const bytes = await writeSplat(host, 'ply');
  assert.equal(bytes, await encodePly(host));
  assert.equal((await parseGaussians(bytes, 'splat.ply')).gaussians, host);
});

test('.glb is valid glTF, except that the validator does not know the attributes of KHR_gaussian_splatting', async () => {
  const { issues } = await validateBytes(await writeSplat(redBall(1), 'glb'));
  const others = issues.messages.filter(
    ({ code, message, pointer }) =>
      !(code === 'MESH_PRIMITIVE_INVALID_ATTRIBUTE' && pointer.includes('/KHR_gaussian_splatting:')) &&
      !(code === 'UNSUPPORTED_EXTENSION' && message.includes("'KHR_gaussian_splatting'")),
  );
  assert.equal(others, []);
});

/** The attributes of the only primitive of a .glb, by name without the extension's prefix. All but COLOR_0 are f32. */
function attributesOf(glb: Uint8Array): Record<string, Float32Array> {
  const view = new DataView(glb.buffer, glb.byteOffset, glb.length);
  const jsonBytes = view.getUint32(12, true);
  const { accessors, bufferViews, meshes } = JSON.parse(
    new TextDecoder().decode(glb.subarray(20, 20 + jsonBytes)),
  );
  // The header of the binary chunk follows.
  const binary = glb.subarray(28 + jsonBytes);
  const attributes: Record<string, number> = meshes[0].primitives[0].attributes;
  const values = Object.entries(attributes).flatMap(([name, index]) => {
    const { componentType, bufferView } = accessors[index];
    const { byteOffset, byteLength } = bufferViews[bufferView];
    const bytes = binary.slice(byteOffset, byteOffset + byteLength);
    const short = name.replace('KHR_gaussian_splatting:', '');
    return componentType === 5126 ? [[short, new Float32Array(bytes.buffer)] as const] : [];
  });
  return Object.fromEntries(values);
}

test('.glb holds every Gaussian’s values to f32 rounding, turned by 180° about z', async () => {
  const host = redBall(3);
  const found = attributesOf(await writeSplat(host, 'glb'));
  assert.is(Object.keys(found).length, 4 + 16);
  const norms = Array.from({ length: COUNT }, (_, i) => Math.hypot(...host.quats.subarray(4 * i, 4 * i + 4)));
  const near = (name: string, width: number, expected: (i: number, k: number) => number) => {
    assert.is(found[name].length, width * COUNT, name);
    const worst = found[name].reduce((most, value, at) => {
      const [i, k] = [Math.floor(at / width), at % width];
      return Math.max(most, Math.abs(value - expected(i, k)));
    }, 0);
    assert.ok(worst < 3e-6, `${name}: ${worst}`);
  };
  near('POSITION', 3, (i, k) => (k < 2 ? -1 : 1) * host.means[3 * i + k]);
  near('SCALE', 3, (i, k) => Math.exp(host.logScales[3 * i + k]));
  near('OPACITY', 1, (i) => 1 / (1 + Math.exp(-host.opacityLogits[i])));
  // k·q for q = (w, x, y, z); xyzw in the file, q and −q are one rotation.
  near('ROTATION', 4, (i, k) => {
    const [w, x, y, z] = host.quats.subarray(4 * i, 4 * i + 4);
    const turned = [-y, x, w, -z];
    const sign = Math.sign(turned.reduce((sum, value, c) => sum + value * found.ROTATION[4 * i + c], 0));
    return (sign * turned[k]) / norms[i];
  });
  // Half a turn about z negates the functions of odd order m.
  for (let degree = 0; degree <= 3; degree++) {
    for (let c = 0; c <= 2 * degree; c++) {
      const sign = (c - degree) % 2 ? -1 : 1;
      const at = degree * degree + c;
      near(`SH_DEGREE_${degree}_COEF_${c}`, 3, (i, k) => sign * host.sh[3 * (16 * i + at) + k]);
    }
  }
});

test('the seed decides the clusters of SOG, and Math.random of the process is untouched', async () => {
  const { random } = Math;
  const host = redBall(1);
  const other = await writeSplat(host, 'sog', { seed: 2 });
  assert.is(Math.random, random);
  assert.not.equal(other, await sogOfBall);
});

test('the viewer renders with the filter where the splat was trained with it', async () => {
  const sog = new Uint8Array([1, 2, 3]);
  const pages = [await writeViewer(sog), await writeViewer(sog, undefined, true)];
  assert.equal(
    pages.map((page) => new TextDecoder().decode(page).includes('aa: true,')),
    [false, true],
  );
});

test('values that are not finite are refused', async () => {
  const host = redBall(0);
  host.means[4] = Number.NaN;
  const error = await writeSplat(host, 'spz').catch((thrown: Error) => thrown);
  assert.match(String(error), /writing \.spz.*means has 1, first NaN in Gaussian 1/);
});

testUnless(
  test,
  noChromium,
  'the page of the viewer shows the splat from file://, without a network',
  async () => {
    // Two balls of one colour each, the green one above the red one where +x is up.
    const host = emptyGaussians(2 * COUNT, 0);
    const ball = redBall(0);
    for (const name of GAUSSIAN_PARAMETERS) host[name].set([...ball[name], ...ball[name]]);
    for (let i = COUNT; i < 2 * COUNT; i++) {
      host.means[3 * i] += 1.5;
      host.sh.set([-1.5, 1.5, -1.5], 3 * i);
    }
    const sog = await writeSplat(host, 'sog');
    const page = await writeViewer(sog, { position: [0, 0, -9], target: [0, 0, 0], fov: 50, up: [1, 0, 0] });
    assert.equal(new Uint8Array(sogOfViewer(page)), sog);
    const url = pathToFileURL(put(scratchFolder(), 'splat.html', page)).href;
    const browser = await Page.open(url);
    try {
      await browser.until('document.getElementById("loadingWrap")?.classList.contains("hidden")');
      const picture = sharp(await browser.tab.screenshot()).removeAlpha();
      const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
      const colorAt = (share: number) => {
        const at = 3 * (info.width * Math.round(share * info.height) + (info.width >> 1));
        return [...data.subarray(at, at + 3)];
      };
      const [red, green, blue] = colorAt(0.5);
      assert.ok(red > 150 && green < 60 && blue < 60, `${[red, green, blue]}`);
      // The field of view is that of the longer side.
      const height = (18 * Math.tan((25 * Math.PI) / 180) * info.height) / Math.max(info.width, info.height);
      const above = colorAt(0.5 - 1.1 / height);
      assert.ok(above[1] > 150 && above[0] < 60 && above[2] < 60, `${above}`);
      assert.equal(browser.requests, [url]);
    } finally {
      await browser.close();
    }
  },
);

test.run();
