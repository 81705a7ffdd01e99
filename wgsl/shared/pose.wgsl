// A camera's pose, world → camera, as the first words of View hold it, and its settings in a step of training.

struct Pose {
  row0: vec4f,
  row1: vec4f,
  row2: vec4f,
  // The camera's centre in world coordinates.
  center: vec4f,
}

struct PoseStep {
  // Of the view among the poses.
  index: u32,
  // Adam's rates of the rotation, radians, and of the translation, world units.
  rotation: f32,
  translation: f32,
}
