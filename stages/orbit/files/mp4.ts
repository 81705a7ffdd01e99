import { videoFormat } from './video.ts';

/** H.264, which every player decodes. */
export const mp4 = videoFormat({
  summary: 'H.264 in MP4, `turntable.mp4`',
  name: 'H.264',
  ending: '.mp4',
  container: 'mp4',
  track: 'avc',
  // High profile; level 4.0 to 1080p, 5.1 to 4K, 6.0 beyond.
  codec: (pixels) => `avc1.64${pixels <= 2048 * 1088 ? '0028' : pixels <= 4096 * 2304 ? '0033' : '003c'}`,
  settings: { avc: { format: 'avc' } },
});
