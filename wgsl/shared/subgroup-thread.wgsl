// The number of an invocation in its workgroup, in subgroups of SUBGROUP: an entry point takes a SubgroupThread instead of
// local_invocation_index. Where WGSL has no subgroup_id, core/source.ts replaces the builtin by local_invocation_index and sets
// HAS_SUBGROUP_ID to false; the device was then probed for linear numbering.

struct SubgroupThread {
  @builtin(subgroup_id) number: u32,
  @builtin(subgroup_invocation_id) lane: u32,
}

fn threadOf(at: SubgroupThread) -> u32 {
  return select(at.number, at.number * u32(SUBGROUP) + at.lane, HAS_SUBGROUP_ID);
}

fn subgroupOf(at: SubgroupThread) -> u32 {
  return select(at.number / u32(SUBGROUP), at.number, HAS_SUBGROUP_ID);
}
