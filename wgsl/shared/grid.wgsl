// Grids of more than 65,535 workgroups are folded into y (gridFor in core/recorder.ts): the group's number in line.

fn linearGroup(group: vec3u, groups: vec3u) -> u32 {
  return group.x + group.y * groups.x;
}
