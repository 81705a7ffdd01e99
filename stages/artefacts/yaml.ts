import { LineCounter, parseDocument } from 'yaml';
import { InputError } from '../../wgsl/core/index.ts';

/** Brackets open at one point, or dashes in a row: the YAML parser recurses for each, and its stack is finite. */
const MAX_OPEN = 64;
const MARKS = new RegExp(`[[{]|[\\]}]|(?:[-?][ \\t]+){${MAX_OPEN}}`, 'g');
/** Columns by which a block may be indented: the parser recurses for each level. */
const MAX_INDENT = 1000;

/** @throws InputError with the line where a text is nested more deeply than a parser of YAML can follow. */
export function checkNesting(text: string, file: string): void {
  let open = 0;
  const fail = (index: number) => {
    const line = text.slice(0, index).split('\n').length;
    return new InputError(`nested deeper than ${MAX_OPEN} levels`, { file, line, column: 1 });
  };
  for (const { 0: mark, index } of text.matchAll(MARKS)) {
    open = Math.max(0, open + (']}'.includes(mark) ? -1 : mark.length));
    if (open > MAX_OPEN) throw fail(index);
  }
  const indented = new RegExp(`^ {${MAX_INDENT}}`, 'm').exec(text);
  if (indented) throw fail(indented.index + MAX_INDENT);
}

/** Plain values from YAML, which JSON is. @throws InputError with the file, the line and the column. */
export function parseValues(text: string, file: string, { aliases = 100 } = {}): unknown {
  checkNesting(text, file);
  const lineCounter = new LineCounter();
  try {
    // Its warnings would go to stderr.
    const document = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: 'error' });
    const [error] = document.errors;
    if (!error) return document.toJS({ maxAliasCount: aliases });
    const { line, col } = lineCounter.linePos(error.pos[0]);
    const [found] = error.message.split('\n');
    throw new InputError(`is not valid YAML: ${found}`, { file, line, column: col });
  } catch (error) {
    if (error instanceof InputError) throw error;
    const found = error instanceof RangeError ? 'it is nested too deeply' : (error as Error).message;
    throw new InputError(`is not plain YAML: ${found}`, file); // for example too many aliases
  }
}
