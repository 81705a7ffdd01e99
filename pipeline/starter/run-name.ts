import { sha256Of } from '../hash.ts';

const MAX_NAME = 60;
/** Characters of a hash in a name. */
const HASH = 6;

/** A name of texts: lower-case ASCII and dashes. One that is too long, and a text that loses letters, get a hash. */
export function nameFrom(texts: readonly string[]): string {
  const name = texts.map(plainWords).filter(Boolean).join('-');
  return name.length <= MAX_NAME ? name : withHash(name, name);
}

/** A name with the hash of a text. */
export function withHash(name: string, text: string): string {
  return `${name.slice(0, MAX_NAME - HASH - 1).replace(/-$/, '')}-${sha256Of(text).slice(0, HASH)}`;
}

/** The words of a text in lower-case ASCII, joined by dashes, and a hash of a text with other letters. */
function plainWords(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const words = plain.match(/[a-z0-9]+/g) ?? [];
  const hasOthers = /(?![a-z0-9])[\p{L}\p{N}]/u.test(plain);
  return [...words, ...(hasOthers ? [sha256Of(text).slice(0, HASH)] : [])].join('-');
}
