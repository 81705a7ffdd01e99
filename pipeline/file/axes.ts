import type { Place } from '../../wgsl/core/index.ts';
import type { Axes } from './cells.ts';
import { isMap, literal, schemaAt } from './describe.ts';
import { type Mistake, mistakesOf, throwMistakes } from './mistakes.ts';
import { AXIS_NAME, headSchema, matrixAxes } from './schema.ts';
import { Substitution } from './substitute.ts';
import type { Path } from './yaml.ts';

/** Each is a process and a folder; beyond this it is a slip of the hand. */
const MAX_CELLS = 1000;

/** What of a file the axes are read from. */
interface AxesSource {
  top: Readonly<Record<string, unknown>>;
  headPlaceOf(path: Path): Place;
  env: Readonly<Record<string, string | undefined>>;
}

/** The axes under `matrix`; undefined where the file has none. `${env.NAME}` may stand in them. Throws InputError. */
export function readAxes({ top, headPlaceOf, env }: AxesSource): Axes | undefined {
  if (!Object.hasOwn(top, 'matrix')) return undefined;
  const schema = headSchema();
  const placeOf = (path: Path) => headPlaceOf(['matrix', ...path]);
  const names = isMap(top.matrix) ? Object.keys(top.matrix) : [];
  const substitution = new Substitution({ axes: names, env });
  const value = substitution.fill(top.matrix, { placeOf, wantsText: () => false });
  const parsed = matrixAxes.safeParse(value);
  const mistakes = [...substitution.mistakes];
  if (!parsed.success)
    mistakes.push(
      ...mistakesOf(parsed.error.issues, value, schemaAt(schema, ['matrix'])!, 'the matrix', placeOf),
    );
  // zod passes over this one key without a word.
  if (isMap(value) && Object.hasOwn(value, '__proto__'))
    mistakes.push({ text: `\`__proto__\` of the matrix: ${AXIS_NAME}`, place: placeOf(['__proto__']) });
  throwMistakes(mistakes);
  const axes = parsed.data!;
  throwMistakes(duplicates(axes, placeOf));
  const cells = Object.values(axes).reduce((product, values) => product * values.length, 1);
  if (cells > MAX_CELLS) {
    const text = `the matrix has ${cells} cells: expected at most ${MAX_CELLS}`;
    throwMistakes([{ text, place: placeOf([]) }]);
  }
  return axes;
}

/** Values that are there twice. `1` and `"1"` count as one: nothing would tell their cells apart. */
function duplicates(axes: Axes, placeOf: (path: Path) => Place): Mistake[] {
  return Object.entries(axes).flatMap(([axis, values]) =>
    values.flatMap((value, index): Mistake[] => {
      const first = values.findIndex((other) => String(other) === String(value));
      if (first === index) return [];
      const text = `\`${axis}\` of the matrix has ${literal(value)} twice: take one away`;
      return [{ text, place: placeOf([axis, index]) }];
    }),
  );
}

/** Axes that no value names: their cells would be the same run several times over. */
export function unusedAxes(
  { headPlaceOf }: Pick<AxesSource, 'headPlaceOf'>,
  axes: Axes,
  used: ReadonlySet<string>,
): Mistake[] {
  return Object.keys(axes)
    .filter((axis) => !used.has(axis))
    .map((axis) => ({
      text: `the axis ${axis} of the matrix is used nowhere: write \`\${matrix.${axis}}\` where its value belongs, or take the axis away`,
      place: headPlaceOf(['matrix', axis]),
    }));
}
