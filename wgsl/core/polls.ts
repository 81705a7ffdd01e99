/** Time between two polls, ms. */
const POLL_MS = 1;

let isPaced = false;

/**
 * For software adapters in Node. While a promise of a device is pending, Dawn's binding polls for it in every turn of the event loop,
 * by the global `setImmediate`. That occupies a core that the driver could use. From this call on, polls are a millisecond apart.
 */
export function pacePolls(): void {
  if (isPaced || typeof globalThis.setImmediate !== 'function') return;
  isPaced = true;
  const immediate = globalThis.setImmediate;
  const paced = (callback: (...values: unknown[]) => void, ...values: unknown[]) =>
    isPoll(callback) ? setTimeout(callback, POLL_MS, ...values) : immediate(callback, ...values);
  Object.defineProperties(paced, Object.getOwnPropertyDescriptors(immediate));
  globalThis.setImmediate = paced as unknown as typeof immediate;
}

/** Whether a native addon created the function. The functions that resolve a promise are native too, but take a value. */
function isPoll(callback: unknown): boolean {
  if (typeof callback !== 'function' || callback.name || callback.length) return false;
  return Function.prototype.toString.call(callback) === 'function () { [native code] }';
}
