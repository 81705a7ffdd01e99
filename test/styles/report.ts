/** One restyling of a capture. */
export interface Cell {
  capture: string;
  prompt: string;
  configuration: string;
  /** Of the stage stylize, when it ran. */
  seconds: number;
  /** Whether it ran now; otherwise the store had it. */
  hasRun: boolean;
  /** The folder of the run. */
  folder: string;
  /** By name, as in `scores.json`. */
  scores: Readonly<Record<string, number>>;
}

/** About what a pencil filter leaves on a photograph (docs/scores.md). */
const MIN_STRUCTURE = 0.8;

const COLUMNS: readonly [heading: string, score: string, decimals: number][] = [
  ['own', 'clip', 2],
  ['judge', 'judge.clip', 2],
  ['rank', 'judge.rank', 0],
  ['margin', 'judge.margin', 3],
  ['structure', 'structure', 3],
  ['short', 'consistency', 4],
  ['long', 'consistency.long', 4],
];

const headings = ['capture', 'prompt', 'configuration', ...COLUMNS.map(([heading]) => heading), 'seconds'];
/** The first two lines of the table, in Markdown. */
export const TABLE_HEAD = `| ${headings.join(' | ')} |\n|${'---|'.repeat(headings.length)}`;

/** A row of the table. A score that was not measured is a dash. */
export function rowOf({ capture, prompt, configuration, scores, seconds }: Cell): string {
  const numbers = COLUMNS.map(([, name, decimals]) => scores[name]?.toFixed(decimals) ?? '–');
  return `| ${[capture, prompt, configuration, ...numbers, seconds.toFixed(1)].join(' | ')} |`;
}

/** A line for each configuration, and one on what ran. */
export function summaryOf(cells: readonly Cell[]): string[] {
  const configurations = [...new Set(cells.map(({ configuration }) => configuration))];
  const paper = cells.filter(({ configuration }) => configuration === 'paper');
  const lines = configurations.map((configuration) => {
    const own = cells.filter((cell) => cell.configuration === configuration);
    const count = (holds: (cell: Cell) => boolean) => `${own.filter(holds).length} of ${own.length}`;
    const beatsPaper = ({ capture, prompt, scores }: Cell) => {
      const other = paper.find((cell) => cell.capture === capture && cell.prompt === prompt);
      return other !== undefined && scores['judge.clip'] > other.scores['judge.clip'];
    };
    return [
      `${configuration}: the judge names the right prompt on ${count(({ scores }) => scores['judge.rank'] === 1)}`,
      `structure is at least ${MIN_STRUCTURE} on ${count(({ scores }) => scores.structure >= MIN_STRUCTURE)}`,
      ...(configuration === 'paper' || !paper.length
        ? []
        : [`it beats paper in the judge's score on ${count(beatsPaper)}`]),
    ].join('; ');
  });
  return [...lines, `${cells.filter(({ hasRun }) => hasRun).length} of ${cells.length} restylings ran now`];
}
