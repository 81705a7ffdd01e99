import * as assert from 'uvu/assert';

/**
 * Asserts that all numbers agree within `absolute` + `relative` · |expected|, and names the worst one otherwise. There must
 * be as many of one as of the other, and some.
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute = 0, relative = 0 }: { absolute?: number; relative?: number },
  what = 'values',
): void {
  assert.is(actual.length, expected.length, `${what}: lengths differ`);
  assert.ok(actual.length > 0, `${what}: nothing to compare`);
  let worst = { excess: 0, index: -1 };
  let wrong = 0;
  for (let i = 0; i < actual.length; i++) {
    const excess = Math.abs(actual[i] - expected[i]) / (absolute + relative * Math.abs(expected[i]));
    if (excess <= 1) continue;
    wrong++;
    if (!(excess <= worst.excess)) worst = { excess, index: i };
  }
  const { index } = worst;
  assert.is(
    wrong,
    0,
    `${what}: ${wrong} of ${actual.length} differ; [${index}] is ${actual[index]}, expected ${expected[index]}`,
  );
}
