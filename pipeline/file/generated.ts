import { mkdir, writeFile } from 'node:fs/promises';
import { stages } from '../../stages/index.ts';
import { optionsReference } from './options.ts';
import { pipelineSchema } from './schema.ts';

/** What is generated from the stages' schemas: path from the repository's root, and text. `npm run schema` writes it. */
export function generatedFiles(): { path: string; text: string }[] {
  return [
    { path: 'pipeline/schema.json', text: `${JSON.stringify(pipelineSchema(stages), null, 2)}\n` },
    { path: 'docs/options.md', text: optionsReference(stages) },
  ];
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  const root = new URL('../../', import.meta.url);
  await mkdir(new URL('docs/', root), { recursive: true });
  for (const { path, text } of generatedFiles()) await writeFile(new URL(path, root), text);
}
