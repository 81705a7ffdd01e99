// Entry point of elementwise kernels: one invocation per element, `sizes.count` in total. The kernel includes `grid` and defines
// `fn computeElement(i: u32)`.

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linearGroup(group, groups) * THREADS + thread;
  if (i < sizes.count) {
    computeElement(i);
  }
}
