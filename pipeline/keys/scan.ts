/** What a module refers to, in the order of its text. */
export interface References {
  /** Specifiers of `import`, `export … from` and `import('…')`; those of types alone are left out. */
  modules: string[];
  /** First arguments of `new URL(…, import.meta.url)`; what a template fills in is `*`. */
  urls: string[];
}

const TOKEN = /\/|['"`]|[{}]|(?<![.\w$#])(?:import|export|new)(?![\w$])/g;
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const REGEXP = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** From behind a backquote or a closing brace up to the next hole or the end. */
const TEMPLATE_PART = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(`|\$\{)/y;
/** A slash behind one of these begins a regular expression, although a name or number before it would mean division. */
const BEFORE_REGEXP = /(?:^|[^.\w$])(?:return|typeof|case|in|of|do|else|void|delete|throw|await|yield)$/;

const TYPE_IMPORT = /import\s+type(?:\s*[{*]|\s+(?!from\s*['"])[\w$])/y;
const STATIC_IMPORT = /import\s*(?:[\w$*{][^'"`;()=]*?\bfrom\s*)?('[^'\n]*'|"[^"\n]*")/y;
const LOOKS_LIKE_IMPORT = /import\s*(?:['"{*]|\s[\w$])/y;
const DYNAMIC_IMPORT = /import\s*\(/y;
const DYNAMIC_LITERAL = /import\s*\(\s*('[^'\n]*'|"[^"\n]*")\s*[,)]/y;
const EXPORT_FROM = /export\s*(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})\s*from\s*('[^'\n]*'|"[^"\n]*")/y;
const MODULE_URL = /new\s+URL\(\s*([^()]*?)\s*,\s*import\.meta\.url/y;
const LITERAL = /^(?:'[^'\n]*'|"[^"\n]*"|`[^`]*`)$/;

/**
 * Finds what the text of a JavaScript or TypeScript module refers to, without running it: comments, strings, templates and
 * regular expressions are stepped over.
 *
 * @throws Error for a reference that only running the module would tell.
 */
export function referencesOf(text: string): References {
  const modules: string[] = [];
  const urls: string[] = [];
  /** How many braces were open where each unfinished template has its hole. */
  const holes: number[] = [];
  let open = 0;
  const at = (pattern: RegExp, index: number) => {
    pattern.lastIndex = index;
    return pattern.exec(text);
  };
  const unclear = (index: number) => {
    const line = text.slice(0, index).split('\n').length;
    return new Error(`line ${line}: cannot be followed: ${text.split('\n')[line - 1].trim()}`);
  };
  /** Steps over the pattern, or over one letter where it does not match. */
  const step = (match: RegExpExecArray | null, index: number) => {
    token.lastIndex = match ? index + match[0].length : index + 1;
    return match;
  };
  const templatePart = (index: number) => {
    if (step(at(TEMPLATE_PART, index), index)?.[1] === '${') holes.push(open);
  };
  const token = new RegExp(TOKEN);
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const { index } = match;
    switch (match[0]) {
      case '/':
        step(at(COMMENT, index) ?? (dividesAt(text, index) ? null : at(REGEXP, index)), index);
        break;
      case "'":
      case '"':
        step(at(STRING, index), index);
        break;
      case '`':
        templatePart(index + 1);
        break;
      case '{':
        open++;
        break;
      case '}':
        if (holes.length && holes.at(-1) === open) {
          holes.pop();
          templatePart(index + 1);
        } else open--;
        break;
      case 'export': {
        const found = at(EXPORT_FROM, index);
        if (found) modules.push(unquoted(step(found, index)![1]));
        break;
      }
      case 'new': {
        const found = at(MODULE_URL, index);
        if (!found) break;
        if (!LITERAL.test(found[1])) throw unclear(index);
        urls.push(unquoted(found[1]).replace(/\$\{[^}]*\}/g, '*'));
        step(found, index);
        break;
      }
      case 'import': {
        if (at(DYNAMIC_IMPORT, index)) {
          if (/\btypeof\s+$/.test(text.slice(Math.max(0, index - 20), index))) break;
          const found = at(DYNAMIC_LITERAL, index);
          // A method of this name is followed by its body or its parameters' types, never by a lone literal.
          if (!found) throw unclear(index);
          modules.push(unquoted(step(found, index)![1]));
        } else if (!at(TYPE_IMPORT, index)) {
          const found = at(STATIC_IMPORT, index);
          if (found) modules.push(unquoted(step(found, index)![1]));
          else if (at(LOOKS_LIKE_IMPORT, index)) throw unclear(index);
        }
      }
    }
  }
  return { modules, urls };
}

function unquoted(literal: string): string {
  return literal.slice(1, -1);
}

/** Whether a slash divides: it stands behind a value. */
function dividesAt(text: string, slash: number): boolean {
  let end = slash;
  while (end > 0 && /\s/.test(text[end - 1])) end--;
  if (end === 0 || !/[\w$)\]}'"`]/.test(text[end - 1])) return false;
  return !BEFORE_REGEXP.test(text.slice(Math.max(0, end - 12), end));
}
