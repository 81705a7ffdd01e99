import { InputError } from '../../../wgsl/core/index.ts';
import { readJson } from '../../artefacts/json.ts';
import type { Towers } from '../towers.ts';
import { clip } from './clip.ts';
import type { Family } from './family.ts';
import { siglip } from './siglip.ts';

export type { Family } from './family.ts';

/** The families by `model_type` of their `config.json`. */
const FAMILIES: Record<string, Family> = { clip, siglip };

/** The family and the shape of a model. @throws InputError with the file and the invalid key. */
export async function readConfig(path: string): Promise<{ family: Family; towers: Towers }> {
  const config = await readJson(path);
  const type: unknown = Object(config).model_type;
  const family = typeof type === 'string' && Object.hasOwn(FAMILIES, type) ? FAMILIES[type] : undefined;
  if (!family) {
    throw new InputError(
      `model_type: ${JSON.stringify(type)} is not a supported family; supported: ${Object.keys(FAMILIES).join(', ')}`,
      path,
    );
  }
  return { family, towers: family.towers(path, config) };
}
