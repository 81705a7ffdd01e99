import type { Draw } from './draw.ts';

/** Changes a file. The result may equal it: such a case must load. */
type Mutation = (bytes: Buffer, draw: Draw) => Buffer;

/** Values at the limits of their types, little-endian, and a few that only look harmless. */
const WORDS: Buffer[] = [
  ...['00', 'ff', '7f', '80', '0000', 'ffff', 'ff7f', '00000000', 'ffffffff', 'ffffff7f', '00000080'],
  ...['0000c07f', '0000807f', '000080ff', 'ffff7f7f'], // f32: NaN, ±∞, the largest
  ...['ffffffffffffffff', 'ffffffffffffff7f', '0000000000000080', '0000000001000000'],
  ...['000000000000f87f', '000000000000f07f', '000000000000f0ff', 'ffffffffffffef7f'], // f64
  ...['01000000', '00001000', '00ca9a3b', '00000040'],
].map((hex) => Buffer.from(hex, 'hex'));

/** Texts in the place of a number or of a value. */
const TOKENS = [
  ...[
    'NaN',
    'nan',
    'Infinity',
    '-inf',
    '-1',
    '0',
    '-0',
    '1e999',
    '1e308',
    '1e-320',
    '4294967295',
    '4294967296',
  ],
  ...[
    '9007199254740993',
    '99999999999999999999',
    '1000000000',
    '0.5',
    'null',
    'true',
    '""',
    '[]',
    '{}',
    '"x"',
  ],
  ...['[[[[[[[[]]]]]]]]', '"../../../etc/passwd"', '"/etc/passwd"', '"C:\\\\x"', '"__proto__"', '"\\u0000"'],
];

/** Values in the place of another one in JSON. */
const VALUES: unknown[] = [
  ...[null, true, false, 0, -1, 0.5, 1e308, -1e308, 2 ** 32, 2 ** 53, '', 'x', [], {}, [[]], [null]],
  ...['../../../etc/passwd', '/etc/passwd', 'constructor', '\u0000', 'x'.repeat(5000), [1, 2, 3]],
];

/** A position, more often near the beginning, where headers are. */
function somewhere(length: number, draw: Draw): number {
  return draw.below(draw.next() < 0.5 ? Math.min(length, 256) : Math.max(1, length));
}

function splice(bytes: Buffer, at: number, removed: number, added: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
}

function chunk(bytes: Buffer, draw: Draw): [start: number, length: number] {
  const start = somewhere(bytes.length, draw);
  return [start, 1 + draw.below(Math.min(4096, Math.max(1, bytes.length - start)))];
}

const flipBits: Mutation = (bytes, draw) => {
  const changed = Buffer.from(bytes);
  for (let n = 1 + draw.below(8); n > 0 && changed.length; n--)
    changed[somewhere(changed.length, draw)] ^= 1 << draw.below(8);
  return changed;
};
const truncate: Mutation = (bytes, draw) => bytes.subarray(0, somewhere(bytes.length, draw));
const empty: Mutation = () => Buffer.alloc(0);
const overwrite: Mutation = (bytes, draw) => {
  const word = draw.pick(WORDS);
  const at = somewhere(bytes.length, draw);
  return splice(bytes, draw.next() < 0.7 ? at - (at % 4) : at, word.length, word);
};
const duplicate: Mutation = (bytes, draw) => {
  const [start, length] = chunk(bytes, draw);
  return splice(bytes, start, 0, bytes.subarray(start, start + length));
};
const remove: Mutation = (bytes, draw) => splice(bytes, ...chunk(bytes, draw), Buffer.alloc(0));
const swap: Mutation = (bytes, draw) => {
  const [a, length] = chunk(bytes, draw);
  const b = somewhere(bytes.length, draw);
  const moved = Buffer.from(bytes.subarray(a, a + length));
  return splice(splice(bytes, a, length, Buffer.alloc(0)), Math.min(b, bytes.length - length), 0, moved);
};
const noise: Mutation = (bytes, draw) => {
  const [start, length] = chunk(bytes, draw);
  return splice(bytes, start, length, Buffer.from(Array.from({ length }, () => draw.below(256))));
};
const append: Mutation = (bytes, draw) =>
  Buffer.concat([bytes, draw.next() < 0.5 ? bytes : Buffer.alloc(1 + draw.below(64), draw.below(256))]);

const number: Mutation = (bytes, draw) => {
  const numbers = [...bytes.toString('latin1').matchAll(/-?\d+(\.\d+)?(e[-+]?\d+)?/g)];
  if (!numbers.length) return flipBits(bytes, draw);
  const { 0: found, index } = draw.pick(numbers);
  return splice(bytes, index, found.length, Buffer.from(draw.pick(TOKENS)));
};
const word: Mutation = (bytes, draw) => {
  const words = [...bytes.toString('latin1').matchAll(/"[^"\n]*"|[A-Za-z_][\w.]*/g)];
  if (!words.length) return flipBits(bytes, draw);
  const { 0: found, index } = draw.pick(words);
  const other = draw.next() < 0.5 ? draw.pick(words)[0] : draw.pick(TOKENS);
  return splice(bytes, index, found.length, Buffer.from(other, 'latin1'));
};
const nest: Mutation = (bytes, draw) => {
  const deep = draw.pick(['[', '{"a":', '(', '- ', '{', '\n ']).repeat(draw.pick([100, 5000, 50_000]));
  return splice(bytes, somewhere(bytes.length, draw), 0, Buffer.from(deep));
};
const lines: Mutation = (bytes, draw) => {
  const all = bytes.toString('latin1').split('\n');
  const [a, b] = [draw.below(all.length), draw.below(all.length)];
  if (draw.next() < 0.4) all.splice(a, 1);
  else if (draw.next() < 0.5) all.splice(a, 0, all[b]);
  else [all[a], all[b]] = [all[b], all[a]];
  return Buffer.from(all.join('\n'), 'latin1');
};

/** Replaces, removes or repeats one value of a JSON document. */
const member: Mutation = (bytes, draw) => {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString());
  } catch {
    return number(bytes, draw);
  }
  let holder = document as Record<string, unknown> | unknown[];
  for (;;) {
    const keys = typeof holder === 'object' && holder ? Object.keys(holder) : [];
    if (!keys.length) return Buffer.from(JSON.stringify(draw.pick(VALUES)));
    const key = draw.pick(keys) as keyof typeof holder;
    const value = holder[key] as unknown;
    if (typeof value === 'object' && value && draw.next() < 0.85) {
      holder = value as typeof holder;
      continue;
    }
    if (Array.isArray(holder) && draw.next() < 0.4) {
      if (draw.next() < 0.5) holder.splice(Number(key), 1);
      else holder.push(...holder.slice(0, 3));
    } else if (draw.next() < 0.15) delete holder[key];
    else holder[key] = draw.pick(VALUES) as never;
    return Buffer.from(JSON.stringify(document));
  }
};

const OF_BYTES = [
  flipBits,
  flipBits,
  truncate,
  overwrite,
  overwrite,
  overwrite,
  duplicate,
  remove,
  swap,
  noise,
];
const OF_TEXT = [number, number, word, word, lines, nest, flipBits, truncate, duplicate, remove];
const OF_JSON = [member, member, member, member, ...OF_TEXT];

export type Kind = 'bytes' | 'text' | 'json';
const MUTATIONS: Record<Kind, readonly Mutation[]> = { bytes: OF_BYTES, text: OF_TEXT, json: OF_JSON };

/** A file with one to three changes. */
export function mutate(bytes: Buffer, kind: Kind, draw: Draw): Buffer {
  const rare = draw.next();
  if (rare < 0.01) return empty(bytes, draw);
  if (rare < 0.03) return append(bytes, draw);
  let changed = bytes;
  for (let n = draw.pick([1, 1, 1, 2, 3]); n > 0; n--) changed = draw.pick(MUTATIONS[kind])(changed, draw);
  return changed;
}
