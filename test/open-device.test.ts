/** The output on stderr when a command opens a device. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { put, scratchFolder } from './helpers/scratch.ts';
import { $ } from './helpers/shell.ts';

const root = fileURLToPath(new URL('../', import.meta.url));

async function stderrOf(program: string): Promise<string> {
  const file = put(scratchFolder(), 'program.mts', program.replaceAll('ROOT', root));
  return (await $({ cwd: root })`${process.execPath} --import tsx ${file}`).stderr;
}

test('opening a device prints nothing', async () => {
  const text = await stderrOf(
    "import { openDevice } from 'ROOT/pipeline/open-device.ts';\n(await openDevice()).close();\n",
  );
  assert.is(text, '');
});

test('only the two notices are removed: other lines appear, even if the call throws', async () => {
  const notice =
    'Warning: maxDynamicUniformBuffersPerPipelineLayout artificially reduced from 9 to 16 to fit.';
  const text = await stderrOf(`
    import { writeSync } from 'node:fs';
    import { stderrFilter } from 'ROOT/pipeline/open-device.ts';
    const filter = await stderrFilter();
    filter(() => writeSync(2, 'before\\n${notice}\\nWarning: another\\n'));
    try { filter(() => { writeSync(2, 'then it fails\\n'); throw new Error('as said'); }); } catch (error) {
      process.stderr.write(error.message + '\\n');
    }
    writeSync(2, '${notice}\\n');
  `);
  assert.is(text, `before\nWarning: another\nthen it fails\nas said\n${notice}\n`);
});

test.run();
