declare module 'gltf-validator' {
  /** The validator's report on a .glb or .gltf. */
  export function validateBytes(bytes: Uint8Array): Promise<{
    issues: { messages: { code: string; message: string; pointer: string }[] };
  }>;
}
