// Copies `source` to `copied`, one vec4f a thread: the card's bandwidth as a kernel sees it.
#include <grid>

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4f>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linearGroup(group, groups) * u32(SIZE) + thread;
  if (i < arrayLength(&source)) { copied[i] = source[i]; }
}
