import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { $ } from './helpers/shell.ts';

const root = fileURLToPath(new URL('../', import.meta.url));

// lint:package: test/package.test.ts, on the package that it packs.
for (const script of ['lint:format', 'lint:types', 'lint:imports', 'lint:unused']) {
  test(`npm run ${script}`, async () => {
    const { exitCode, stdout, stderr } = await $({ cwd: root, nothrow: true })`npm run --silent ${script}`;
    assert.is(exitCode, 0, stripVTControlCharacters(`${stdout}${stderr}`));
  });
}

test.run();
