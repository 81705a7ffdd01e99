/**
 * The thread of frames.ts that reads the container of a video: gives what a decoder needs, then packets on request. A damaged container
 * can hold the reader's library in an endless loop, which only the end of its thread stops. Plain JavaScript: a thread starts sooner
 * without a compiler.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny';

/** Packets and bytes of one answer. */
const BATCH = { packets: 32, bytes: 2 ** 22 };

const input = new Input({ source: new FilePathSource(workerData.path), formats: ALL_FORMATS });

/** @param {() => Promise<object>} work */
async function answer(work) {
  try {
    parentPort.postMessage(await work());
  } catch (error) {
    parentPort.postMessage({ failed: String(error?.message ?? error) });
  }
}

let packets;

await answer(async () => {
  const track = await input.getPrimaryVideoTrack();
  const config = await track?.getDecoderConfig();
  if (!config) return {};
  const start = await track.getFirstTimestamp();
  const length = (await track.computeDuration()) - start;
  packets = new EncodedPacketSink(track).packets();
  const { codec, codedWidth, codedHeight, colorSpace, description } = config;
  const own = { codec, codedWidth, codedHeight, colorSpace, description: bytesOf(description) };
  return { config: own, rotation: track.rotation, start, length };
});

parentPort.on('message', () =>
  answer(async () => {
    const batch = [];
    let bytes = 0;
    while (batch.length < BATCH.packets && bytes < BATCH.bytes) {
      const { value, done } = await packets.next();
      if (done) return { batch, done };
      const { type, data, timestamp } = value;
      batch.push({ type, data: data.slice(), timestamp });
      bytes += data.length;
    }
    return { batch, done: false };
  }),
);

/** @param {ArrayBuffer | ArrayBufferView | undefined} description */
function bytesOf(description) {
  if (!description) return undefined;
  if (!ArrayBuffer.isView(description)) return new Uint8Array(description);
  return new Uint8Array(description.buffer, description.byteOffset, description.byteLength).slice();
}
