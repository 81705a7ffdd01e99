import { type Shell, $ as zx } from 'zx';

/**
 * Starts every program that this package starts (set-up excepted, which runs before there are packages). Quiet, without
 * input; a failure throws zx's ProcessOutput with the command's own words. Arguments are quoted by zx.
 */
export const $: Shell = zx({ quiet: true, stdio: ['ignore', 'pipe', 'pipe'] });
