/** A plausible small mistake: a replacement at one place of one file. */
export interface Fault {
  name: string;
  file: string;
  /** Occurs in the file exactly once. */
  from: string;
  to: string;
}

/** In the order of the table in docs/golden.md. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'off-by-half pixel',
    file: 'wgsl/shared/tile-pixels.wgsl',
    from: 'f32(x) + 0.5,',
    to: 'f32(x),',
  },
  {
    name: 'wrong SH sign in one band',
    file: 'wgsl/shared/sh.wgsl',
    from: 'b[min(2, SH_ROWS - 1)] = SH_C1 * d.z;',
    to: 'b[min(2, SH_ROWS - 1)] = -SH_C1 * d.z;',
  },
  {
    name: 'blur 0.3 → 0.31',
    file: 'wgsl/shared/projection.wgsl',
    from: 'const BLUR = 0.3;',
    to: 'const BLUR = 0.31;',
  },
  {
    name: 'alpha cut at 1/128',
    file: 'wgsl/shared/projection.wgsl',
    from: 'const ALPHA_MIN = 1.0 / 255.0;',
    to: 'const ALPHA_MIN = 1.0 / 128.0;',
  },
  {
    name: 'tile overflow drops one splat',
    file: 'wgsl/splat/rasterize-forward-cpu.wgsl',
    from: 'let size = min(u32(SUBGROUP), end - first);',
    to: 'let size = min(u32(SUBGROUP) - 1u, end - first);',
  },
  {
    name: 'a camera transposed',
    file: 'stages/artefacts/camera.ts',
    from: 'const row = (axis: Vec3) => [...axis, -dot(axis, eye)];',
    to: 'const axes = [right, down, forward];\n  const row = (axis: Vec3) => [...axes.map((other) => other[axes.indexOf(axis)]), -dot(axis, eye)];',
  },
  {
    name: 'colour order',
    file: 'wgsl/image/to-rgba8.wgsl',
    from: 'level.r | (level.g << 8u) | (level.b << 16u)',
    to: 'level.b | (level.g << 8u) | (level.r << 16u)',
  },
  {
    name: 'sRGB applied twice',
    file: 'wgsl/image/to-rgba8.wgsl',
    from: 'clamp(picture[pixel], vec4f(0.0), vec4f(1.0)) * 255.0',
    to: 'pow(clamp(picture[pixel], vec4f(0.0), vec4f(1.0)), vec4f(vec3f(1.0 / 2.2), 1.0)) * 255.0',
  },
  {
    name: 'one missed Gaussian in a hundred',
    file: 'wgsl/splat/project.wgsl',
    from: 'var touched = countTiles(lane, it);',
    to: 'var touched = select(countTiles(lane, it), 0u, i % 100u == 99u);',
  },
  {
    name: 'seed ignored',
    file: 'stages/optimizer/loop.ts',
    from: 'permutation(this.#views.length, this.#seed,',
    to: 'permutation(this.#views.length, 0,',
  },
];
