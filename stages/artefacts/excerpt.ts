// Quotations from files in messages. Without imports, because browsers load the readers of headers, too.

/** A text for a message: keys and values in files may have any length. */
export function shortened(text: string, length = 300): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** A value found in a file, as short JSON for a message. */
export function excerpt(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shortened(value, 60));
  try {
    return shortened(JSON.stringify(value) ?? '(missing)', 60);
  } catch {
    return 'a value nested too deeply'; // JSON.parse has no limit on nesting, and JSON.stringify recurses
  }
}
