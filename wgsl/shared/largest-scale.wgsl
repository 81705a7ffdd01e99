// The largest of an image's row scales, by the invocations of a subgroup together. The kernel declares `attention` and `rowScales`.

fn largestScale(image: u32, lane: u32) -> f32 {
  var largest = 0.0;
  for (var query = lane; query < attention.queries; query += SUBGROUP) {
    largest = max(largest, rowScales[image * attention.queries + query]);
  }
  return subgroupMax(largest);
}
