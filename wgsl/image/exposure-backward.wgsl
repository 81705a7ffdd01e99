// From the gradient of an exposed picture to that of the picture before it, in place, and to partial sums of the gradient of the
// exposure's rows: partials[3·group + row] = Σ gradient[row]·(color, 1), over the pixels group·THREADS + thread, then GROUPS·THREADS further
// on, and so on: a fixed order.

#include <tile-sum>
#include <exposure>

@group(0) @binding(0) var<uniform> view: ExposureView;
@group(0) @binding(1) var<storage, read> exposures: array<vec4f>;
@group(0) @binding(2) var<storage, read> color: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let rows = array(exposures[3u * view.index], exposures[3u * view.index + 1u], exposures[3u * view.index + 2u]);
  var red = vec3f();
  var green = vec3f();
  var blue = vec3f();
  var offset = vec3f();
  for (var i = group.x * THREADS + thread; i < view.pixels; i += GROUPS * THREADS) {
    let g = gradient[i];
    let c = color[i].rgb;
    red += g.r * c;
    green += g.g * c;
    blue += g.b * c;
    offset += g.rgb;
    gradient[i] = vec4f(g.r * rows[0].xyz + g.g * rows[1].xyz + g.b * rows[2].xyz, g.a);
  }
  let redSum = tileSum(thread, red);
  workgroupBarrier();
  let greenSum = tileSum(thread, green);
  workgroupBarrier();
  let blueSum = tileSum(thread, blue);
  workgroupBarrier();
  let offsetSum = tileSum(thread, offset);
  if (thread == 0u) {
    partials[3u * group.x] = vec4f(redSum, offsetSum.r);
    partials[3u * group.x + 1u] = vec4f(greenSum, offsetSum.g);
    partials[3u * group.x + 2u] = vec4f(blueSum, offsetSum.b);
  }
}
