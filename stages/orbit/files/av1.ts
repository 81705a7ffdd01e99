import { videoFormat } from './video.ts';

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
