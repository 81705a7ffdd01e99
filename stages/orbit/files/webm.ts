import { videoFormat } from './video.ts';

/** VP9, which every browser decodes. */
export const webm = videoFormat({
  summary: 'VP9 in WebM, `turntable.webm`',
  name: 'VP9',
  ending: '.webm',
  container: 'webm',
  track: 'vp9',
  // Profile 0, 8 bits; level 4.0 to 1080p, 5.1 to 4K, 6.0 beyond.
  codec: (pixels) => `vp09.00.${pixels <= 2048 * 1088 ? '40' : pixels <= 4096 * 2304 ? '51' : '60'}.08`,
});
