import { type Shell, $ as zx } from 'zx/core'; // without the helpers for scripts, which take longer to load

/**
 * Starts a program of a test. Quiet, without input; a failure throws zx's ProcessOutput with the command's own words.
 * Arguments are quoted by zx.
 */
export const $: Shell = zx({ quiet: true, stdio: ['ignore', 'pipe', 'pipe'] });
