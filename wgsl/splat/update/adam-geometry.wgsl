// Adam on the trained parameters among means, log scales, quaternions and opacity logits of all Gaussians, with the regularisers of
// 3DGS-MCMC (eq. 8). A group processes SIZE Gaussians at a time: each thread writes the gradients of one Gaussian to workgroup memory, then
// all threads walk the contiguous parameters.
#include <grid>
#include <adam>

@group(0) @binding(0) var<uniform> rates: AdamRates;
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> tileCounts: array<u32>;
// See backward-sums.
@group(0) @binding(3) var<storage, read> gradGeometry: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> means: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> meansM: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> meansV: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> logScales: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> logScalesM: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> logScalesV: array<vec4f>;
@group(0) @binding(10) var<storage, read_write> quats: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> quatsM: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> quatsV: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> opacityLogits: array<vec4f>;
@group(0) @binding(14) var<storage, read_write> opacityLogitsM: array<vec4f>;
@group(0) @binding(15) var<storage, read_write> opacityLogitsV: array<vec4f>;

var<workgroup> gradMeans: array<f32, 3 * SIZE>;
var<workgroup> gradLogScales: array<f32, 3 * SIZE>;
var<workgroup> gradQuats: array<vec4f, SIZE>;
var<workgroup> gradOpacityLogits: array<f32, SIZE>;

fn fill(lane: u32, i: u32, count: u32) {
  var a = vec4f(0.0);
  var b = vec4f(0.0);
  var c = vec4f(0.0);
  if (i < count && tileCounts[i] > 0u) {
    let rows = arrayLength(&gradGeometry) / 3u;
    a = gradGeometry[i];
    b = gradGeometry[rows + i];
    c = gradGeometry[2u * rows + i];
  }
  gradMeans[3u * lane] = a.x;
  gradMeans[3u * lane + 1u] = a.y;
  gradMeans[3u * lane + 2u] = a.z;
  gradOpacityLogits[lane] = a.w;
  gradLogScales[3u * lane] = b.x;
  gradLogScales[3u * lane + 1u] = b.y;
  gradLogScales[3u * lane + 2u] = b.z;
  gradQuats[lane] = c;
}

// Which of the block's floats `4·word` … `4·word + 3` are below `floats`: the last word may extend beyond the count.
fn before(word: u32, floats: u32) -> vec4<bool> {
  return (vec4u(4u * word) + vec4u(0u, 1u, 2u, 3u)) < vec4u(floats);
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = gaussianCount[0];
  let second = rates.secondScale;
  let scaleWeight = rates.scaleWeight / (3.0 * f32(count));
  let opacityWeight = rates.opacityWeight / f32(count);
  for (var base = linearGroup(group, groups) * SIZE; base < count; base += groups.x * groups.y * SIZE) {
    fill(lane, base + lane, count);
    workgroupBarrier();
    let rows = count - base;
    // Words of the block of a parameter with three floats a row.
    if (lane < 3u * u32(SIZE) / 4u && 4u * lane < 3u * rows) {
      let f = 4u * lane;
      let at = 3u * base / 4u + lane;
      let inside = before(lane, 3u * rows);
      if (MEANS) {
        let g = vec4f(gradMeans[f], gradMeans[f + 1u], gradMeans[f + 2u], gradMeans[f + 3u]);
        let m0 = meansM[at];
        let v0 = meansV[at];
        if (!isZeroUpdate(g, m0, v0)) {
          let p0 = means[at];
          let m1 = firstMoment(m0, g);
          let v1 = secondMoment(v0, g);
          meansM[at] = select(m0, m1, inside);
          meansV[at] = select(v0, v1, inside);
          means[at] = select(p0, adamUpdate(p0, m1, v1, vec4f(rates.means), second), inside);
        }
      }
      if (LOG_SCALES) {
        var g = vec4f(gradLogScales[f], gradLogScales[f + 1u], gradLogScales[f + 2u], gradLogScales[f + 3u]);
        let m0 = logScalesM[at];
        let v0 = logScalesV[at];
        let p0 = logScales[at];
        if (scaleWeight != 0.0) { g += scaleWeight * exp(p0); }
        if (!isZeroUpdate(g, m0, v0)) {
          let m1 = firstMoment(m0, g);
          let v1 = secondMoment(v0, g);
          logScalesM[at] = select(m0, m1, inside);
          logScalesV[at] = select(v0, v1, inside);
          logScales[at] = select(p0, adamUpdate(p0, m1, v1, vec4f(rates.logScales), second), inside);
        }
      }
    }
    if (QUATS && lane < rows) {
      let g = gradQuats[lane];
      let at = base + lane;
      let m0 = quatsM[at];
      let v0 = quatsV[at];
      if (!isZeroUpdate(g, m0, v0)) {
        let m1 = firstMoment(m0, g);
        let v1 = secondMoment(v0, g);
        quatsM[at] = m1;
        quatsV[at] = v1;
        quats[at] = adamUpdate(quats[at], m1, v1, vec4f(rates.quats), second);
      }
    }
    // The other threads process the parameter with one float a row.
    if (OPACITY_LOGITS && lane >= 3u * u32(SIZE) / 4u) {
      let word = lane - 3u * u32(SIZE) / 4u;
      let f = 4u * word;
      if (f < rows) {
        let at = base / 4u + word;
        var g = vec4f(gradOpacityLogits[f], gradOpacityLogits[f + 1u], gradOpacityLogits[f + 2u], gradOpacityLogits[f + 3u]);
        let m0 = opacityLogitsM[at];
        let v0 = opacityLogitsV[at];
        let p0 = opacityLogits[at];
        if (opacityWeight != 0.0) {
          let opacity = 1.0 / (1.0 + exp(-p0));
          g += opacityWeight * opacity * (1.0 - opacity);
        }
        if (!isZeroUpdate(g, m0, v0)) {
          let inside = before(word, rows);
          let m1 = firstMoment(m0, g);
          let v1 = secondMoment(v0, g);
          opacityLogitsM[at] = select(m0, m1, inside);
          opacityLogitsV[at] = select(v0, v1, inside);
          opacityLogits[at] = select(p0, adamUpdate(p0, m1, v1, vec4f(rates.opacityLogits), second), inside);
        }
      }
    }
    workgroupBarrier();
  }
}
