// Gradient of (1 − λ)·L1 + λ·(1 − SSIM) to the render, from the filtered maps of SSIM's forward pass. A pixel lies in the windows
// of all its neighbours: with the maps m, s, q (derivatives by the mean, the mean square and the mean product) and the window
// w, dΣSSIM/dr = (w∗m) + 2r·(w∗s) + p·(w∗q). The window is symmetric, so the filter is that of the forward pass.
//
// maps [3 channels, 3, H, mapPitch]: those of ssim-forward, from column MAP_LEFT on.
// gradient [H, W, 4]: overwritten; the alpha entry is 0. L1's derivative at r = p is 0. The gradient of a masked pixel is 0.
// The including kernel includes picture and photometric, and binds `maps` and `gradient`.

// The values m, s, q of a pixel; 0 where its window is excluded. The maps contain the zeros at the right.
fn mapValues(at: vec2u, channel: u32) -> vec4f {
  let pitch = picture.mapPitch;
  let x = at.x - MAP_LEFT; // wraps left of it
  if (x >= pitch || at.y < MARGIN || at.y >= picture.height - MARGIN) {
    return vec4f();
  }
  let plane = pitch * picture.height;
  let place = 3u * channel * plane + at.y * pitch + x;
  return vec4f(maps[place], maps[place + plane], maps[place + 2u * plane], 0.0);
}

// The weights of the derivatives of Σ|r − p| and of ΣSSIM.
fn gradientScales() -> vec2f {
  let l1 = (1.0 - picture.dssimWeight) / f32(3u * picture.width * picture.height);
  return vec2f(l1, -picture.dssimWeight / picture.ssimCount);
}

// The gradient of a pixel's channel, from its filtered m, s, q.
fn gradientOf(pixel: u32, channel: u32, filtered: vec4f, scales: vec2f) -> f32 {
  if (SKIPS_MASKED && isMasked(pixel)) {
    return 0.0;
  }
  let r = renderChannel(pixel, channel);
  let p = photoChannel(pixel, channel);
  let bySsim = filtered.x + 2.0 * r * filtered.y + p * filtered.z;
  return scales.x * sign(r - p) + scales.y * bySsim;
}

fn storeGradient(pixel: u32, channel: u32, value: f32) {
  gradient[4u * pixel + channel] = value;
  if (channel == 0u) {
    gradient[4u * pixel + 3u] = 0.0;
  }
}
