import type { Turntable, ViewerData } from '../data.ts';
import { choice } from './controls.ts';
import { type Content, element, Piece, showPicture } from './dom.ts';

type Which = keyof ViewerData['splats'];
type Point = Record<'x' | 'y' | 'z', number>;

/** What a page of the viewer shares with this one. */
interface ViewerWindow extends Window {
  viewer?: { global: { camera: { getPosition(): Point; forward: Point } } };
}

/**
 * The viewer of the splat, in a frame that a button opens: until then the page shows the first picture of the turntable. A change
 * between the splats keeps the camera. Without WebGL and WebGPU the picture stays.
 */
export function splatViewer(data: ViewerData, { frames, before }: Turntable): Content {
  const { splats, width, height } = data;
  const piece = new Piece('viewer');
  const stage = piece.get('stage');
  const poster = piece.get<HTMLImageElement>('poster');
  const openButton = piece.get<HTMLButtonElement>('open');
  const pictures = { now: frames[0], before: before[0] ?? frames[0] };
  stage.style.aspectRatio = `${width} / ${height}`;

  let which: Which = 'now';
  let frame: HTMLIFrameElement | undefined;
  const showPoster = () =>
    showPicture(poster, { src: pictures[which], width, height }, 'The splat from the first camera');
  const open = async () => {
    openButton.disabled = true;
    const shown = which;
    const [head, tail] = JSON.parse(await inflate(data.page)) as [string, string];
    // The viewer requests WebGPU unless its address has `webgl`, and writes an error where there is no adapter.
    const usesWebgl = String(!(await hasWebgpu()));
    if (shown !== which) return; // another choice has begun
    const next = element('iframe', '');
    next.title = `Viewer of the ${shown === 'now' ? 'splat' : 'splat before restyling'}`;
    next.allow = 'fullscreen';
    next.srcdoc =
      head.replace("url.searchParams.has('webgl')", usesWebgl) + splats[shown] + startingAt(frame, tail);
    stage.replaceChildren(next);
    frame = next;
  };
  openButton.addEventListener('click', open);
  showPoster();
  const missing = piece.get('missing');
  missing.hidden = true;
  if (!hasWebgl()) {
    void hasWebgpu().then((has) => {
      missing.hidden = has;
      openButton.hidden = !has;
    });
  }
  const note =
    data.shDegree < data.trainedDegree
      ? `So that the page stays small, colours have SH of degree ${data.shDegree} instead of ${data.trainedDegree}.`
      : undefined;
  const choose = choice<Which>(
    'Splat',
    [
      ['now', 'Restyled splat'],
      ['before', 'Trained splat'],
    ],
    (value) => {
      which = value;
      if (frame) void open();
      else showPoster();
    },
  );
  return piece.fill({ choice: splats.before ? choose : undefined, note }).content;
}

/** The page of a viewer that starts where the reader has moved the camera of the present one. */
function startingAt(present: HTMLIFrameElement | undefined, page: string): string {
  const camera = (present?.contentWindow as ViewerWindow | null | undefined)?.viewer?.global.camera;
  if (!camera) return page;
  const [position, forward] = [camera.getPosition(), camera.forward].map(({ x, y, z }) => [x, y, z]);
  return page.replace(/"initial":(\{.*?\})/, (_, settings: string) => {
    const initial = JSON.parse(settings) as { position: number[]; target: number[]; fov: number };
    const distance = Math.hypot(...position.map((at, axis) => at - initial.target[axis]));
    const target = position.map((at, axis) => at + distance * forward[axis]);
    return `"initial":${JSON.stringify({ ...initial, position, target })}`;
  });
}

function hasWebgl(): boolean {
  return document.createElement('canvas').getContext('webgl2') !== null;
}

async function hasWebgpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  return Boolean(await gpu?.requestAdapter());
}

/** gzip and base64 to text. */
async function inflate(packed: string): Promise<string> {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).text();
}
