import { isMap, literal, nearest, type Path } from './describe.ts';

export type Scalar = string | number | boolean;

/** What `${…}` stands for. */
export interface Scope {
  /** The axes of the file's matrix; none where it has no matrix. */
  axes: readonly string[];
  /** The cell's value on each axis; undefined while the axes themselves are read. */
  values?: Readonly<Record<string, Scalar>>;
  env: Readonly<Record<string, string | undefined>>;
  /** Collects the axes that values name. */
  used: Set<string>;
}

/** What the schema wants at a path, and who takes the mistakes. */
export interface SubstitutionTarget {
  wantsText(path: Path): boolean;
  report(text: string, path: Path): void;
}

/** `$${`, or `${` with what follows up to the brace, where there is one. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\})?/g;

/**
 * A copy of `value` with `${matrix.AXIS}` and `${env.NAME}` replaced in its texts, never in keys; `$${` becomes a plain
 * `${`. Replacements are not read again. A reference that cannot be resolved stays, and is reported.
 *
 * A text that is one `${matrix.AXIS}` and nothing else takes the type of the axis value; one `${env.NAME}` alone becomes a
 * number or true or false where it reads as one and the schema wants no text.
 */
export function substitute(
  value: unknown,
  scope: Scope,
  target: SubstitutionTarget,
  path: Path = [],
): unknown {
  if (Array.isArray(value))
    return value.map((item, index) => substitute(item, scope, target, [...path, index]));
  if (isMap(value))
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, substitute(item, scope, target, [...path, key])]),
    );
  if (typeof value !== 'string') return value;
  const report = (text: string) => target.report(text, path);
  const [, alone] = /^\$\{([^}]*)\}$/.exec(value) ?? [];
  if (alone !== undefined) {
    const resolved = resolveReference(alone, scope, report);
    if (typeof resolved !== 'string' || !alone.startsWith('env.')) return resolved ?? value;
    return target.wantsText(path) ? resolved : scalarOf(resolved);
  }
  return value.replace(REFERENCE, (whole, name: string | undefined, brace: string | undefined) => {
    if (whole === '$${') return '${';
    if (brace) return String(resolveReference(name!, scope, report) ?? whole);
    report(`\`${literal(whole)}\` has no closing brace; a plain \`\${\` is written \`$\${\``);
    return whole;
  });
}

/** Undefined where the reference cannot be resolved, after a report of the reason. */
function resolveReference(
  reference: string,
  { axes, values, env, used }: Scope,
  report: (text: string) => void,
): Scalar | undefined {
  const [, kind, name] = /^(matrix|env)\.(.+)$/s.exec(reference) ?? [];
  if (kind === 'env') {
    if (Object.hasOwn(env, name) && env[name] !== undefined) return env[name];
    report(`the environment has no ${literal(name)}: set it before the run`);
  } else if (kind === 'matrix' && !values) {
    report(`\`\${${reference}}\`: an axis cannot name another`);
  } else if (kind === 'matrix' && !axes.length) {
    report(`\`\${${reference}}\`: the file has no \`matrix\``);
  } else if (kind === 'matrix') {
    if (Object.hasOwn(values!, name)) {
      used.add(name);
      return values![name];
    }
    report(`the matrix has no axis ${literal(name)}: ${nearest(name, axes)}`);
  } else {
    const known = [...axes.map((axis) => `\${matrix.${axis}}`), `\${env.NAME}`].join(', ');
    report(`\`\${${reference}}\` is no substitution: there is ${known}; a plain \`\${\` is written \`$\${\``);
  }
  return undefined;
}

/** A text as YAML's core schema reads it, where it is a number, true or false. */
function scalarOf(text: string): Scalar {
  if (/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(text)) return Number(text);
  return text === 'true' ? true : text === 'false' ? false : text;
}
