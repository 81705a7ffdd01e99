/** The GPU library: what `splatline/gpu` exports. */
export * from './core/index.ts';
