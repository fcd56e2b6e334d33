/** Compiled kernels are imported as bytes and inlined into the bundle, so that they are part of what is hashed. */
declare module '*.wasm' {
  const bytes: Uint8Array;
  export default bytes;
}
