// SSIM of a render and a photograph; the buffers are those of ssim-forward. A thread walks down a column of the tile, then along a
// row of it, and keeps the last eleven values. In a software driver every load, barrier and line to compile costs time, and
// a CPU has few cores.

#include <photometric>
#include <picture>
#include <ssim-moments>
#include <ssim-window>
#include <tile-sum>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> render: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read_write> maps: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

var<workgroup> workspace: array<vec4f, THREADS * TILE_HEIGHT>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let size = vec2u(picture.width, picture.height);
  let origin = group.xy * vec2u(TILE_WIDTH, TILE_HEIGHT);
  let source = origin + vec2u(thread, 0u) - RADIUS; // wraps left of and above the picture
  let own = source.x < size.x && thread >= RADIUS && thread < RADIUS + TILE_WIDTH;
  let middle = min(origin + vec2u(TILE_WIDTH, TILE_HEIGHT) / 2u, size - 1u);
  let plane = picture.mapPitch * size.y;
  var sums = vec3f();
  var taken = vec3f();

  for (var channel = 0u; channel < 3u; channel++) {
    let shift = shiftAt(middle, channel); // see ssim-forward
    var last = Window();
    for (var s = 0u; s < picture.reachDown; s++) {
      let next = moments(source + vec2u(0u, s), channel, shift);
      if (s >= 2u * RADIUS) {
        let row = s - 2u * RADIUS;
        workspace[row * THREADS + thread] = meanWith(last, next);
        let compared = !SKIPS_MASKED || last.f.z < LARGEST_SQUARE;
        if (own && origin.y + row < size.y && compared) {
          let difference = last.f.x - last.f.y + (shift.x - shift.y);
          sums += vec3f(abs(difference), difference * difference, 0.0);
          if (SKIPS_MASKED) {
            taken.x += 1.0;
          }
        }
      }
      last = advanced(last, next);
    }
    workgroupBarrier();

    let y = origin.y + thread;
    if (thread < TILE_HEIGHT && y >= MARGIN && y < size.y - MARGIN) {
      for (var s = 0u; s < picture.reachRight; s++) {
        let next = workspace[thread * THREADS + s];
        if (s >= 2u * RADIUS) {
          let x = origin.x + s - 2u * RADIUS;
          let window = meanWith(last, next);
          let similarity = ssim(window, shift);
          let counts = x >= MARGIN && x < size.x - MARGIN && (!SKIPS_MASKED || window.z < LARGEST_SQUARE);
          if (counts) {
            sums.z += similarity.w;
            if (SKIPS_MASKED) {
              taken.y += 1.0;
            }
          }
          let mapX = x - MAP_LEFT; // wraps left of it
          if (WITH_MAPS && mapX < picture.mapPitch) {
            let place = 3u * channel * plane + y * picture.mapPitch + mapX;
            maps[place] = select(0.0, similarity.x, counts);
            maps[place + plane] = select(0.0, similarity.y, counts);
            maps[place + 2u * plane] = select(0.0, similarity.z, counts);
          }
        }
        last = advanced(last, next);
      }
    }
    workgroupBarrier(); // the next channel overwrites the workspace
  }

  let total = tileSum(thread, sums);
  var packed = 0.0;
  if (SKIPS_MASKED) {
    workgroupBarrier();
    packed = packCounts(round(tileSum(thread, taken) / 3.0)); // three channels
  }
  if (thread == 0u) {
    partials[group.y * groups.x + group.x] = vec4f(total, packed);
  }
}

// Of a window's shifted moments: dSSIM / d (mean of r, mean of r², mean of r·p), unshifted, and SSIM. Equal to ssim-forward's to
// rounding.
fn ssim(moments: vec4f, shift: vec2f) -> vec4f {
  let mean = moments.xy + shift;
  let a = 2.0 * mean.x * mean.y + C1;
  let b = 2.0 * (moments.w - moments.x * moments.y) + C2;
  let byC = 1.0 / (dot(mean, mean) + C1);
  let byD = 1.0 / (moments.z - dot(moments.xy, moments.xy) + C2);
  let value = a * b * byC * byD;
  let bySquare = -value * byD;
  let byProduct = 2.0 * a * byC * byD;
  let byMean = 2.0 * (mean.y * b * byD - mean.x * value) * byC - 2.0 * mean.x * bySquare - mean.y * byProduct;
  return vec4f(byMean, bySquare, byProduct, value);
}
