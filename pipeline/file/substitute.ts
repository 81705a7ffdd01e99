import type { Place } from '../../wgsl/core/index.ts';
import type { Cell, Scalar } from './cells.ts';
import { isMap, literal, nearest } from './describe.ts';
import type { Mistake } from './mistakes.ts';
import type { Path } from './yaml.ts';

/** What `${…}` may name. */
export interface Scope {
  /** The axes of the file's matrix; none where it has no matrix. */
  axes: readonly string[];
  /** Undefined while the axes themselves are read. */
  cell?: Cell;
  env: Readonly<Record<string, string | undefined>>;
}

/** Where a value stands, and whether the schema wants a text there (asked only when it matters). */
export interface Spot {
  placeOf(path: Path): Place;
  wantsText(path: Path): boolean;
}

/** `$${`, or `${` with what follows it up to the brace, where there is one. */
const MARK = /\$\$\{|\$\{([^}]*)(\})?/g;

/**
 * Puts values in place of `${matrix.AXIS}` and `${env.NAME}`, in scalar values only, never in keys; `$${` is a plain `${`.
 * What was put in is not read again.
 *
 * A value that is one `${matrix.AXIS}` and nothing else keeps the axis value's type; one `${env.NAME}` alone is a number
 * or true or false where it reads so and the schema wants no text.
 */
export class Substitution {
  readonly #scope: Scope;
  /** The axes that were named so far. */
  readonly used = new Set<string>();
  readonly mistakes: Mistake[] = [];

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** A copy of `value` with all of its texts filled in. What cannot be filled in stays, with a mistake in the list. */
  fill(value: unknown, spot: Spot, path: Path = []): unknown {
    if (typeof value === 'string') return this.#text(value, spot, path);
    if (Array.isArray(value)) return value.map((item, index) => this.fill(item, spot, [...path, index]));
    if (!isMap(value)) return value;
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, item] of Object.entries(value)) copy[key] = this.fill(item, spot, [...path, key]);
    return copy;
  }

  #text(text: string, spot: Spot, path: Path): unknown {
    const alone = /^\$\{([^}]*)\}$/.exec(text);
    if (alone) {
      const value = this.#valueOf(alone[1], spot, path);
      if (value === undefined) return text;
      return alone[1].startsWith('env.') && !spot.wantsText(path) ? scalarOf(String(value)) : value;
    }
    return text.replace(MARK, (whole, name: string | undefined, brace: string | undefined) => {
      if (whole === '$${') return '${';
      if (brace) return String(this.#valueOf(name!, spot, path) ?? whole);
      this.#mistake(
        `\`${literal(whole)}\` has no closing brace; a plain \`\${\` is written \`$\${\``,
        spot,
        path,
      );
      return whole;
    });
  }

  #valueOf(reference: string, spot: Spot, path: Path): Scalar | undefined {
    const { axes, cell, env } = this.#scope;
    const [, kind, name] = /^(matrix|env)\.(.*)$/s.exec(reference) ?? [];
    if (kind === 'env' && name) {
      const value = Object.hasOwn(env, name) ? env[name] : undefined;
      if (value !== undefined) return value;
      return this.#mistake(`the environment has no ${literal(name)}: set it before the run`, spot, path);
    }
    if (kind === 'matrix' && cell && Object.hasOwn(cell.values, name)) {
      this.used.add(name);
      return cell.values[name];
    }
    if (kind === 'matrix' && axes.length && cell)
      return this.#mistake(`the matrix has no axis ${literal(name)}: ${nearest(name, axes)}`, spot, path);
    if (kind === 'matrix') {
      const why = cell || !axes.length ? 'the file has no `matrix`' : 'an axis cannot name another';
      return this.#mistake(`\`\${${reference}}\`: ${why}`, spot, path);
    }
    const known = [...axes.map((axis) => `\${matrix.${axis}}`), `\${env.NAME}`].join(', ');
    return this.#mistake(
      `\`\${${reference}}\` is no substitution: there is ${known}; a plain \`\${\` is written \`$\${\``,
      spot,
      path,
    );
  }

  #mistake(text: string, { placeOf }: Spot, path: Path): undefined {
    this.mistakes.push({ text, place: placeOf(path) });
    return undefined;
  }
}

/** A text as the same letters would be read in a YAML file (core schema), where they are a number, true or false. */
function scalarOf(text: string): Scalar {
  if (/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(text)) return Number(text);
  return text === 'true' ? true : text === 'false' ? false : text;
}
