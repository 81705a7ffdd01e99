import { Worker } from 'node:worker_threads';
import { type Camera, cameraCenter, cross, dot, normalize, subtract, type Vec3 } from './camera.ts';
import { assertFinite, emptyGaussians, type HostGaussians } from './gaussians.ts';
import { encodePly, plyColumns } from './gaussians-ply.ts';

/**
 * The formats in which a splat is written, all by @playcanvas/splat-transform. `marks`: whether the file marks a splat that was trained with
 * antialiasing.
 */
export const SPLAT_FORMATS = {
  ply: { output: 'ply', marks: true, summary: '3DGS, exact' },
  'compressed.ply': { output: 'compressed-ply', marks: true, summary: 'PlayCanvas, quantised' },
  sog: { output: 'sog-bundle', marks: true, summary: 'PlayCanvas, quantised and clustered, for the web' },
  spz: { output: 'spz', marks: true, summary: 'Niantic, quantised' },
  glb: { output: 'glb', marks: false, summary: 'glTF with KHR_gaussian_splatting' },
  html: {
    output: 'html-bundle',
    marks: true,
    summary: 'SuperSplat viewer with the SOG inside, opens without a network',
  },
} as const;
export type SplatFormat = keyof typeof SPLAT_FORMATS;
export const SPLAT_FORMAT_NAMES = Object.keys(SPLAT_FORMATS) as [SplatFormat, ...SplatFormat[]];

export interface SplatWriterOptions {
  /** Iterations of SOG's k-means over SH of degree 1 and above. */
  iterations?: number;
  /** Of SOG's k-means. */
  seed?: number;
  /** The first view of the viewer's page. */
  viewer?: ViewerCamera;
}

/** Where the viewer starts, in world units of the splat. */
export interface ViewerCamera {
  position: Vec3;
  target: Vec3;
  /** Field of view of the longer side, degrees. */
  fov: number;
  /** RGB behind the splat, 0–1. */
  background?: Vec3;
  /** Of the world, not zero. Default: −y. */
  up?: Vec3;
}

const DEFAULT_SEED = 42;
const DEFAULT_ITERATIONS = 1;

/**
 * The splat as a file of this format. Runs in a thread of its own, one job at a time; equal splats and options give equal bytes.
 * @throws Error when a value is NaN or infinite.
 */
export async function writeSplat(
  host: HostGaussians,
  format: SplatFormat,
  options: SplatWriterOptions = {},
): Promise<Uint8Array> {
  assertFinite(host, `writing .${format}`);
  if (format === 'ply') return encodePly(host);
  if (format === 'html') {
    return writeViewer(await writeSplat(host, 'sog', options), options.viewer, host.antialias);
  }
  return runWriter(format === 'glb' ? withUnitQuats(host) : host, format, options);
}

/** A view from a camera's centre to the point of its optical axis that is nearest to `center`. */
export function viewerCamera(camera: Camera, center: Vec3, background: Vec3): ViewerCamera {
  const position = cameraCenter(camera);
  const [x, y, z] = camera.viewmat.slice(8, 11);
  const distance = Math.max(dot([x, y, z], subtract(center, position)), Number.EPSILON);
  const target: Vec3 = [position[0] + distance * x, position[1] + distance * y, position[2] + distance * z];
  // The viewer's field of view is that of the longer side.
  const half = Math.max(camera.width / camera.fx, camera.height / camera.fy) / 2;
  const fov = (2 * Math.atan(half) * 180) / Math.PI;
  return { position, target, fov, background };
}

/** Rotations of KHR_gaussian_splatting have unit length; the other formats normalise them or leave it to the reader. */
function withUnitQuats(host: HostGaussians): HostGaussians {
  const quats = host.quats.slice();
  for (let at = 0; at < quats.length; at += 4) {
    const row = quats.subarray(at, at + 4);
    const length = Math.hypot(...row) || 1;
    row.forEach((value, k) => {
      row[k] = value / length;
    });
  }
  return { ...host, quats };
}

/** The viewer's statements for the splat's rotation and for antialiasing. Its settings have neither. */
const VIEWER_TURN = 'entity.setLocalEulerAngles(0, 0, 180);';
const VIEWER_ANTIALIAS = "aa: url.searchParams.has('aa')";

/**
 * The SuperSplat viewer as one page. With a SOG inside it loads nothing from a network; with an address it fetches the splat from
 * there, in the format of the name: .ply, .compressed.ply or .sog. `antialias`: it renders with
 * Mip-Splatting's 2D filter, because it does not read the mark of a file.
 */
export async function writeViewer(
  splat: Uint8Array | { address: string },
  camera?: ViewerCamera,
  antialias = false,
): Promise<Uint8Array<ArrayBuffer>> {
  const [before, after] = await readViewer(camera, antialias);
  if (splat instanceof Uint8Array) {
    return new TextEncoder().encode(before + Buffer.from(splat).toString('base64') + after);
  }
  const { address } = splat;
  const named = replaceOnce(before.slice(0, -INLINE.length), SOG_NAME, `'${address}'`);
  return new TextEncoder().encode(named + address + after);
}

/** The page of the SuperSplat viewer in two parts: the base64 of a SOG belongs between them. */
export async function readViewer(
  camera?: ViewerCamera,
  antialias = false,
): Promise<[before: string, after: string]> {
  // The library only writes a page with a splat inside. One Gaussian keeps it short.
  const one = emptyGaussians(1, 0);
  one.quats[0] = 1;
  let page = new TextDecoder().decode(await runWriter(one, 'html', { viewer: camera }));
  const [w, x, y, z] = uprightTurn(camera?.up);
  page = replaceOnce(page, VIEWER_TURN, `entity.setLocalRotation(${x}, ${y}, ${z}, ${w});`);
  if (antialias) page = replaceOnce(page, VIEWER_ANTIALIAS, 'aa: true');
  return splitViewer(page);
}

function replaceOnce(page: string, text: string, by: string): string {
  if (page.split(text).length !== 2) throw new Error(`the viewer's page does not have ${text} once`);
  return page.replace(text, () => by);
}

/** The quaternion wxyz of the shortest turn of `up` to −y, and then 180° about z: y is up in the viewer. */
function uprightTurn(up: Vec3 = [0, -1, 0]): [w: number, x: number, y: number, z: number] {
  const target: Vec3 = [0, -1, 0];
  const unit = normalize(up);
  const half = 1 + dot(unit, target);
  // Opposite directions have no unique shortest turn: half a turn about x.
  const turn = half < 1e-6 ? [0, 1, 0, 0] : [half, ...cross(unit, target)];
  const [w, x, y, z] = turn.map((value) => value / Math.hypot(...turn));
  return [-z, -y, x, w];
}

/** The SOG inside a page of `writeViewer`. */
export function sogOfViewer(page: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(page);
  const [before, after] = splitViewer(text);
  return Buffer.from(text.slice(before.length, text.length - after.length), 'base64');
}

/** The start of the data URL with the SOG, and the file name whose extension gives the format. */
const INLINE = 'data:application/octet-stream;base64,';
const SOG_NAME = "'./scene.sog'";

function splitViewer(page: string): [before: string, after: string] {
  const opening = `fetch("${INLINE}`;
  const start = page.indexOf(opening) + opening.length;
  const end = page.indexOf('"', start);
  if (start < opening.length || end < 0) throw new Error("the viewer's page has no SOG");
  return [page.slice(0, start), page.slice(end)];
}

/** SuperSplat's settings. Its world is the file's, turned by `uprightTurn`. */
function viewerSettings({ position, target, fov, background = [0, 0, 0], up }: ViewerCamera): object {
  const [w, ...axis] = uprightTurn(up);
  const turned = (point: Vec3) => {
    const once = cross(axis, point);
    const twice = cross(axis, once);
    return point.map((value, k) => value + 2 * (w * once[k] + twice[k]));
  };
  return {
    version: 2,
    tonemapping: 'none',
    highPrecisionRendering: false,
    background: { color: background },
    postEffectSettings: {
      sharpness: { enabled: false, amount: 0 },
      bloom: { enabled: false, intensity: 1, blurLevel: 2 },
      grading: { enabled: false, brightness: 0, contrast: 1, saturation: 1, tint: [1, 1, 1] },
      vignette: { enabled: false, intensity: 0.5, inner: 0.3, outer: 0.75, curvature: 1 },
      fringing: { enabled: false, intensity: 0.5 },
    },
    animTracks: [],
    cameras: [{ initial: { position: turned(position), target: turned(target), fov } }],
    annotations: [],
    startMode: 'default',
  };
}

interface Answer {
  bytes?: Uint8Array<ArrayBuffer>;
  failed?: string;
}

/** Shared by the process, because the library takes seconds to load. While idle it does not keep the process alive. */
let thread: Worker | undefined;
let turn: Promise<unknown> = Promise.resolve();

function runWriter(
  host: HostGaussians,
  format: SplatFormat,
  { iterations = DEFAULT_ITERATIONS, seed = DEFAULT_SEED, viewer }: SplatWriterOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const columns = plyColumns(host);
  const { output } = SPLAT_FORMATS[format];
  const job = {
    columns,
    output,
    iterations,
    seed,
    viewer: viewer && viewerSettings(viewer),
    antialias: host.antialias,
  };
  const written = turn.then(async () => {
    thread ??= startThread();
    const worker = thread;
    worker.ref();
    worker.postMessage(
      job,
      columns.map(({ data }) => data.buffer),
    );
    const { bytes, failed } = await answerOf(worker);
    worker.unref();
    if (!bytes) throw new Error(`writing .${format}: ${failed}`);
    return bytes;
  });
  turn = written.catch(() => {});
  return written;
}

function startThread(): Worker {
  return new Worker(new URL('./splat-writer-worker.mjs', import.meta.url), {
    // Without the options of the process, which may load a compiler.
    execArgv: [],
    // The library prints; that is not shown.
    stdout: true,
  });
}

function answerOf(worker: Worker): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      thread = undefined;
      reject(error instanceof Error ? error : new Error(`the thread that writes splats ended with ${error}`));
    };
    worker.removeAllListeners();
    worker.once('message', resolve);
    worker.once('error', fail);
    worker.once('exit', fail);
  });
}
