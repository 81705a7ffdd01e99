/** Points per leaf of the tree: few enough for a linear search, enough to keep the tree shallow. */
const LEAF = 12;

/**
 * For each of `positions` [P,3], the root mean square of the distances to its `k` nearest neighbours (fewer if there
 * are fewer points; 0 for a single point). Uses a balanced k-d tree (Bentley 1975): P·log P.
 * Duplicates are neighbours at distance 0.
 */
export function neighbourDistances(positions: Float32Array, k: number): Float32Array {
  const search = new Search(buildTree(positions), k);
  const { order } = search.tree;
  const out = new Float32Array(order.length);
  // In the tree's order, so that consecutive searches share memory.
  for (let at = 0; at < order.length; at++) out[order[at]] = search.distance(at);
  return out;
}

interface Tree {
  /** [P,3], in the tree's order: the points of a leaf are contiguous. */
  sorted: Float32Array;
  /** Point indices so that every subtree is a contiguous range; its middle is the splitting point. */
  order: Uint32Array;
  /** Splitting axis by position of the splitting point in `order`; `LEAF_AXIS` inside leaves. */
  axes: Uint8Array;
}

const LEAF_AXIS = 3;

function buildTree(positions: Float32Array): Tree {
  const count = positions.length / 3;
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const axes = new Uint8Array(count).fill(LEAF_AXIS);
  const ranges: [number, number][] = [[0, count]];
  for (let range = ranges.pop(); range; range = ranges.pop()) {
    const [start, end] = range;
    if (end - start <= LEAF) continue;
    const axis = widestAxis(positions, order, start, end);
    const middle = (start + end) >> 1;
    select(positions, axis, order, start, end - 1, middle);
    axes[middle] = axis;
    ranges.push([start, middle], [middle + 1, end]);
  }
  const sorted = new Float32Array(positions.length);
  for (let at = 0; at < count; at++) {
    sorted.set(positions.subarray(3 * order[at], 3 * order[at] + 3), 3 * at);
  }
  return { sorted, order, axes };
}

function widestAxis(positions: Float32Array, order: Uint32Array, start: number, end: number): number {
  let widest = 0;
  let width = -1;
  for (let axis = 0; axis < 3; axis++) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = start; i < end; i++) {
      const value = positions[3 * order[i] + axis];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (high - low > width) [widest, width] = [axis, high - low];
  }
  return widest;
}

/**
 * Hoare's selection: places at `order[middle]` the element that sorting along `axis` would place there, with none larger
 * before it and none smaller after it. Median-of-three pivots; equal keys are split evenly, so duplicates cost nothing.
 */
function select(
  positions: Float32Array,
  axis: number,
  order: Uint32Array,
  first: number,
  last: number,
  middle: number,
): void {
  const key = (i: number) => positions[3 * order[i] + axis];
  let [low, high] = [first, last];
  while (low < high) {
    const [a, b, c] = [key(low), key((low + high) >> 1), key(high)];
    const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    let [i, j] = [low, high];
    while (i <= j) {
      while (key(i) < pivot) i++;
      while (key(j) > pivot) j--;
      if (i <= j) {
        const swapped = order[i];
        order[i++] = order[j];
        order[j--] = swapped;
      }
    }
    if (middle <= j) high = j;
    else if (middle >= i) low = i;
    else return;
  }
}

/** Searches one tree without allocating per point. */
class Search {
  readonly tree: Tree;
  /** Squared distances of the nearest others so far, ascending. */
  readonly #best: Float64Array;
  #self = 0;
  #x = 0;
  #y = 0;
  #z = 0;

  constructor(tree: Tree, k: number) {
    this.tree = tree;
    this.#best = new Float64Array(k);
  }

  /** Root mean square distance of the point at `self` (in the tree's order) to its nearest others. */
  distance(self: number): number {
    const { sorted, order } = this.tree;
    const best = this.#best;
    this.#self = self;
    this.#x = sorted[3 * self];
    this.#y = sorted[3 * self + 1];
    this.#z = sorted[3 * self + 2];
    best.fill(Number.POSITIVE_INFINITY);
    this.#descend(0, order.length);
    const found = Math.min(best.length, order.length - 1);
    let sum = 0;
    for (let i = 0; i < found; i++) sum += best[i];
    return found ? Math.sqrt(sum / found) : 0;
  }

  #descend(start: number, end: number): void {
    if (end - start <= LEAF) {
      for (let at = start; at < end; at++) this.#visit(at);
      return;
    }
    const middle = (start + end) >> 1;
    const axis = this.tree.axes[middle];
    const own = axis === 0 ? this.#x : axis === 1 ? this.#y : this.#z;
    const offset = own - this.tree.sorted[3 * middle + axis];
    this.#visit(middle);
    if (offset < 0) this.#descend(start, middle);
    else this.#descend(middle + 1, end);
    if (offset * offset >= this.#best[this.#best.length - 1]) return;
    if (offset < 0) this.#descend(middle + 1, end);
    else this.#descend(start, middle);
  }

  #visit(at: number): void {
    if (at === this.#self) return;
    const best = this.#best;
    const { sorted } = this.tree;
    const dx = sorted[3 * at] - this.#x;
    const dy = sorted[3 * at + 1] - this.#y;
    const dz = sorted[3 * at + 2] - this.#z;
    const squared = dx * dx + dy * dy + dz * dz;
    let slot = best.length - 1;
    if (squared >= best[slot]) return;
    for (; slot > 0 && best[slot - 1] > squared; slot--) best[slot] = best[slot - 1];
    best[slot] = squared;
  }
}
