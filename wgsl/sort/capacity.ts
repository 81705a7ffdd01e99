/** Most pairs that a radix sort takes. */
export const MAX_CAPACITY = 2 ** 26;
