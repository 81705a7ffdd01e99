import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Scores } from '../stages/artefacts/scores.ts';
import { formatScores, loadScores, saveScores } from '../stages/artefacts/scores.ts';
import type { Style } from '../stages/artefacts/style.ts';
import { loadStyle, saveStyle } from '../stages/artefacts/style.ts';
import { fakeGpu } from './helpers/fake-stages.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';

const gpu = fakeGpu();

test('scores and style are loaded as they were saved', async () => {
  const folder = scratchFolder();
  const scores: Scores = {
    scores: [{ name: 'psnr', value: 31.123456, unit: 'dB', over: '7 "held-out" views' }],
  };
  await saveScores(gpu, scores, folder);
  assert.equal(await loadScores(gpu, folder), scores);
  assert.is(readFileSync(join(folder, 'scores.json'), 'utf8'), formatScores(scores));
  for (const style of [
    { prompt: 'rococo' },
    { prompt: 'a “gold” robot', model: '/models/b-32' },
  ] as Style[]) {
    await saveStyle(gpu, style, folder);
    assert.equal(await loadStyle(gpu, folder), style);
  }
});

test('a damaged file is refused, with the file, the fault and the stage to run again', async () => {
  const folder = scratchFolder();
  const damage = (file: string, text: string) => writeFileSync(join(folder, file), text);
  await throwsInput(() => loadScores(gpu, folder), `${join(folder, 'scores.json')}: cannot be read (ENOENT)`);
  damage('scores.json', '{"scores": [');
  await throwsInput(
    () => loadScores(gpu, folder),
    /scores\.json:1:\d+: is not JSON/,
    'run again from the score stage',
  );
  damage('scores.json', '{"scores": [{"name": "psnr", "value": "high", "unit": "dB", "over": "1 view"}]}');
  await throwsInput(() => loadScores(gpu, folder), 'scores.json: scores.0.value: ');
  damage('style.json', '{"model": "x"}');
  await throwsInput(() => loadStyle(gpu, folder), 'style.json: prompt: ', 'run again from the stylize stage');
  damage('style.json', '{"prompt": "x", "colour": 1}');
  await throwsInput(() => loadStyle(gpu, folder), 'colour');
});

test.run();
