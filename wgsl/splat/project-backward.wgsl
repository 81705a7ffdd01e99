// Writes the gradient of every raw parameter, from the gradients per intersection. Training uses backward-sums, adam-sh and adam-geometry
// instead, which never store the gradients of SH. One thread a Gaussian of the window; invisible Gaussians get zeros.
#include <grid>
#include <view>
#include <window>
#include <random>
#include <dropout>
#include <projection>
#include <sh>
#include <sh-rows>
#include <sh-backward>
#include <intersection-sums>
#include <splat-backward>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> means: array<f32>;
@group(0) @binding(3) var<storage, read> logScales: array<f32>;
@group(0) @binding(4) var<storage, read> quats: array<vec4f>;
// Rows of the window, as gradSh.
@group(0) @binding(5) var<storage, read> sh: array<SH_WORD>;
@group(0) @binding(6) var<storage, read> projected: array<vec4f>;
@group(0) @binding(7) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(8) var<storage, read> intersectionFromGaussian: array<u32>;
@group(0) @binding(9) var<storage, read> intersectionGradients: array<f32>;
@group(0) @binding(10) var<storage, read_write> gradMeans: array<f32>;
@group(0) @binding(11) var<storage, read_write> gradLogScales: array<f32>;
@group(0) @binding(12) var<storage, read_write> gradQuats: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> gradOpacityLogits: array<f32>;
@group(0) @binding(14) var<storage, read_write> gradSh: array<f32>;
// [N, 2]: see screenStatistics; 0 where invisible.
@group(0) @binding(15) var<storage, read_write> screen: array<vec2f>;
@group(0) @binding(16) var<uniform> window: RowWindow;

fn writeMeans(i: u32, v: vec3f) {
  gradMeans[3u * i] = v.x;
  gradMeans[3u * i + 1u] = v.y;
  gradMeans[3u * i + 2u] = v.z;
}

fn writeScales(i: u32, v: vec3f) {
  gradLogScales[3u * i] = v.x;
  gradLogScales[3u * i + 1u] = v.y;
  gradLogScales[3u * i + 2u] = v.z;
}

fn zero(i: u32) {
  writeMeans(i, vec3f(0.0));
  writeScales(i, vec3f(0.0));
  gradQuats[i] = vec4f(0.0);
  gradOpacityLogits[i] = 0.0;
  let at = 3u * u32(SH_ROWS) * (i - window.first);
  for (var k = 0u; k < 3u * u32(SH_ROWS); k++) { gradSh[at + k] = 0.0; }
  screen[i] = vec2f(0.0);
}

fn backward(i: u32, sums: IntersectionSums) {
  let a = projected[3u * i];
  let b = projected[3u * i + 1u];
  let c = projected[3u * i + 2u];
  let conic = vec3f(a.zw, b.x);

  let mean = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]);
  let logScale = vec3f(logScales[3u * i], logScales[3u * i + 1u], logScales[3u * i + 2u]);
  let gradMean2d = mean2dGradient(conic, sums.e1);
  let g = geometryBackward(view, conic, b.y, gradMean2d, sums.e, sums.e2, mean, quats[i], logScale);
  gradOpacityLogits[i] = g.opacityLogit;
  writeScales(i, g.logScale);
  gradQuats[i] = g.quat;

  let gradColor = colorGradient(vec3f(b.zw, c.x), sums.rgb);
  let offset = mean - view.center;
  writeMeans(i, g.mean + directionBackward(i, offset, gradColor, view.shDegree));
  let basis = shBasis(offset / length(offset), view.shDegree);
  for (var k = 0u; k < u32(SH_ROWS); k++) {
    let at = 3u * ((i - window.first) * u32(SH_ROWS) + k);
    gradSh[at] = basis[k] * gradColor.x;
    gradSh[at + 1u] = basis[k] * gradColor.y;
    gradSh[at + 2u] = basis[k] * gradColor.z;
  }
  screen[i] = screenStatistics(gradMean2d, c.z, vec2f(view.size));
}
