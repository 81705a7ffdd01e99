/** For XML and HTML, in text and in attributes; control characters have no place in XML 1.0. */
export function escaped(text: string): string {
  return text
    .replace(/[^\P{Cc}\n\t]/gu, '�')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}
