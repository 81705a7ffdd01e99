import type { ColmapCamera } from '../../stages/load/colmap/cameras.ts';

/** What COLMAP 4.2 (pycolmap) computes for a camera: the pixels of `RAYS`, and the camera that `image_undistorter` writes. */
interface ColmapValues {
  camera: ColmapCamera;
  pixels: [x: number, y: number][];
  /** PINHOLE: width, height, fx, fy, cx, cy. */
  undistorted: [number, number, number, number, number, number];
}

/** Rays (u, v, 1). */
export const RAYS: [u: number, v: number][] = [
  [-0.55, 0.31],
  [0.2, -0.4],
  [0.02, 0.03],
];

const camera = (model: string, params: number[]): ColmapCamera => ({
  id: 3,
  model,
  width: 640,
  height: 480,
  params,
});

/** One camera of every model with plausible coefficients. */
export const COLMAP_VALUES: ColmapValues[] = [
  {
    camera: camera('SIMPLE_PINHOLE', [500, 320, 240]),
    pixels: [
      [45.0, 395.0],
      [420.0, 40.0],
      [330.0, 255.0],
    ],
    undistorted: [640, 480, 500.0, 500.0, 320.0, 240.0],
  },
  {
    camera: camera('PINHOLE', [500, 510, 320, 240]),
    pixels: [
      [45.0, 398.1],
      [420.0, 36.0],
      [330.0, 255.3],
    ],
    undistorted: [640, 480, 500.0, 510.0, 320.0, 240.0],
  },
  {
    camera: camera('SIMPLE_RADIAL', [500, 318, 243, -0.12]),
    pixels: [
      [56.1538, 390.58604],
      [415.6, 47.8],
      [327.99844, 257.99766],
    ],
    undistorted: [675, 493, 500.0, 500.0, 335.390625, 249.58125],
  },
  {
    camera: camera('RADIAL', [500, 318, 243, -0.15, 0.04]),
    pixels: [
      [57.694548, 389.717618],
      [415.16, 48.68],
      [327.998051, 257.997076],
    ],
    undistorted: [679, 496, 500.0, 500.0, 337.378125, 251.1],
  },
  {
    camera: camera('OPENCV', [500, 505, 318, 243, -0.2, 0.05, 0.002, -0.003]),
    pixels: [
      [60.891973, 389.426806],
      [413.62, 49.4436],
      [327.995451, 258.147375],
    ],
    undistorted: [692, 501, 500.0, 505.0, 343.8375, 253.63125],
  },
  {
    camera: camera('OPENCV_FISHEYE', [420, 425, 322, 238, 0.03, -0.02, 0.006, -0.001]),
    pixels: [
      [114.368856, 356.421659],
      [401.361051, 77.388349],
      [330.39669, 250.744975],
    ],
    undistorted: [784, 531, 420.0, 425.0, 394.45, 263.2875],
  },
  {
    camera: camera('FULL_OPENCV', [500, 505, 318, 243, 0.3, -0.1, 0.001, -0.002, 0.02, 0.4, -0.05, 0.01]),
    pixels: [
      [53.085027, 393.78325],
      [415.606756, 45.531353],
      [327.9972, 258.148384],
    ],
    undistorted: [666, 490, 500.0, 505.0, 330.91875, 248.0625],
  },
  {
    camera: camera('FOV', [480, 485, 322, 238, 0.7]),
    pixels: [
      [64.000949, 384.932414],
      [418.776073, 42.431686],
      [332.009899, 253.171253],
    ],
    undistorted: [661, 478, 480.0, 485.0, 332.565625, 237.008333],
  },
  {
    camera: camera('SIMPLE_RADIAL_FISHEYE', [420, 322, 238, -0.03]),
    pixels: [
      [117.912481, 353.031147],
      [400.569769, 80.860462],
      [330.396036, 250.594053],
    ],
    undistorted: [820, 544, 420.0, 420.0, 412.5625, 269.733333],
  },
  {
    camera: camera('RADIAL_FISHEYE', [420, 322, 238, -0.04, 0.01]),
    pixels: [
      [118.358702, 352.77964],
      [400.454782, 81.090436],
      [330.395927, 250.59389],
    ],
    undistorted: [823, 545, 420.0, 420.0, 414.071875, 270.229167],
  },
  {
    camera: camera(
      'THIN_PRISM_FISHEYE',
      [420, 425, 322, 238, -0.03, 0.01, 0.001, -0.002, 0.003, -0.001, 0.002, -0.001],
    ),
    pixels: [
      [117.169321, 354.824424],
      [400.476864, 79.177775],
      [330.395868, 250.743728],
    ],
    undistorted: [815, 542, 420.0, 425.0, 410.046875, 268.741667],
  },
  {
    camera: camera('SIMPLE_FISHEYE', [420, 322, 238]),
    pixels: [
      [115.952106, 354.136086],
      [400.988842, 80.022315],
      [330.396363, 250.594544],
    ],
    undistorted: [798, 537, 420.0, 420.0, 401.49375, 266.2625],
  },
  {
    camera: camera('FISHEYE', [420, 425, 322, 238]),
    pixels: [
      [115.952106, 355.518658],
      [400.988842, 78.141629],
      [330.396363, 250.744479],
    ],
    undistorted: [798, 535, 420.0, 425.0, 401.49375, 265.270833],
  },
];

/** The cameras that `image_undistorter --blank_pixels` writes for cameras above. */
export const BLANK_PIXELS: {
  model: string;
  blankPixels: number;
  undistorted: ColmapValues['undistorted'];
}[] = [
  { model: 'SIMPLE_RADIAL', blankPixels: 0.5, undistorted: [691, 510, 500.0, 500.0, 343.340625, 258.1875] },
  { model: 'SIMPLE_RADIAL', blankPixels: 1, undistorted: [707, 529, 500.0, 500.0, 351.290625, 267.80625] },
  { model: 'OPENCV', blankPixels: 0.5, undistorted: [720, 529, 500.0, 505.0, 357.75, 267.80625] },
  { model: 'OPENCV', blankPixels: 1, undistorted: [751, 562, 500.0, 505.0, 373.153125, 284.5125] },
  { model: 'FULL_OPENCV', blankPixels: 0.5, undistorted: [682, 506, 500.0, 505.0, 338.86875, 256.1625] },
  { model: 'FULL_OPENCV', blankPixels: 1, undistorted: [699, 523, 500.0, 505.0, 347.315625, 264.76875] },
  { model: 'FOV', blankPixels: 0.5, undistorted: [677, 498, 480.0, 485.0, 340.615625, 246.925] },
  { model: 'FOV', blankPixels: 1, undistorted: [693, 520, 480.0, 485.0, 348.665625, 257.833333] },
  { model: 'RADIAL_FISHEYE', blankPixels: 0.5, undistorted: [906, 634, 420.0, 420.0, 455.83125, 314.358333] },
  { model: 'RADIAL_FISHEYE', blankPixels: 1, undistorted: [1009, 758, 420.0, 420.0, 507.653125, 375.841667] },
];
