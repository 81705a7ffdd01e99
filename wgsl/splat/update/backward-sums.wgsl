// Sums the gradients per intersection and computes the inputs of adam-geometry and adam-sh for each visible Gaussian; rows of invisible
// Gaussians keep their values. One thread a Gaussian of the window.
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
// Rows of the window.
@group(0) @binding(5) var<storage, read> sh: array<SH_WORD>;
@group(0) @binding(6) var<storage, read> projected: array<vec4f>;
@group(0) @binding(7) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(8) var<storage, read> intersectionFromGaussian: array<u32>;
@group(0) @binding(9) var<storage, read> intersectionGradients: array<f32>;
// dL/dcolour, 0 where the colour is clamped.
@group(0) @binding(10) var<storage, read_write> gradColors: array<vec4f>;
// dL/d of (mean, opacity logit), (log scale, 0), quaternion: three planes of `rows` words. Only if GEOMETRY.
@group(0) @binding(11) var<storage, read_write> gradGeometry: array<vec4f>;
// [N, 2]: see screenStatistics; 0 where invisible.
@group(0) @binding(12) var<storage, read_write> screen: array<vec2f>;
@group(0) @binding(13) var<uniform> window: RowWindow;

fn zero(i: u32) {
  screen[i] = vec2f(0.0);
}

fn backward(i: u32, sums: IntersectionSums) {
  let a = projected[3u * i];
  let b = projected[3u * i + 1u];
  let c = projected[3u * i + 2u];
  let conic = vec3f(a.zw, b.x);
  let gradMean2d = mean2dGradient(conic, sums.e1);
  screen[i] = screenStatistics(gradMean2d, c.z, vec2f(view.size));
  let gradColor = colorGradient(vec3f(b.zw, c.x), sums.rgb);
  gradColors[i] = vec4f(gradColor, 0.0);
  if (GEOMETRY) {
    let rows = arrayLength(&gradGeometry) / 3u;
    let mean = vec3f(means[3u * i], means[3u * i + 1u], means[3u * i + 2u]);
    let logScale = vec3f(logScales[3u * i], logScales[3u * i + 1u], logScales[3u * i + 2u]);
    let g = geometryBackward(view, conic, b.y, gradMean2d, sums.e, sums.e2, mean, quats[i], logScale);
    let gradMean = g.mean + directionBackward(i, mean - view.center, gradColor, view.shDegree);
    gradGeometry[i] = vec4f(gradMean, g.opacityLogit);
    gradGeometry[rows + i] = vec4f(g.logScale, 0.0);
    gradGeometry[2u * rows + i] = g.quat;
  }
}
