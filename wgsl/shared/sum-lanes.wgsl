// Sums nine floats over the lanes of a subgroup by a butterfly of fixed order. Needs the constant SUBGROUP (4 to 32).

struct LaneSums {
  // Which of the first eight sums the lane holds: one on each of lanes 0 to 7; of a subgroup of four, `index` and the next.
  index: u32,
  values: vec2f,
  // On every lane.
  ninth: f32,
}

// Each step of the butterfly halves the sums that a lane is responsible for.
@diagnostic(off, subgroup_uniformity)
fn sumLanes(lane: u32, first: vec4f, second: vec4f, ninth: f32) -> LaneSums {
  let odd = (lane & 1u) != 0u;
  let four = select(first, second, odd) + subgroupShuffleXor(select(second, first, odd), 1u);
  let high = (lane & 2u) != 0u;
  let two = select(four.xy, four.zw, high) + subgroupShuffleXor(select(four.zw, four.xy, high), 2u);
  var third = ninth + subgroupShuffleXor(ninth, 1u);
  third += subgroupShuffleXor(third, 2u);
  let index = 4u * (lane & 1u) + (lane & 2u);
  if (SUBGROUP == 4) { return LaneSums(index, two, third); }
  let upper = (lane & 4u) != 0u;
  var one = select(two.x, two.y, upper) + subgroupShuffleXor(select(two.y, two.x, upper), 4u);
  third += subgroupShuffleXor(third, 4u);
  if (SUBGROUP >= 16) {
    one += subgroupShuffleXor(one, 8u);
    third += subgroupShuffleXor(third, 8u);
  }
  if (SUBGROUP >= 32) {
    one += subgroupShuffleXor(one, 16u);
    third += subgroupShuffleXor(third, 16u);
  }
  return LaneSums(index + ((lane >> 2u) & 1u), vec2f(one, 0.0), third);
}
