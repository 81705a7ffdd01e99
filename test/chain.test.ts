/** The whole chain on the included capture, as users start it: the command line and the script. */
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPipeline } from '../pipeline/file/read.ts';
import type { RunEvent } from '../pipeline/run/events.ts';
import { runReference } from '../pipeline/run/kept-runs.ts';
import { type Manifest, readManifest } from '../pipeline/run/manifest.ts';
import { stages } from '../stages/index.ts';
import { noChromium, type Page } from './helpers/chromium.ts';
import { inScratch } from './helpers/fake-stages.ts';
import { colorAt, slideTo, takePictures, viewerIsReady, withPage } from './helpers/report-page.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';
import { testUnless } from './helpers/skip.ts';
import { unexpectedTransfers } from './helpers/transfers.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const SCENE = 'scenes/demo.yaml';
const MODEL = 'test/data/clip-tiny';
/** The results of the first test. */
const demo = scratchFolder();
/** The demo itself, with the model that it uses, in fewer steps, fewer pictures and half the size; it refines three times. */
const SHORT = [
  'load.downscale=4',
  'train.steps=20',
  'train.mcmc.refineEvery=5',
  'stylize.steps=5',
  'orbit.frames=4',
  'orbit.size=[96, 96]',
];
/** A chain that is there to be interrupted. */
const TINY = [
  'load.downscale=8',
  'train.steps=12',
  'stylize.steps=4',
  'stylize.preset=paper',
  `stylize.model=${MODEL}`,
  'orbit.frames=3',
  'orbit.size=[48, 32]',
];

function splatline(out: string, settings: string[], ...args: string[]) {
  const sets = settings.flatMap((set) => ['--set', set]);
  return $({ cwd: root, nothrow: true })`
    ${process.execPath} pipeline/splatline.mjs run ${SCENE} --json --out ${out} ${sets} ${args}`;
}

async function eventsOf(run: ReturnType<typeof splatline>): Promise<RunEvent[]> {
  const { exitCode, stdout, stderr } = await run;
  assert.is(exitCode, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent);
}

/** What must repeat to the byte, by path: splats, pictures and numbers. The muxer stamps the time into the video. */
async function repeatable(folder: string): Promise<Map<string, Buffer>> {
  const names = [
    'base.ply',
    'splat.ply',
    'scores.json',
    ...(await readdir(join(folder, 'frames'))).sort().map((name) => `frames/${name}`),
  ];
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
  );
}

function assertSame(a: Map<string, Buffer>, b: Map<string, Buffer>): void {
  assert.equal([...a.keys()], [...b.keys()]);
  assert.equal(
    [...a.keys()].filter((name) => !a.get(name)!.equals(b.get(name)!)),
    [],
    'files that differ',
  );
}

test('two runs of the demo in two processes give the same bytes, a resumed and a restored one too, and scene data stays on the GPU', async () => {
  await inScratch(async (folder) => {
    const [a, b] = ['a', 'b'].map((name) => join(folder, name));
    const [events] = await Promise.all([eventsOf(splatline(a, SHORT)), eventsOf(splatline(b, SHORT))]);
    const first = await repeatable(a);
    assert.is(first.size, 7);
    assert.not(first.get('splat.ply')!.equals(first.get('base.ply')!), 'restyling changed nothing');
    assertSame(first, await repeatable(b));

    const result = events.find((event) => event.event === 'result')!;
    assert.ok(result.files.some((file) => file.endsWith('turntable.mp4')));
    for (const file of result.files) assert.ok(existsSync(file), file);
    const plan = await readPipeline(join(root, SCENE), { registry: stages, set: SHORT, cwd: root });
    assert.equal(unexpectedTransfers(result.ledger, plan.stages), []);
    const images = result.ledger.filter(({ purpose }) => purpose === 'images');
    assert.is(images.length, 1, 'pictures are uploaded once, by load');

    await eventsOf(splatline(a, SHORT, '--from', 'stylize'));
    assertSame(first, await repeatable(a));
    await eventsOf(splatline(a, SHORT, '--from', 'score'));
    assertSame(first, await repeatable(a));
    await cp(a, demo, { recursive: true });

    const { manifest } = await readManifest(a);
    await eventsOf(splatline(a, [...SHORT, 'stylize.steps=2'], '--until', 'stylize'));
    assert.not((await readFile(join(a, 'splat.ply'))).equals(first.get('splat.ply')!));
    const { stdout } = await $({ cwd: root })`
      ${process.execPath} pipeline/splatline.mjs runs ${a} --restore ${runReference(manifest)} --out ${a}`;
    assert.is(stdout, `${manifest.files.length} files of ${runReference(manifest)} in ${a}\n`);
    assertSame(first, await repeatable(a));
    const listed = ({ files }: Manifest) => files.toSorted((x, y) => x.path.localeCompare(y.path));
    assert.equal(listed((await readManifest(a)).manifest), listed(manifest));
  });
});

testUnless(
  test,
  noChromium,
  'the report of the demo shows its results from disk, without a network',
  async () => {
    await $({ cwd: root })`${process.execPath} pipeline/splatline.mjs report ${demo} --viewer`;
    const file = join(demo, 'report.html');
    assert.ok((await stat(file)).size < 8e6);
    const check = async (page: Page) => {
      assert.is(await page.evaluate("document.querySelector('h1').textContent"), '“wood”');
      assert.is(await page.evaluate("document.querySelectorAll('#held-out .view').length"), 7);
      const video = "document.querySelector('video')";
      await page.evaluate(`${video}.play()`);
      await page.until(`${video}.getVideoPlaybackQuality().totalVideoFrames > 1`);
      const atSlider = async (percent: number) => {
        await slideTo(page, percent);
        return colorAt(page, '.compare .stage', [0.5, 0.4]);
      };
      assert.not.equal(await atSlider(100), await atSlider(0), 'the pixel under the slider');
      await page.evaluate("document.querySelector('.viewer .open').click()");
      await viewerIsReady(page);
      const background = await colorAt(page, '.viewer .stage', [0.03, 0.2]);
      assert.not.equal(await colorAt(page, '.viewer .stage', [0.5, 0.5]), background, 'the viewer draws');
      assert.equal(await page.violations(), []);
      await takePictures(page, 'demo');
    };
    await withPage(file, check, { logs: true }); // the viewer names its version
  },
);

test('Ctrl-C ends a run with 130 and leaves nothing half-written', async () => {
  await inScratch(async (folder) => {
    const out = join(folder, 'out');
    const run = splatline(out, TINY, '--set', 'train.steps=100000');
    // Listening, not iterating: leaving an iteration would close the pipe, and so end the run.
    await new Promise<void>((resolve) => {
      run.stdout.on('data', (chunk) => String(chunk).includes('"progress","stage":"train"') && resolve());
      run.stdout.on('close', resolve);
    });
    process.kill(run.pid!, 'SIGINT');
    const { exitCode, stderr } = await run;
    assert.is(exitCode, 130, stderr);
    assert.equal((await readdir(out)).sort(), ['.store', 'report.html', 'run.json', 'stages']);
    assert.equal(await readdir(join(out, 'stages')), ['init']);
    assert.equal(await readdir(join(out, '.store', 'tmp')), []);
    assert.is(JSON.parse(await readFile(join(out, 'run.json'), 'utf8')).status, 'stopped');
  });
});

test('the script runs the chain with plain functions', async () => {
  await inScratch(async (folder) => {
    const { exitCode, stdout, stderr } = await $({ cwd: root, nothrow: true })`
      ${process.execPath} --import tsx scenes/script.ts ${folder} 6 ${MODEL}`;
    assert.is(exitCode, 0, stderr);
    assert.match(stdout, /Results in /);
    const names = await readdir(folder);
    for (const name of ['splat.ply', 'scores.json', 'turntable.mp4', 'frames'])
      assert.ok(names.includes(name), name);
  });
});

test.run();
