// The variant of adam-geometry for a CPU behind a software driver: one thread a Gaussian, no barrier and no workgroup memory.
#include <grid>
#include <adam>

@group(0) @binding(0) var<uniform> rates: AdamRates;
@group(0) @binding(1) var<storage, read> gaussianCount: array<u32>;
@group(0) @binding(2) var<storage, read> tileCounts: array<u32>;
// See backward-sums.
@group(0) @binding(3) var<storage, read> gradGeometry: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> means: array<f32>;
@group(0) @binding(5) var<storage, read_write> meansM: array<f32>;
@group(0) @binding(6) var<storage, read_write> meansV: array<f32>;
@group(0) @binding(7) var<storage, read_write> logScales: array<f32>;
@group(0) @binding(8) var<storage, read_write> logScalesM: array<f32>;
@group(0) @binding(9) var<storage, read_write> logScalesV: array<f32>;
@group(0) @binding(10) var<storage, read_write> quats: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> quatsM: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> quatsV: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> opacityLogits: array<f32>;
@group(0) @binding(14) var<storage, read_write> opacityLogitsM: array<f32>;
@group(0) @binding(15) var<storage, read_write> opacityLogitsV: array<f32>;

// The mean and, in w, the opacity logit.
fn updateMean(i: u32, g: vec4f, opacityWeight: f32) {
  let at = 3u * i;
  let p0 = vec4f(means[at], means[at + 1u], means[at + 2u], opacityLogits[i]);
  let m0 = vec4f(meansM[at], meansM[at + 1u], meansM[at + 2u], opacityLogitsM[i]);
  let v0 = vec4f(meansV[at], meansV[at + 1u], meansV[at + 2u], opacityLogitsV[i]);
  let opacity = 1.0 / (1.0 + exp(-p0.w));
  let whole = g + vec4f(0.0, 0.0, 0.0, opacityWeight * opacity * (1.0 - opacity));
  let m1 = firstMoment(m0, whole);
  let v1 = secondMoment(v0, whole);
  let p1 = adamUpdate(p0, m1, v1, vec4f(vec3f(rates.means), rates.opacityLogits), rates.secondScale);
  if (MEANS) {
    for (var k = 0u; k < 3u; k++) {
      meansM[at + k] = m1[k];
      meansV[at + k] = v1[k];
      means[at + k] = p1[k];
    }
  }
  if (OPACITY_LOGITS) {
    opacityLogitsM[i] = m1.w;
    opacityLogitsV[i] = v1.w;
    opacityLogits[i] = p1.w;
  }
}

fn updateScale(i: u32, g: vec3f, scaleWeight: f32) {
  let at = 3u * i;
  let p0 = vec4f(logScales[at], logScales[at + 1u], logScales[at + 2u], 0.0);
  let m0 = vec4f(logScalesM[at], logScalesM[at + 1u], logScalesM[at + 2u], 0.0);
  let v0 = vec4f(logScalesV[at], logScalesV[at + 1u], logScalesV[at + 2u], 0.0);
  let whole = vec4f(g + scaleWeight * exp(p0.xyz), 0.0);
  let m1 = firstMoment(m0, whole);
  let v1 = secondMoment(v0, whole);
  let p1 = adamUpdate(p0, m1, v1, vec4f(rates.logScales), rates.secondScale);
  for (var k = 0u; k < 3u; k++) {
    logScalesM[at + k] = m1[k];
    logScalesV[at + k] = v1[k];
    logScales[at + k] = p1[k];
  }
}

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = gaussianCount[0];
  let rows = arrayLength(&gradGeometry) / 3u;
  let scaleWeight = rates.scaleWeight / (3.0 * f32(count));
  let opacityWeight = rates.opacityWeight / f32(count);
  for (var i = linearGroup(group, groups) * SIZE + lane; i < count; i += groups.x * groups.y * SIZE) {
    // Rows of invisible Gaussians contain values of an earlier step.
    let seen = tileCounts[i] > 0u;
    if (MEANS || OPACITY_LOGITS) { updateMean(i, select(vec4f(0.0), gradGeometry[i], seen), opacityWeight); }
    if (LOG_SCALES) { updateScale(i, select(vec3f(0.0), gradGeometry[rows + i].xyz, seen), scaleWeight); }
    if (QUATS) {
      let g = select(vec4f(0.0), gradGeometry[2u * rows + i], seen);
      let m1 = firstMoment(quatsM[i], g);
      let v1 = secondMoment(quatsV[i], g);
      quatsM[i] = m1;
      quatsV[i] = v1;
      quats[i] = adamUpdate(quats[i], m1, v1, vec4f(rates.quats), rates.secondScale);
    }
  }
}
