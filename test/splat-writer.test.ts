import { pathToFileURL } from 'node:url';
import { validateBytes } from 'gltf-validator';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyGaussians, type HostGaussians } from '../stages/artefacts/gaussians.ts';
import { parseGaussians } from '../stages/artefacts/gaussians-import.ts';
import { encodePly } from '../stages/artefacts/gaussians-ply.ts';
import { sogOfViewer, writeSplat, writeViewer } from '../stages/artefacts/splat-writer.ts';
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

for (const format of ['ply', 'compressed.ply', 'sog', 'spz'] as const) {
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

test('the seed decides the clusters of SOG, and Math.random of the process is untouched', async () => {
  const { random } = Math;
  const host = redBall(1);
  const other = await writeSplat(host, 'sog', { seed: 2 });
  assert.is(Math.random, random);
  assert.not.equal(other, await sogOfBall);
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
    const sog = await sogOfBall;
    const page = await writeViewer(sog, { position: [0, 0, -3], target: [0, 0, 0], fov: 50 });
    assert.equal(new Uint8Array(sogOfViewer(page)), sog);
    const url = pathToFileURL(put(scratchFolder(), 'splat.html', page)).href;
    const browser = await Page.open(url);
    try {
      await browser.until('document.getElementById("loadingWrap")?.classList.contains("hidden")');
      const picture = sharp(await browser.screenshot()).removeAlpha();
      const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
      const at = 3 * (info.width * (info.height >> 1) + (info.width >> 1));
      const [red, green, blue] = data.subarray(at, at + 3);
      assert.ok(red > 150 && green < 60 && blue < 60, `${[red, green, blue]}`);
      assert.equal(browser.requests, [url]);
    } finally {
      await browser.close();
    }
  },
);

test.run();
