// Loads SH rows in the widest words that they align to. Needs <sh>, <window>, the bindings `window: RowWindow` and
// `sh: array<SH_WORD>`, which begins with the window's first Gaussian, and the constants SH_WORD and SH_STEP of sh-words.ts: vec4f
// and 4 rows where a Gaussian's rows fill whole words, f32 and 1 row otherwise.

const SH_WORDS = select(3 * SH_ROWS, 3 * SH_ROWS / 4, SH_STEP == 4);

// The SH_STEP rows from SH_STEP·step on, of Gaussian i.
fn shRows(i: u32, step: u32) -> array<vec3f, SH_STEP> {
  let at = (i - window.first) * u32(SH_WORDS) + 3u * step;
  // A word of one float is replicated four times and used once.
  let a = vec4f(sh[at]);
  let b = vec4f(sh[at + 1u]);
  let c = vec4f(sh[at + 2u]);
  var rows = array<vec3f, SH_STEP>();
  if (SH_STEP == 1) {
    rows[0] = vec3f(a.x, b.x, c.x);
  } else {
    rows[0] = a.xyz;
    rows[min(1, SH_STEP - 1)] = vec3f(a.w, b.xy);
    rows[min(2, SH_STEP - 1)] = vec3f(b.zw, c.x);
    rows[min(3, SH_STEP - 1)] = c.yzw;
  }
  return rows;
}
