import { literal, nearest } from './describe.ts';

export type Scalar = string | number | boolean;

/** The values of `${…}`. */
export interface Scope {
  /** The cell's value on each axis; empty without a matrix, undefined while the axes themselves are read. */
  values?: Readonly<Record<string, Scalar>>;
  env: Readonly<Record<string, string | undefined>>;
  /** Collects the axes that values refer to. */
  used: Set<string>;
}

/** `$${`, or `${` with the text up to the closing brace, if there is one. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\})?/g;

/**
 * A string with `${matrix.AXIS}` and `${env.NAME}` replaced; `$${` becomes a literal `${`. Replacements are not expanded again. A
 * reference that cannot be resolved stays, and is reported.
 *
 * Unless `wantsText`, a string with replacements that reads as a number, true or false becomes one.
 */
export function substitute(
  text: string,
  scope: Scope,
  wantsText: boolean,
  report: (mistake: string) => void,
): Scalar {
  const filled = text.replace(REFERENCE, (whole, name: string | undefined, brace: string | undefined) => {
    if (whole === '$${') return '${';
    if (brace) return String(resolveReference(name!, scope, report) ?? whole);
    report(`\`${literal(whole)}\` has no closing brace; a literal \`\${\` is written \`$\${\``);
    return whole;
  });
  return filled === text || wantsText ? filled : scalarOf(filled);
}

/** Undefined where the reference cannot be resolved, after a report of the reason. */
function resolveReference(
  reference: string,
  { values, env, used }: Scope,
  report: (mistake: string) => void,
): Scalar | undefined {
  const [, kind, name] = /^(matrix|env)\.(.+)$/s.exec(reference) ?? [];
  const axes = Object.keys(values ?? {});
  if (kind === 'env') {
    if (Object.hasOwn(env, name) && env[name] !== undefined) return env[name];
    report(`the environment has no ${literal(name)}: set it before the run`);
  } else if (kind === 'matrix' && axes.includes(name)) {
    used.add(name);
    return values![name];
  } else if (kind === 'matrix') {
    if (!values) report(`\`\${${reference}}\`: an axis cannot name another`);
    else if (!axes.length) report(`\`\${${reference}}\`: the file has no \`matrix\``);
    else report(`the matrix has no axis ${literal(name)}: ${nearest(name, axes)}`);
  } else {
    const known = [...axes.map((axis) => `\${matrix.${axis}}`), `\${env.NAME}`].join(', ');
    report(
      `\`\${${reference}}\` is not a substitution: expected ${known}; a literal \`\${\` is written \`$\${\``,
    );
  }
  return undefined;
}

/** A string as YAML's core schema parses it, if it is a number, true or false. */
function scalarOf(text: string): Scalar {
  if (/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(text)) return Number(text);
  return text === 'true' ? true : text === 'false' ? false : text;
}

/** A text of the command line as a pipeline file writes it, in which nothing is substituted. */
export function literalText(text: string): string {
  return text.replaceAll('${', () => '$${');
}
