/** What JSON holds. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * A value as plain JSON with sorted keys: undefined members are left out, typed arrays are lists. Equal values have equal
 * texts (`JSON.stringify`), in whatever order they were put together.
 *
 * @throws Error, naming the place, for what JSON would lose: functions, maps, NaN, infinity.
 */
export function canonical(value: unknown, place = 'the value'): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item, i) => canonical(item, `${place}[${i}]`));
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const items = Array.from(value as unknown as ArrayLike<unknown>);
    return items.map((item, i) => canonical(item, `${place}[${i}]`));
  }
  if (typeof value === 'object' && isPlain(value)) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([key, item]) => [key, canonical(item, `${place}.${key}`)]));
  }
  throw new Error(`${place} is ${String(value)}, which has no place in a key`);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
