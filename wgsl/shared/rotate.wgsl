// Rotation by unit quaternions wxyz.

fn rotate(quat: vec4f, vector: vec3f) -> vec3f {
  let t = cross(quat.yzw, vector);
  return vector + 2.0 * (quat.x * t + cross(quat.yzw, t));
}

fn rotateBack(quat: vec4f, vector: vec3f) -> vec3f {
  return rotate(vec4f(quat.x, -quat.yzw), vector);
}
