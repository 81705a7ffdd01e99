/** Fraction of the budget that is reserved for the work after the last step. */
const RESERVE = 0.01;
/** Maximum interval between two measurements, seconds: on a slow adapter every step is measured. */
const MEASURE_EVERY = 0.1;
/** Minimum number of steps for a measurement over a shorter interval. */
const MIN_STEPS = 40;
/** Maximum growth of the stride per measurement, so that one slow measurement does not skip half of a schedule. */
const MAX_STRIDE_GROWTH = 2;

export interface TimeBudgetOptions {
  /** Time limit of the whole loop. */
  seconds: number;
  /** Steps of the schedules. */
  steps: number;
  /** Seconds spent and steps taken before this process resumed the loop. */
  spent?: number;
  taken?: number;
  /** A clock, seconds; that of the process by default. */
  now?: () => number;
}

/**
 * Ends a training loop in time. Steps keep their numbers of the full loop, and some numbers are skipped when time is short, so
 * that all schedules (rates, bands, growth), which depend on the number, complete with fewer steps. If the time runs out
 * anyway, the loop ends early. The speed is measured over the steps since the last measurement, so it follows the
 * growth of the splat. Skipping depends on the machine: the result is then not reproducible to the byte.
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
  /** Seconds per step at the last measurement. */
  #perStep = 0;
  /** The steps that this process took, and the number of steps taken before. */
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

  /** Steps taken so far. */
  get taken(): number {
    return this.#before + this.#own.length;
  }

  /** Whether to wait for the GPU now and call `measure`. */
  get measureDue(): boolean {
    return this.#now() - this.#measuredAt >= MEASURE_EVERY;
  }

  /** Call when the GPU has just finished `step`: sets the stride of the next steps. */
  measure(step: number): void {
    const now = this.#now();
    // Too few steps for a measurement: one of them may be a refinement.
    if (this.#takenSince < MIN_STEPS && now - this.#measuredAt < MEASURE_EVERY) return;
    const perStep = (now - this.#measuredAt) / Math.max(1, this.#takenSince);
    const left = this.#seconds - (now - this.#begin);
    const affordable = Math.max(1, left / Math.max(1e-9, perStep));
    const wanted = (this.#steps - step - 1) / affordable;
    this.#stride = Math.min(Math.max(1, wanted), MAX_STRIDE_GROWTH * this.#stride);
    this.#perStep = perStep;
    this.#measuredAt = now;
    this.#takenSince = 0;
  }

  /** The step after `step`. Steps that are `due` are not skipped while time remains. `steps` or more: the loop is over. */
  next(step: number, due: (step: number) => boolean): number {
    this.#takenSince++;
    // A step that is redone after an overflow had no effect, nor had the steps after it.
    while (this.#own.length && this.#own[this.#own.length - 1] >= step) this.#own.pop();
    this.#own.push(step);
    if (this.#now() - this.#begin + this.#perStep > this.#seconds) {
      return this.#steps;
    }
    this.#carried += this.#stride - 1;
    const limit = step + 1 + Math.floor(this.#carried);
    let next = step + 1;
    while (next < limit && next < this.#steps && !due(next)) next++;
    this.#carried -= next - step - 1;
    return next;
  }
}
