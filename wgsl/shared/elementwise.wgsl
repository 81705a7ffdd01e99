// Entry point of elementwise kernels: ITEMS elements per invocation, `sizes.count` in total. The kernel includes `grid` and defines
// `fn computeElement(i: u32)`.

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = linearGroup(group, groups) * (ITEMS * THREADS) + thread;
  let end = min(first + ITEMS * THREADS, sizes.count);
  for (var i = first; i < end; i += THREADS) {
    computeElement(i);
  }
}
