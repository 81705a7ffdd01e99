import { importGaussians } from '../../stages/artefacts/gaussians-import.ts';
import { writeSplat, writeViewer } from '../../stages/artefacts/splat-writer.ts';
import { Refusal, type Site, sendPage } from './server.ts';

/** Where the page of the viewer finds the splat. */
const SPLAT = 'splat.ply';

/**
 * A splat of any format that `load` reads, in the SuperSplat viewer. The viewer fetches the exact values as one .ply, so that nothing is
 * quantised or clustered before the page opens. @throws InputError when the file cannot be read as a splat.
 */
export async function splatSite(path: string): Promise<Site> {
  const { gaussians } = await importGaussians(path);
  const [bytes, page] = await Promise.all([
    writeSplat(gaussians, 'ply'),
    writeViewer({ address: SPLAT }, undefined, gaussians.antialias),
  ]);
  return {
    start: '',
    async answer(asked) {
      const { names, request, response } = asked;
      const [name = ''] = names;
      if (names.length > 1 || (name !== '' && name !== SPLAT))
        throw new Refusal(404, 'there is only a splat here');
      if (name === '') return sendPage(asked, page);
      const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length };
      response.writeHead(200, { ...headers, 'Cache-Control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    },
    close() {},
  };
}
