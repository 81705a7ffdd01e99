/** The options of `npm run bench`. */
import { parseArgs } from 'node:util';
import { CLIP_MODELS, DEFAULT_CLIP_MODELS, PRECISIONS, type Precision } from './clip-models.ts';
import { KINDS } from './row.ts';
import { SIZES } from './rows.ts';

/** Bench of what `--only` names. */
export const ALL = [...KINDS, 'frames'] as const;
export type Kind = (typeof ALL)[number];

export const USAGE = `npm run bench [-- OPTIONS]
  --garden FILE   gsplat's test_garden.npz; ../shared/data/test_garden.npz where it is, otherwise a formula
  --formula       the formula, even where that file is
  --only LIST     of ${ALL.join(', ')}
  --rows LIST     of ${SIZES.map(({ row }) => row).join(', ')}; on a software adapter 1 unless given
  --steps N       frames of a round on the wall clock: 200, on a software adapter 5
  --models LIST   of ${CLIP_MODELS.join(', ')}, or folders of CLIP models (with a /);
                  ${DEFAULT_CLIP_MODELS.join(',')} unless given, on a software adapter demo
  --batches LIST  crops; 1,8,64 unless given, on a software adapter 8
  --precision P   of CLIP: ${PRECISIONS.join(', ')}; auto unless given
  --tiny          a hundredth of the points, pictures an eighth as wide: to see that it runs
  --json FILE     write the result
  --commit NAME   the commit, where these sources are a copy without git
  --scaling       steps of 0.1 to 20 million Gaussians, and of 0.3 to 8 million pixels, instead of the rows
npm run bench -- --compare A.json B.json
npm run bench -- --plot RESULT.json FOLDER    writes --scaling's result as two SVG plots`;

export type Options = ReturnType<typeof parseOptions>;

/** @throws Error with the reason why the arguments are invalid. */
export function parseOptions(args: readonly string[]) {
  const list = (text: string | undefined, known: readonly string[], name: string) => {
    const words = text?.split(',');
    const odd = words?.find((word) => !known.includes(word));
    if (odd !== undefined) throw new Error(`--${name}: ${odd} is none of ${known.join(', ')}`);
    return words;
  };
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      garden: { type: 'string' },
      formula: { type: 'boolean' },
      only: { type: 'string' },
      rows: { type: 'string' },
      steps: { type: 'string' },
      models: { type: 'string' },
      batches: { type: 'string' },
      precision: { type: 'string', default: 'auto' },
      tiny: { type: 'boolean' },
      json: { type: 'string' },
      commit: { type: 'string' },
      scaling: { type: 'boolean' },
      compare: { type: 'boolean' },
      plot: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (positionals.length !== (values.compare || values.plot ? 2 : 0)) {
    throw new Error(
      values.compare
        ? '--compare takes two files'
        : values.plot
          ? '--plot takes a file and a folder'
          : `unexpected ${positionals[0]}`,
    );
  }
  const steps = values.steps === undefined ? undefined : Number(values.steps);
  if (steps !== undefined && !(Number.isInteger(steps) && steps > 0)) {
    throw new Error(`--steps is a whole number from 1, got ${values.steps}`);
  }
  const only = list(values.only, ALL, 'only') as Kind[] | undefined;
  const rows = list(
    values.rows,
    SIZES.map(({ row }) => String(row)),
    'rows',
  );
  const models = values.models?.split(',');
  const odd = models?.find(
    (name) => !(CLIP_MODELS as readonly string[]).includes(name) && !name.includes('/'),
  );
  if (odd !== undefined)
    throw new Error(`--models: ${odd} is no folder and none of ${CLIP_MODELS.join(', ')}`);
  const batches = values.batches?.split(',').map(Number);
  if (batches?.some((count) => !(Number.isInteger(count) && count > 0))) {
    throw new Error(`--batches are whole numbers from 1, got ${values.batches}`);
  }
  const [precision] = list(values.precision, PRECISIONS, 'precision') as Precision[];
  return { values: { ...values, steps, only, rows, models, batches, precision }, positionals };
}
