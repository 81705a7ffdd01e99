/** Part of the budget that is kept for what follows the last step. */
const RESERVE = 0.01;
/** Seconds between two looks at the clock, at most: on a slow adapter a look comes after each step. */
const MEASURE_EVERY = 0.1;
/** Steps between two looks of which the speed is believed, where they took less than that. */
const LEAST_STEPS = 40;
/** A stride between two looks at most doubles, so that one slow moment does not cost the half of a schedule. */
const MOST_FASTER = 2;

export interface TimeBudgetOptions {
  /** Wall clock for the whole course. */
  seconds: number;
  /** Steps of the schedules. */
  steps: number;
  /** Seconds that were spent, and steps that were taken, before this process went on with the course. */
  spent?: number;
  taken?: number;
  /** Seconds since some moment; the process's own clock unless given. */
  now?: () => number;
}

/**
 * Lets a course end in time. Steps are numbered as in the full course, and where the clock presses numbers are left out: the
 * schedules (rates, bands, growth), which go by the number, then all come to their ends with fewer steps; where time is over
 * nevertheless, as when a step takes a good part of it, the course ends there. The speed
 * is that of the steps since the last look, so it follows the splat as it grows. What is taken depends on the machine: bytes do not
 * repeat where numbers were left out.
 */
export class TimeBudget {
  readonly #steps: number;
  readonly #seconds: number;
  readonly #now: () => number;
  readonly #begin: number;
  #measuredAt: number;
  #takenSince = 0;
  #stride = 1;
  #carried = 0;
  /** Seconds of a step, when it was last looked at. */
  #perStep = 0;
  /** The steps that this process took, and how many others took before. */
  readonly #own: number[] = [];
  readonly #before: number;

  constructor({
    seconds,
    steps,
    spent = 0,
    taken = 0,
    now = () => performance.now() / 1000,
  }: TimeBudgetOptions) {
    this.#seconds = seconds * (1 - RESERVE);
    this.#steps = steps;
    this.#now = now;
    this.#begin = now() - spent;
    this.#before = taken;
    this.#measuredAt = now();
  }

  get spent(): number {
    return this.#now() - this.#begin;
  }

  /** Steps that were taken so far. */
  get taken(): number {
    return this.#before + this.#own.length;
  }

  /** Whether the GPU should be waited for now, so that `measure` sees what steps cost. */
  get measureDue(): boolean {
    return this.#now() - this.#measuredAt >= MEASURE_EVERY;
  }

  /** When the GPU has just finished `step`: how far apart the next ones are. */
  measure(step: number): void {
    const now = this.#now();
    // A few steps say little: a refinement may lie among them.
    if (this.#takenSince < LEAST_STEPS && now - this.#measuredAt < MEASURE_EVERY) return;
    const perStep = (now - this.#measuredAt) / Math.max(1, this.#takenSince);
    const left = this.#seconds - (now - this.#begin);
    const affordable = Math.max(1, left / Math.max(1e-9, perStep));
    const wanted = (this.#steps - step - 1) / affordable;
    this.#stride = Math.min(Math.max(1, wanted), MOST_FASTER * this.#stride);
    this.#perStep = perStep;
    this.#measuredAt = now;
    this.#takenSince = 0;
  }

  /** The step behind `step`; `due` names steps that are not left out while there is time. `steps` or more: the course is over. */
  next(step: number, due: (step: number) => boolean): number {
    this.#takenSince++;
    // A step that is done again after an overflow was void before, and so were those behind it.
    while (this.#own.length && this.#own[this.#own.length - 1] >= step) this.#own.pop();
    this.#own.push(step);
    if (this.#now() - this.#begin + this.#perStep > this.#seconds) {
      return this.#steps;
    }
    this.#carried += this.#stride - 1;
    const most = step + 1 + Math.floor(this.#carried);
    let next = step + 1;
    while (next < most && next < this.#steps && !due(next)) next++;
    this.#carried -= next - step - 1;
    return next;
  }
}
