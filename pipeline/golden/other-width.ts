/**
 * A program that renders a view to PNG files and prints the device's name. `render.ts` starts it with another vector width of
 * the software driver. Its argument is a JSON file (`WidthJob`).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv } from 'node:process';
import { openDevice } from '../open-device.ts';
import { encodePicture } from './picture.ts';
import { renderView, type WidthJob } from './render.ts';

const { adapter, folder, ...view } = JSON.parse(await readFile(argv[2], 'utf8')) as WidthJob;
const gpu = await openDevice({ adapter });
const pictures = await renderView(gpu, view);
for (const [i, picture] of pictures.entries())
  await writeFile(join(folder, `${i}.png`), encodePicture(picture));
console.log(gpu.adapter.device);
gpu.close();
