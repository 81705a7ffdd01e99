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

/** AV1: the smallest files, and the slowest encoder. */
export const av1 = videoFormat({
  summary: 'AV1 in MP4, `turntable-av1.mp4`',
  name: 'AV1',
  ending: '-av1.mp4',
  container: 'mp4',
  track: 'av1',
  // Main profile, 8 bits; level 4.0 to 1080p, 5.1 to 4K, 6.0 beyond.
  codec: (pixels) => `av01.0.${pixels <= 2048 * 1088 ? '08' : pixels <= 4096 * 2304 ? '13' : '16'}M.08`,
});

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
