// tensorflow-backend.ts — which TensorFlow.js there is: TensorFlow's own library, or WebAssembly
import type * as core from '@tensorflow/tfjs-core';

/** TensorFlow.js, as its core package exports it; tfjs-node exports the same and more. */
export type Tensorflow = typeof core;

/** TensorFlow.js with a backend that works. */
export interface TensorflowBackend {
  readonly tf: Tensorflow;
  /** Exact version of everything that computes, by package. */
  readonly versions: { readonly [name: string]: string };
  /** For WebAssembly: why it is not tfjs-node. */
  readonly note?: string | undefined;
}

/** Gives a package by its name. @throws when it is not there, or breaks */
type Load = (name: string) => unknown;

const NODE = '@tensorflow/tfjs-node';
const WASM = '@tensorflow/tfjs-backend-wasm';
const CORE = '@tensorflow/tfjs-core';

/** tfjs-node where its native library loads and computes, else the WebAssembly backend. */
export async function openTensorflow(load: Load): Promise<TensorflowBackend> {
  try {
    return await openNode(load);
  } catch (error) {
    const note = `TensorFlow.js trains on its WebAssembly backend: ${whyNot(error)}`;
    return { ...(await openWasm(load)), note };
  }
}

interface NodeBackend {
  readonly binding?: { readonly TF_Version?: string };
}

/** TensorFlow's C library, by way of tfjs-node. @throws when it is not there, or breaks on this Node */
export async function openNode(load: Load): Promise<TensorflowBackend> {
  const tf = load(NODE) as Tensorflow & { readonly version: { readonly [name: string]: string } };
  await tf.setBackend('tensorflow');
  // On a Node that it does not support it loads, and breaks when it computes.
  const two = tf.tidy(() => tf.matMul(tf.ones([1, 2]), tf.ones([2, 1])).dataSync()[0]);
  if (two !== 2) throw new Error(`it computes 1 + 1 = ${two}`);
  const { binding } = tf.backend() as NodeBackend;
  const library = binding?.TF_Version ?? 'unknown';
  return { tf, versions: { [NODE]: tf.version['tfjs-node']!, libtensorflow: library } };
}

/** The WebAssembly backend. @throws when its packages are not there */
export async function openWasm(load: Load): Promise<TensorflowBackend> {
  const tf = load(CORE) as Tensorflow;
  const { version_wasm } = load(WASM) as { readonly version_wasm: string };
  if (!(await tf.setBackend('wasm'))) throw new Error(`${WASM} does not start`);
  return { tf, versions: { [CORE]: tf.version_core, [WASM]: version_wasm } };
}

function whyNot(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  const [line] = String(message ?? error).split('\n');
  const absent = code === 'MODULE_NOT_FOUND' && line!.includes(`'${NODE}'`);
  return absent ? `${NODE} is not installed` : `${NODE} does not work here (${line})`;
}
