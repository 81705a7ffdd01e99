/** References in the text of a module. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { referencesOf } from '../pipeline/keys/code.ts';

test('it finds imports of every form', () => {
  const text = `
    import './effect.ts';
    import whole from "./whole.ts";
    import * as all from './all.ts'
    import{a,b}from'./tight.ts';
    import first, { type Second, third as $third } from './mixed.ts';
    import {
      one, // the first
      two,
    } from '../lines.ts';
    import data from './data.json' with { type: 'json' };
    export { one } from './one.ts';
    export * from './star.ts';
    export * as named from './named.ts';
    export const late = () => import('./late.ts');
    const { later } = await import( "./later.ts" );
    const url = new URL('./x.wgsl', import.meta.url);`;
  assert.equal(referencesOf(text), [
    './effect.ts',
    './whole.ts',
    './all.ts',
    './tight.ts',
    './mixed.ts',
    '../lines.ts',
    './data.json',
    './one.ts',
    './star.ts',
    './named.ts',
    './late.ts',
    './later.ts',
    './x.wgsl',
  ]);
});

test('imports of types are ignored', () => {
  const text = `
    import type { A } from './a.ts';
    import type B from './b.ts';
    import type * as C from './c.ts';
    export type { D } from './d.ts';
    export type * from './e.ts';
    let codecs: typeof import('./f.ts');
    import type from './a-value-called-type.ts';
    export type X = { import: string };
    export interface Y { from: './y.ts' }
    export { type Z };`;
  assert.equal(referencesOf(text), ['./a-value-called-type.ts']);
});

test('comments, strings, templates and regular expressions are skipped', () => {
  const text = [
    "// import './a.ts'",
    "/* import './b.ts'; */",
    "const text = \"import './c.ts'\" + 'it\\'s; import \"./d.ts\"';",
    "const quote = /['\"`]/; const half = 4 / 2 / 1; const some = [/[/'\"]/, /\\/'/];",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text of a module
    "const f = () => { return /'/.test(text) ? `import './e.ts' ${g(`${{ a: '}' }.a} import './f.ts'`)} import './h.ts'` : 1 };",
    "obj.import('./i.ts'); const $import = 1; reimport('./j.ts');",
    'const { import: k } = obj;',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text of a module
    "const t = `${await import('./in-a-hole.ts')} import './l.ts'`;",
    "import './last.ts';",
  ];
  assert.equal(referencesOf(text.join('\n')), ['./in-a-hole.ts', './last.ts']);
});

test('it finds kernels and scripts that are named by URL; other files are data', () => {
  const text = [
    "const a = new URL('./a.wgsl', import.meta.url);",
    'const b = new URL(\n  "../b/worker.mjs",\n  import.meta.url,\n);',
    'const c = new URL("c.wgsl", import.meta.url);',
    "const d = new URL('./d.wgsl', elsewhere);",
    "// new URL('./e.wgsl', import.meta.url)",
    "const f = new URL('../data/', import.meta.url);",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text of a module
    'const g = new URL(`./${name}.json`, import.meta.url);',
  ];
  assert.equal(referencesOf(text.join('\n')), ['./a.wgsl', '../b/worker.mjs', './c.wgsl']);
});

test('a reference that is known only when the module runs is refused, with its line', () => {
  for (const line of [
    'await import(name);',
    'new URL(name, import.meta.url);',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text of a module
    'new URL(`./${name}.wgsl`, import.meta.url);',
  ]) {
    assert.throws(
      () => referencesOf(`const a = 1;\n${line}\n`),
      (error: Error) => error.message === `the module, line 2: cannot be followed: ${line}`,
    );
  }
  assert.throws(() => referencesOf("const a = 1;\nimport { a } of './a.ts';\n"), /the module:2:/);
});

test.run();
