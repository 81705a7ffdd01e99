/** Maximum number of pairs of a radix sort. */
export const MAX_CAPACITY = 2 ** 26;
