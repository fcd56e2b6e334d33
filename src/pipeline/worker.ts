// worker.ts — the far side of a thread: runs one action at a time, from the very bundle that was hashed
import { Console } from 'node:console';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { parentPort } from 'node:worker_threads';
import {
  type Coordinates,
  canonicalJson,
  type Digest,
  digestOf,
  type Json,
  type Named,
  type TaskId,
} from './key.ts';
import {
  type Absent,
  type Arity,
  asPort,
  type Checkpoint,
  type Codec,
  errorKind,
  type Load,
  type StageDeclaration,
  StageError,
  type Tools,
  tensors,
} from './stage.ts';

/** A blob in shared memory: nobody may write to it. */
export interface SharedBlob {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** The blobs of one input port, as many as its arity says. */
export interface InputBlobs {
  readonly arity: Arity;
  readonly items: readonly (SharedBlob & { readonly task: TaskId; readonly at: Coordinates })[];
  /** For a partial input: the tasks that gave nothing. */
  readonly missing?: readonly Absent[];
}

/** Asks which tools a stage would use, for each of several params. */
export interface ToolsQuestion {
  readonly ask: 'tools';
  /** Path of the stage's bundle. */
  readonly bundle: string;
  /** Folder of the project, whose packages are loaded. */
  readonly root: string;
  readonly params: readonly Named<Json>[];
}

/** One action to run. */
export interface Assignment {
  readonly ask: 'run';
  /** Path of the stage's bundle. */
  readonly bundle: string;
  /** Folder of the project, whose packages are loaded. */
  readonly root: string;
  readonly params: Named<Json>;
  /** Versions of the tools that the action is keyed by; null when it needs none. */
  readonly tools: Named<string> | null;
  readonly inputs: Named<InputBlobs>;
  readonly files: Named<SharedBlob>;
  readonly checkpoint: Uint8Array | null;
  /** Int32 of `FLAGS`, set by the engine and read by `checkpoint.due()`. */
  readonly flags: SharedArrayBuffer;
}

/** Positions in `flags`. */
export const FLAGS = { checkpointDue: 0, stop: 1, count: 2 } as const;

/** What a worker says back. The last message is tools, done, failed or stopped. */
export type WorkerMessage =
  | { readonly say: 'tools'; readonly tools: readonly (Tools | null)[] }
  | { readonly say: 'progress'; readonly done: number; readonly of: number; readonly note: string }
  | { readonly say: 'log'; readonly line: string }
  | { readonly say: 'checkpoint'; readonly bytes: Uint8Array }
  | { readonly say: 'done'; readonly outputs: Named<Uint8Array> }
  | { readonly say: 'stopped' }
  | {
      readonly say: 'failed';
      readonly message: string;
      readonly stack?: string | undefined;
      /** What the params ask for cannot be done. */
      readonly infeasible?: boolean;
    };

/** Progress is told no more often than this. */
const PROGRESS_EVERY_MS = 100;

/** Leaves a stage after the checkpoint that a stop asked for. */
class Stopped extends Error {
  override readonly name = 'Stopped';
}

const say = (message: WorkerMessage, transfer: ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, transfer);

/** What a stage may still say. Cut when it ends: what it left running must not speak for the next one. */
interface Voice {
  say(message: WorkerMessage, transfer?: ArrayBuffer[]): void;
}

let voice: Voice = { say: () => undefined };

// What a stage prints is a line of its log: stdout belongs to results.
const printed = new Writable({
  write(chunk: Buffer, _encoding, done) {
    for (const line of chunk.toString().trimEnd().split('\n')) voice.say({ say: 'log', line });
    done();
  },
});
globalThis.console = new Console(printed);

parentPort?.on('message', (request: Assignment | ToolsQuestion) => {
  const own: { say: Voice['say'] } = { say };
  voice = own;
  const work = request.ask === 'run' ? run(request, own) : answer(request);
  work
    .catch((error: unknown) => {
      if (error instanceof Stopped) return say({ say: 'stopped' });
      const kind = errorKind(error);
      const message = error instanceof Error ? error.message : String(error);
      const stack = error instanceof Error && kind === 'bug' ? ownFrames(error.stack) : undefined;
      say({ say: 'failed', message, stack, infeasible: kind === 'infeasible' });
    })
    .finally(() => {
      own.say = () => undefined;
    });
});

/** A stage's stack without the frames of this thread's own machinery. */
function ownFrames(stack: string | undefined): string | undefined {
  const machinery = ['node:internal', new URL('.', import.meta.url).href];
  const lines = stack?.split('\n').filter((line) => !machinery.some((at) => line.includes(at)));
  return lines?.join('\n');
}

async function stageIn(bundle: string): Promise<StageDeclaration> {
  const module = (await import(pathToFileURL(bundle).href)) as {
    readonly default: StageDeclaration;
  };
  return module.default;
}

/** Packages come from the project: the bundle may lie anywhere. */
const loadFrom = (root: string): Load => createRequire(join(root, 'package.json'));

async function answer({ bundle, root, params }: ToolsQuestion): Promise<void> {
  const stage = await stageIn(bundle);
  const load = loadFrom(root);
  const tools: (Tools | null)[] = [];
  for (const one of params) tools.push((await stage.tools?.(one)?.(load)) ?? null);
  say({ say: 'tools', tools });
}

/** The loader of an action: it gives something only while the tools are those that are in the key. */
async function loaderFor(stage: StageDeclaration, assignment: Assignment): Promise<Load> {
  const { root, params, tools } = assignment;
  if (tools === null) {
    return (name) => {
      throw new StageError(`the stage loads ${name}, but declares no tools for these params`);
    };
  }
  const load = loadFrom(root);
  const found = await stage.tools?.(params)?.(load);
  if (canonicalJson(found?.versions ?? null) !== canonicalJson(tools)) {
    throw new StageError('the packages that this task uses have just changed: make again');
  }
  return load;
}

async function run(assignment: Assignment, own: Voice): Promise<void> {
  const { inputs, files } = assignment;
  const stage = await stageIn(assignment.bundle);
  const flags = new Int32Array(assignment.flags);
  const contents = Object.entries(files).map(([name, { bytes }]) => [name, bytes]);
  const outputs = await stage.run({
    params: assignment.params,
    inputs: decodeInputs(stage, inputs),
    files: Object.fromEntries(contents),
    progress: throttledProgress(own),
    log: (line) => own.say({ say: 'log', line }),
    checkpoint: checkpointOf(assignment.checkpoint, flags, own),
    load: await loaderFor(stage, assignment),
  });
  const encoded = encodeOutputs(stage, outputs);
  for (const [port, { items }] of Object.entries(inputs)) refuseWritten(`input ${port}`, items);
  for (const [name, file] of Object.entries(files)) refuseWritten(`file ${name}`, [file]);
  own.say({ say: 'done', outputs: encoded }, transferable(encoded));
}

/** Inputs are views of memory that other tasks read too: what a stage wrote there would be their wrong input. */
function refuseWritten(what: string, blobs: readonly SharedBlob[]): void {
  if (blobs.every(({ bytes, digest }) => digestOf(bytes) === digest)) return;
  throw new StageError(
    `the stage wrote into its ${what}: copy what is to be changed (\`slice()\`)`,
  );
}

function decodeInputs(stage: StageDeclaration, inputs: Named<InputBlobs>): Record<string, unknown> {
  const decoded: Record<string, unknown> = {};
  for (const [port, given] of Object.entries(inputs)) {
    const { codec } = asPort(stage.inputs[port]);
    const decode = (bytes: Uint8Array): unknown => {
      try {
        return codec.decode(bytes);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        throw new StageError(`input ${port} does not hold what the stage expects: ${text}`);
      }
    };
    const items = given.items.map(({ bytes, ...item }) => ({ ...item, value: decode(bytes) }));
    if (given.arity === 'partial') decoded[port] = { items, missing: given.missing ?? [] };
    else decoded[port] = given.arity === 'many' ? items : (items[0]?.value ?? null);
  }
  return decoded;
}

function encodeOutputs(stage: StageDeclaration, outputs: Named<unknown>): Named<Uint8Array> {
  if (typeof outputs !== 'object' || outputs === null) {
    throw new StageError('the stage returned no outputs');
  }
  const extra = Object.keys(outputs).filter((name) => !Object.hasOwn(stage.outputs, name));
  if (extra.length > 0) {
    throw new StageError(`the stage gave an undeclared output: ${extra.join(', ')}`);
  }
  const encoded: Record<string, Uint8Array> = {};
  for (const [name, codec] of Object.entries(stage.outputs) as [string, Codec<unknown>][]) {
    if (outputs[name] === undefined) throw new StageError(`the stage gave no output ${name}`);
    encoded[name] = encodeOutput(name, codec, outputs[name]);
  }
  return encoded;
}

function encodeOutput(name: string, codec: Codec<unknown>, value: unknown): Uint8Array {
  try {
    const bytes = codec.encode(value);
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`${typeof value} is no Uint8Array`);
    // The stage may keep bytes of its own for its next task: what is handed over is lost to it.
    return codec.kind === 'bytes' ? new Uint8Array(bytes) : bytes;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new StageError(`output ${name} cannot be kept as ${codec.kind}: ${text}`);
  }
}

/** The buffers that can be handed over instead of copied: those that belong to one output alone. */
function transferable(outputs: Named<Uint8Array>): ArrayBuffer[] {
  const buffers = Object.values(outputs)
    .filter((bytes) => bytes.buffer instanceof ArrayBuffer)
    .filter((bytes) => bytes.byteLength === bytes.buffer.byteLength)
    .map((bytes) => bytes.buffer as ArrayBuffer);
  return [...new Set(buffers)];
}

function throttledProgress(own: Voice): (done: number, of: number, note?: string) => void {
  let next = 0;
  return (done, of, note = '') => {
    const now = performance.now();
    if (now < next && done < of) return;
    next = now + PROGRESS_EVERY_MS;
    own.say({ say: 'progress', done, of, note });
  };
}

function checkpointOf(saved: Uint8Array | null, flags: Int32Array, own: Voice): Checkpoint {
  const { encode, decode } = tensors();
  return {
    load: () => (saved ? decode(saved) : undefined),
    save(state) {
      Atomics.store(flags, FLAGS.checkpointDue, 0);
      const bytes = encode(state);
      own.say({ say: 'checkpoint', bytes }, [bytes.buffer as ArrayBuffer]);
      if (Atomics.load(flags, FLAGS.stop) === 1) throw new Stopped();
    },
    due: () =>
      Atomics.load(flags, FLAGS.checkpointDue) === 1 || Atomics.load(flags, FLAGS.stop) === 1,
  };
}
