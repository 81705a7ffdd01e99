// The largest of an image's row scales, by the invocations of a subgroup together. The kernel declares `attention` and `rowScales`.

fn largestScale(image: u32, lane: u32) -> f32 {
  let start = image * attention.queries;
  let last = attention.queries - 1u;
  var largest = 0.0;
  // Four loads are under way together; those beyond the last query repeat it.
  for (var query = lane; query < attention.queries; query += 4u * SUBGROUP) {
    let scale0 = rowScales[start + query];
    let scale1 = rowScales[start + min(query + SUBGROUP, last)];
    let scale2 = rowScales[start + min(query + 2u * SUBGROUP, last)];
    let scale3 = rowScales[start + min(query + 3u * SUBGROUP, last)];
    largest = max(largest, max(max(scale0, scale1), max(scale2, scale3)));
  }
  return subgroupMax(largest);
}
