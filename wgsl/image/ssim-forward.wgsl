// SSIM of a render and a photograph (Wang et al. 2004; windows as in fused-ssim), one tile a workgroup, channel by channel:
// filters the moments down the columns, then along the rows (shared/ssim-filter.wgsl).
//
// partials [tiles]: Σ|r − p|, Σ(r − p)², Σ SSIM over the tile's pixels and channels, and with SKIPS_MASKED the packed counts. A window
// is then included only if none of its pixels is masked, as one beyond the border is excluded.
// maps [3 channels, 3, H, mapPitch / 4], with WITH_MAPS, four neighbours a vec4f: d SSIM(window) / d (mean of r, mean of r²,
// mean of r·p) at each window's centre from column MAP_LEFT on, 0 where the window is excluded.

#include <photometric>
#include <picture>
#include <ssim-filter>
#include <ssim-moments>
#include <ssim-window>
#include <tile-sum>

@group(0) @binding(0) var<uniform> picture: Picture;
@group(0) @binding(1) var<storage, read> render: array<f32>;
@group(0) @binding(2) var<storage, read> photo: array<u32>;
@group(0) @binding(3) var<storage, read_write> maps: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let size = vec2u(picture.width, picture.height);
  let origin = group.xy * vec2u(TILE_WIDTH, TILE_HEIGHT);
  // Left of and above the picture these wrap to large numbers, which are outside too.
  let source = origin + vec2u(thread, 0u) - RADIUS;
  let own = source.x < size.x && thread >= RADIUS && thread < RADIUS + TILE_WIDTH;
  let ownRows = select(0u, size.y, own);
  let middle = min(origin + vec2u(TILE_WIDTH, TILE_HEIGHT) / 2u, size - 1u);
  var sums = vec3f();
  var taken = vec3f();

  for (var channel = 0u; channel < 3u; channel++) {
    // A shift of all values does not change the variances. Relative to a colour of the tile, they keep their digits where the
    // picture is flat: E[r²] − E[r]² would lose them.
    let shift = shiftAt(middle, channel);
    if (thread < PATCH_WIDTH) {
      var a = moments(source, channel, shift);
      var b = moments(source + vec2u(0u, 1u), channel, shift);
      var c = moments(source + vec2u(0u, 2u), channel, shift);
      var d = moments(source + vec2u(0u, 3u), channel, shift);
      var e = moments(source + vec2u(0u, 4u), channel, shift);
      var f = moments(source + vec2u(0u, 5u), channel, shift);
      var g = moments(source + vec2u(0u, 6u), channel, shift);
      var h = moments(source + vec2u(0u, 7u), channel, shift);
      var i = moments(source + vec2u(0u, 8u), channel, shift);
      var j = moments(source + vec2u(0u, 9u), channel, shift);
      for (var row = 0u; row < TILE_HEIGHT; row += RUN) {
        let k = moments(source + vec2u(0u, row + 10u), channel, shift);
        let l = moments(source + vec2u(0u, row + 11u), channel, shift);
        let m = moments(source + vec2u(0u, row + 12u), channel, shift);
        let n = moments(source + vec2u(0u, row + 13u), channel, shift);
        let at = row * PITCH + thread;
        workspace[at] = windowMean(a, b, c, d, e, f, g, h, i, j, k);
        workspace[at + PITCH] = windowMean(b, c, d, e, f, g, h, i, j, k, l);
        workspace[at + 2u * PITCH] = windowMean(c, d, e, f, g, h, i, j, k, l, m);
        workspace[at + 3u * PITCH] = windowMean(d, e, f, g, h, i, j, k, l, m, n);
        // The four pixels in the middle of the windows.
        let y = origin.y + row + vec4u(0u, 1u, 2u, 3u);
        let difference = vec4f(f.x - f.y, g.x - g.y, h.x - h.y, i.x - i.y) + (shift.x - shift.y);
        var compared = y < vec4u(ownRows);
        if (SKIPS_MASKED) {
          compared &= vec4f(f.z, g.z, h.z, i.z) < vec4f(LARGEST_SQUARE);
          taken.x += dot(select(vec4f(), vec4f(1.0), compared), vec4f(1.0));
        }
        let counted = select(vec4f(), difference, compared);
        sums += vec3f(dot(abs(counted), vec4f(1.0)), dot(counted, counted), 0.0);
        a = e;
        b = f;
        c = g;
        d = h;
        e = i;
        f = j;
        g = k;
        h = l;
        i = m;
        j = n;
      }
    }
    workgroupBarrier();

    for (var run = thread; run < RUNS; run += THREADS) {
      let row = run % TILE_HEIGHT;
      let at = origin + vec2u(run / TILE_HEIGHT * RUN, row);
      let windows = filteredRow(row, at.x - origin.x);
      let similarity = ssim(windows, shift);
      let x = at.x + vec4u(0u, 1u, 2u, 3u);
      let end = select(0u, size.x - MARGIN, at.y >= MARGIN && at.y < size.y - MARGIN);
      var counts = (x >= vec4u(MARGIN)) & (x < vec4u(end));
      if (SKIPS_MASKED) {
        counts &= transpose(windows)[2] < vec4f(LARGEST_SQUARE);
        taken.y += dot(select(vec4f(), vec4f(1.0), counts), vec4f(1.0));
      }
      sums.z += dot(select(vec4f(), similarity.value, counts), vec4f(1.0));
      let mapX = at.x - MAP_LEFT; // wraps left of it
      if (WITH_MAPS && at.y < size.y && mapX < picture.mapPitch) {
        let plane = picture.mapPitch / RUN * size.y;
        let place = 3u * channel * plane + (at.y * picture.mapPitch + mapX) / RUN;
        maps[place] = select(vec4f(), similarity.byMean, counts);
        maps[place + plane] = select(vec4f(), similarity.bySquare, counts);
        maps[place + 2u * plane] = select(vec4f(), similarity.byProduct, counts);
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

struct Similarity {
  value: vec4f,
  byMean: vec4f, // dSSIM / d (mean of r), unshifted
  bySquare: vec4f, // by the mean of r²
  byProduct: vec4f, // by the mean of r·p
}

// Of the shifted moments of four windows.
fn ssim(windows: mat4x4f, shift: vec2f) -> Similarity {
  let moments = transpose(windows);
  let r = moments[0] + shift.x;
  let p = moments[1] + shift.y;
  // SSIM = (a·b) / (c·d)
  let a = 2.0 * r * p + C1;
  let b = 2.0 * (moments[3] - moments[0] * moments[1]) + C2;
  let c = r * r + p * p + C1;
  let d = moments[2] - moments[0] * moments[0] - moments[1] * moments[1] + C2;
  let byC = 1.0 / c;
  let byD = 1.0 / d;
  let byCd = byC * byD;
  let value = a * b * byCd;
  let bySquare = -value * byD;
  let byProduct = 2.0 * a * byCd;
  // The variances depend on the means too; their derivative includes that share.
  let byMean = 2.0 * (p * b * byCd - r * value * byC) - 2.0 * r * bySquare - p * byProduct;
  return Similarity(value, byMean, bySquare, byProduct);
}
