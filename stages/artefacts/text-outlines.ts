import { readFile } from 'node:fs/promises';

/** Advance width and SVG path of each character, y up, in units of the em. */
interface Font {
  unitsPerEm: number;
  glyphs: Record<string, [width: number, path: string]>;
}

/** Stands for a character that the font lacks. */
const MISSING = '□';

/**
 * Text as SVG paths: the same pixels on every machine, because no font of the system takes part (a container often has
 * none). The outlines cover Latin-1 and some punctuation.
 */
export class TextOutlines {
  readonly #font: Font;

  private constructor(font: Font) {
    this.#font = font;
  }

  static async load(): Promise<TextOutlines> {
    const text = await readFile(new URL('./text-outlines.json', import.meta.url), 'utf8');
    return new TextOutlines(JSON.parse(text) as Font);
  }

  /** One line of text as SVG elements, with its baseline at `y`; x, y and size in pixels. */
  line(text: string, x: number, y: number, size: number): string {
    const scale = size / this.#font.unitsPerEm;
    let advance = 0;
    const paths = this.#glyphs(text).map(([width, path]) => {
      const placed = `<path transform="translate(${advance} 0)" d="${path}"/>`;
      advance += width;
      return placed;
    });
    return `<g transform="translate(${x} ${y}) scale(${scale} ${-scale})">${paths.join('')}</g>`;
  }

  /** Breaks a text into lines of at most `width` pixels, at spaces, and inside a word that is too long for a line. */
  wrap(text: string, width: number, size: number): string[] {
    const fits = (line: string) => this.#width(line, size) <= width;
    const lines: string[] = [];
    let line = '';
    for (const word of text.split(/\s+/).filter(Boolean)) {
      if (line && !fits(`${line} ${word}`)) {
        lines.push(line);
        line = '';
      }
      line = line ? `${line} ${word}` : word;
      while (!fits(line)) {
        let end = line.length - 1;
        while (end > 1 && !fits(line.slice(0, end))) end--;
        lines.push(line.slice(0, end));
        line = line.slice(end);
        if (line.length < 2) break;
      }
    }
    return line ? [...lines, line] : lines;
  }

  #width(text: string, size: number): number {
    const units = this.#glyphs(text).reduce((sum, [width]) => sum + width, 0);
    return (units * size) / this.#font.unitsPerEm;
  }

  #glyphs(text: string): [width: number, path: string][] {
    const { glyphs } = this.#font;
    return Array.from(text.normalize('NFC'), (character) => glyphs[character] ?? glyphs[MISSING]);
  }
}
