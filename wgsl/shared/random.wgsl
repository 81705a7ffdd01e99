// Random numbers by counter: see wgsl/core/random.ts, the CPU twin.

fn pcg4d(counter: vec4u) -> vec4u {
  var v = counter * 1664525u + 1013904223u;
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  return v;
}

// Four numbers in [0, 1), 24 bits each.
fn random4(seed: u32, purpose: u32, step: u32, index: u32) -> vec4f {
  return vec4f(pcg4d(vec4u(seed, purpose, step, index)) >> vec4u(8u)) / 16777216.0;
}

// Two pairs of independent standard normals (Box–Muller).
fn normal4(seed: u32, purpose: u32, step: u32, index: u32) -> vec4f {
  let u = random4(seed, purpose, step, index);
  let radius = sqrt(-2.0 * log(vec2f(1.0) - u.xz));
  let angle = 6.28318531 * u.yw;
  return vec4f(radius.x * cos(angle.x), radius.x * sin(angle.x), radius.y * cos(angle.y), radius.y * sin(angle.y));
}
