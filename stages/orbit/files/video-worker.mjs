/**
 * The thread of video.ts: takes the I420 planes of picture after picture, encodes them, and gives a file of one track. The
 * encoder's library copies each picture into memory of its own before it encodes, several ms that the main thread has no time
 * for. Plain JavaScript: a thread starts sooner without a compiler.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { VideoEncoder, VideoFrame } from '@napi-rs/webcodecs';
import {
  BufferTarget,
  EncodedPacket,
  EncodedVideoPacketSource,
  Mp4OutputFormat,
  Output,
  WebMOutputFormat,
} from 'mediabunny';

/** Pictures that may wait in the encoder; beyond that, their memory is not given back. */
const QUEUE = 8;

const { config, container, track: codec, width, height, fps, keyFrames, colorSpace } = workerData;

const track = new EncodedVideoPacketSource(codec);
const output = new Output({
  format: container === 'mp4' ? new Mp4OutputFormat({ fastStart: 'in-memory' }) : new WebMOutputFormat(),
  target: new BufferTarget(),
});
output.addVideoTrack(track, { frameRate: fps });
await output.start();

let count = 0;
/** Pictures enter in order, one after the other: messages may come while one waits. */
let added = Promise.resolve();
let muxed = Promise.resolve();

function fail(error) {
  parentPort.postMessage({ failed: String(error?.message ?? error) });
}

const encoder = new VideoEncoder({
  output(chunk, metadata) {
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    // The encoder's time stamps are whole microseconds; the picture's number is exact.
    const index = Math.round((chunk.timestamp * fps) / 1e6);
    const packet = new EncodedPacket(data, chunk.type, index / fps, 1 / fps);
    const found = metadata?.decoderConfig;
    const meta = found && {
      decoderConfig: {
        codec: found.codec,
        codedWidth: width,
        codedHeight: height,
        description: found.description,
        colorSpace: { ...colorSpace },
      },
    };
    muxed = muxed.then(() => track.add(packet, meta));
    muxed.catch(fail);
  },
  error: fail,
});
encoder.configure(config);

/** @param {ArrayBuffer} planes */
async function add(planes) {
  const index = count++;
  const frame = new VideoFrame(new Uint8Array(planes), {
    format: 'I420',
    codedWidth: width,
    codedHeight: height,
    timestamp: Math.round((index * 1e6) / fps),
    duration: Math.round(1e6 / fps),
    colorSpace,
  });
  // The first picture is one anyway; libaom makes two of those that are asked for.
  encoder.encode(frame, { keyFrame: index > 0 && index % keyFrames === 0 });
  frame.close();
  while (encoder.encodeQueueSize > QUEUE) await new Promise((resolve) => setTimeout(resolve, 2));
  parentPort.postMessage({ planes }, [planes]);
}

async function finish() {
  await added;
  await encoder.flush();
  encoder.close();
  await muxed;
  await output.finalize();
  const file = new Uint8Array(output.target.buffer);
  parentPort.postMessage({ file }, [file.buffer]);
}

parentPort.on('message', ({ planes }) => {
  if (planes) {
    added = added.then(() => add(planes));
    added.catch(fail);
  } else finish().catch(fail);
});

parentPort.postMessage({ ready: true });
