// The package's `main` is CommonJS under `"type": "module"`, which Node refuses; its ES module has no types of its own.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
