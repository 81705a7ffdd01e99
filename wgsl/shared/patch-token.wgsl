// Tokens of a vision transformer before the first layer, in the registers of a workgroup of `row-group`: the embedded patch, or nothing for the
// class token, plus the embedding of the position (which includes the class embedding).

struct Sizes {
  width: u32,
  patches: u32,
  // 1 with a class token in front, else 0.
  classTokens: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> patches: array<f32>;
@group(0) @binding(2) var<storage, read> embeddings: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;

// A thread's part of a token: columns thread, thread + THREADS, …; normalised with HAS_NORM.
struct Token {
  values: array<f32, VALUES>,
  reciprocalDeviation: f32,
}

fn loadToken(at: SubgroupThread, image: u32, token: u32) -> Token {
  let thread = threadOf(at);
  var found: Token;
  var sum = 0.0;
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    var value = 0.0;
    if (column < sizes.width) {
      value = embeddings[token * sizes.width + column];
      if (token >= sizes.classTokens) {
        value += patches[(image * sizes.patches + token - sizes.classTokens) * sizes.width + column];
      }
    }
    found.values[v] = value;
    sum += value;
  }
  found.reciprocalDeviation = 1.0;
  if (HAS_NORM) {
    let mean = rowTotal(at, sum) / f32(sizes.width);
    var squares = 0.0;
    for (var v = 0u; v < VALUES; v++) {
      let centred = select(0.0, found.values[v] - mean, v * THREADS + thread < sizes.width);
      found.values[v] = centred;
      squares += centred * centred;
    }
    found.reciprocalDeviation = reciprocalRoot(rowTotal(at, squares) / f32(sizes.width) + sizes.epsilon);
    for (var v = 0u; v < VALUES; v++) {
      found.values[v] *= found.reciprocalDeviation;
    }
  }
  return found;
}
