import { type Camera, cameraCenter, cross, dot, normalize, type Vec3 } from '../artefacts/camera.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import { horizontal } from './paths/bounds.ts';
import { quantile } from './paths/ellipse.ts';
import { sample } from './paths/support.ts';

/** Longer side of the drawing and its margin, units of the SVG. */
const SIZE = 1000;
const MARGIN = 40;
/** Points and cameras in the drawing, at even strides. */
const MAX_POINTS = 1500;
const MAX_CAMERAS = 400;
/** Arrows along the path that show where the camera looks. */
const ARROWS = 24;
/** Length of an arrow, units of the SVG. */
const ARROW = 34;
/** Points outside these quantiles do not widen the drawing. */
const INLIERS = [0.05, 0.95] as const;

const COLORS = { point: '#b8bec6', train: '#2563a8', test: '#c2410c', path: '#15803d' };

/**
 * The path from above as SVG, a few kilobytes: the points, the cameras of the capture and those of the frames, each with its viewing
 * direction; a dot marks the first frame. Up is towards the reader. Equal scenes give equal bytes.
 */
export function pathDrawing(
  { views, points, up: anyUp }: Pick<Dataset, 'views' | 'points' | 'up'>,
  frames: readonly Camera[],
): string {
  const up = normalize(anyUp);
  const back = horizontal(up);
  const right = cross(up, back);
  const flat = (v: Vec3) => [dot(v, right), dot(v, back)] as const;
  const place = (camera: Camera) => flat(cameraCenter(camera));
  const { positions } = points;
  const cloud = sample([...Array(positions.length / 3).keys()], MAX_POINTS).map((i) =>
    flat([positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]]),
  );
  const photographs = sample(views, MAX_CAMERAS);
  const cameras = [...frames, ...photographs.map(({ camera }) => camera)].map(place);
  const [x, y] = [0, 1].map((axis) => {
    const inner = cloud.length
      ? INLIERS.map((part) =>
          quantile(
            cloud.map((point) => point[axis]),
            part,
          ),
        )
      : [];
    const all = [...inner, ...cameras.map((point) => point[axis])];
    const low = all.reduce((a, b) => Math.min(a, b));
    return { low, range: all.reduce((a, b) => Math.max(a, b)) - low };
  });
  const scale = (SIZE - 2 * MARGIN) / (Math.max(x.range, y.range) || 1);
  const [width, height] = [x, y].map(({ range }) => Math.round(scale * range + 2 * MARGIN));
  const to = ([u, v]: readonly [number, number]) =>
    [MARGIN + scale * (u - x.low), MARGIN + scale * (v - y.low)] as const;
  const write = ([u, v]: readonly number[]) => `${Math.round(u)} ${Math.round(v)}`;
  const isInside = ([u, v]: readonly number[]) => u >= 0 && v >= 0 && u <= width && v <= height;
  const dots = cloud.map(to).filter(isInside);
  const arrow = (camera: Camera) => {
    const m = camera.viewmat;
    const from = to(place(camera));
    const [u, v] = flat([m[8], m[9], m[10]]);
    return `M${write(from)}L${write([from[0] + ARROW * u, from[1] + ARROW * v])}`;
  };
  const marks = (split: 'train' | 'test') => {
    const chosen = photographs.filter((view) => view.split === split).map(({ camera }) => camera);
    const places = chosen.map((camera) => `M${write(to(place(camera)))}h0`);
    return chosen.length
      ? `<g stroke="${COLORS[split]}"><path d="${chosen.map(arrow).join('')}"/><path stroke-width="8" d="${places.join('')}"/></g>`
      : '';
  };
  const eyes = frames.map((camera) => to(place(camera)));
  const [first] = eyes;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height + MARGIN}" fill="none" stroke-linecap="round" stroke-linejoin="round">`,
    `<rect width="${width}" height="${height + MARGIN}" fill="#fff"/>`,
    `<path stroke="${COLORS.point}" stroke-width="4" d="${dots.map((point) => `M${write(point)}h0`).join('')}"/>`,
    `<g stroke-width="2">${marks('train')}${marks('test')}</g>`,
    `<g stroke="${COLORS.path}" stroke-width="3"><path d="M${eyes.map(write).join('L')}"/>`,
    `<path stroke-width="1.5" d="${sample(frames, ARROWS).map(arrow).join('')}"/>`,
    `<circle cx="${Math.round(first[0])}" cy="${Math.round(first[1])}" r="8" fill="${COLORS.path}"/></g>`,
    `<g font-family="sans-serif" font-size="20">${[
      ['path', 'path, from the dot'],
      ['train', 'training views'],
      ['test', 'held-out views'],
      ['point', 'points'],
    ]
      .map(([key, text], i) => {
        const color = COLORS[key as keyof typeof COLORS];
        return `<text x="${MARGIN + 190 * i}" y="${height + MARGIN - 14}" fill="${color}">${text}</text>`;
      })
      .join('')}</g>`,
    '</svg>\n',
  ].join('\n');
}
