// worker.ts — the far side of a worker process: runs one action at a time, from the very bundle that was hashed

import { entryOf } from '../../present.ts';
import type { DescribedFailure } from '../model/failure.ts';
import {
  byCodeUnit,
  canonical,
  canonicalJson,
  coordinatesAsNamed,
  type Digest,
  digestOf,
  type Named,
} from '../model/key.ts';
import { lineReader, progressOf, shortLine } from '../process/lines.ts';
import {
  asPort,
  type Checkpoint,
  type Codec,
  errorKind,
  type Load,
  type StageDeclaration,
  StageError,
  tensors,
} from '../stage.ts';
import { type Blobs, keptBlobs, type ReadBlob } from './blobs.ts';
import {
  type ActionRequest,
  CONTROL_FLAGS,
  type GivenBlob,
  type InputBlobs,
  type StageQuestion,
  type WorkerMessage,
  type WorkerRequest,
} from './protocol.ts';
import { bundleText, importStage, loadFrom } from './stage-module.ts';

/** Progress is told no more often than this. */
const PROGRESS_EVERY_MS = 100;

/** Leaves a stage after the checkpoint that a stop asked for. */
class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** What a stage may still say. Cut when it ends: what it left running must not speak for the next one. */
interface Voice {
  say(message: WorkerMessage): void;
  /** So many characters may still be printed; what is more is left out. */
  room: number;
}

/** Of what a module prints while it is planned, so much is kept: nobody waits for it. */
const PRINTED_CHARACTERS_MAX = 2 ** 16;
const LEFT_OUT = '\n… the rest of what it printed is left out\n';

/** Answers what a stage module is asked when a pipeline is planned. */
export type AnswerQuestion = (
  question: StageQuestion,
  say: (message: WorkerMessage) => void,
) => Promise<WorkerMessage>;

/** What a worker is joined to: the process around it. */
export interface WorkerSide {
  /** Sends a message. It has left the process when this returns: a stage that computes never lets it leave later. */
  say(message: WorkerMessage): void;
  /** Int32 of `CONTROL_FLAGS`, which the engine raises while a stage computes. */
  readonly flags: Int32Array;
  /** Raises those that the engine has raised by now, where that does not happen by itself. */
  look?(): void;
}

/** One worker: it is asked one thing at a time. */
export interface WorkerCore {
  hear(request: WorkerRequest): void;
  /** What a stage prints is a line of its log: stdout belongs to results. */
  print(text: Uint8Array | string): void;
}

/** A worker reads and verifies each large blob once while it keeps it: up to so many bytes of them. */
const KEPT_BYTES_MAX = 768 * 2 ** 20;

/** Makes a worker that speaks through `side`. One without `answer` runs actions only. */
export function createWorker(side: WorkerSide, answer?: AnswerQuestion): WorkerCore {
  const blobs = keptBlobs(KEPT_BYTES_MAX);
  const mute: Voice = { say: () => undefined, room: 0 };
  let voice = mute;
  const printed = lineReader({
    line: (line) => voice.say({ say: 'log', line }),
    state(note) {
      if (voice.room === Number.POSITIVE_INFINITY) {
        voice.say({ say: 'progress', ...progressOf(note) });
      }
    },
  });
  const print = (text: Uint8Array | string): void => {
    if (voice.room <= 0) return;
    const fits = text.length <= voice.room;
    printed.push(fits ? text : text.slice(0, voice.room));
    if (!fits) printed.push(LEFT_OUT);
    voice.room -= text.length;
  };
  const begin = (request: WorkerRequest, own: Voice): Promise<WorkerMessage> => {
    if (request.ask === 'run') return run(request, own, side, blobs);
    if (answer === undefined) throw new Error('bug: this worker answers no questions');
    return answer(request, own.say);
  };
  const hear = async (request: WorkerRequest): Promise<void> => {
    const room = request.ask === 'run' ? Number.POSITIVE_INFINITY : PRINTED_CHARACTERS_MAX;
    const own: Voice = { say: side.say, room };
    voice = own;
    own.say({ say: 'begun' });
    const last = await begin(request, own).catch(lastWord);
    printed.flush();
    voice = mute;
    own.say = mute.say;
    // The task may have mutated cached inputs: clear the cache.
    if (last.say === 'failed') blobs.clear();
    side.say(last);
  };
  return { hear: (request) => void hear(request), print };
}

function lastWord(error: unknown): WorkerMessage {
  if (error instanceof Stopped) return { say: 'stopped' };
  const kind = errorKind(error);
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error && kind === 'bug' ? ownFrames(error.stack) : undefined;
  return {
    say: 'failed',
    cause: causeOf(error),
    message: shortText(message),
    stack: stack && shortText(stack),
    infeasible: kind === 'infeasible',
  };
}

/** Of what a stage says when it fails, so much is told: an error may be as long as memory. */
const WORDS_MAX = 65_536;

/** A text of which so much is told. */
export const shortText = (text: string): string =>
  text.length <= WORDS_MAX
    ? text
    : `${text.slice(0, WORDS_MAX)}… (${text.length - WORDS_MAX} more characters)`;

/** An error with a cause other than that the stage threw it. */
class CausedError extends StageError {
  readonly reason: DescribedFailure['cause'];

  constructor(reason: DescribedFailure['cause'], message: string) {
    super(message);
    this.reason = reason;
  }
}

function causeOf(error: unknown): DescribedFailure['cause'] {
  if (error instanceof CausedError) return error.reason;
  // V8 has no name of its own for buffers that it cannot allocate.
  const isAllocation = error instanceof RangeError && /allocation failed/i.test(error.message);
  return isAllocation ? 'memory' : 'stage';
}

/** A stage's stack without the frames of this process's own machinery. */
export function ownFrames(stack: string | undefined): string | undefined {
  const machinery = ['node:internal', new URL('.', import.meta.url).href];
  const lines = stack?.split('\n').filter((line) => !machinery.some((at) => line.includes(at)));
  return lines?.join('\n');
}

/** The loader of an action: it gives something only while the tools are those that are in the key. */
async function loaderFor(stage: StageDeclaration, request: ActionRequest): Promise<Load> {
  const { root, params, tools } = request;
  if (tools === null) {
    return (name) => {
      throw new StageError(`the stage loads ${name}, but declares no tools for these params`);
    };
  }
  const load = loadFrom(root);
  const found = await stage.tools?.(params)?.(load);
  if (canonicalJson(found?.versions ?? null) !== canonicalJson(tools)) {
    throw new CausedError(
      'inputs',
      'the packages that this task uses have just changed: make again',
    );
  }
  return load;
}

async function run(
  assigned: ActionRequest,
  own: Voice,
  side: WorkerSide,
  blobs: Blobs,
): Promise<WorkerMessage> {
  const request = { ...assigned, params: canonical(assigned.params) };
  Atomics.store(side.flags, CONTROL_FLAGS.checkpointDue, 0);
  // First: it is given once, even if the action then cannot go on.
  bundleText(request.bundle);
  const given = await contentsOf(request, blobs);
  if ('lost' in given) return { say: 'lost', digests: given.lost };
  const stage = await importStage(request.bundle);
  const contents = inOrder(given.files).map(([name, { bytes }]) => [name, bytes]);
  const outputs = await stage.run({
    params: request.params,
    inputs: decodeInputs(stage, given.inputs),
    files: Object.fromEntries(contents),
    progress: throttledProgress(own),
    log: (line) => own.say({ say: 'log', line: shortLine(line) }),
    checkpoint: checkpointOf(request.checkpoint, side, own),
    load: await loaderFor(stage, request),
  });
  const encoded = encodeOutputs(stage, outputs);
  for (const [port, { items }] of Object.entries(given.inputs)) {
    refuseWritten(`input ${port}`, items);
  }
  for (const [name, file] of Object.entries(given.files)) refuseWritten(`file ${name}`, [file]);
  return { say: 'done', outputs: encoded };
}

/** A blob with its bytes. */
type HeldBlob = Required<GivenBlob>;
/** An input port with the bytes of its blobs. */
type HeldInput = Omit<InputBlobs, 'items'> & {
  readonly items: readonly (InputBlobs['items'][number] & HeldBlob)[];
};
type Contents =
  | { readonly inputs: Named<HeldInput>; readonly files: Named<HeldBlob> }
  | { readonly lost: readonly Digest[] };

/** Everything that an action reads, in memory, or what the store lacks of it. */
async function contentsOf(
  { inputs, files, cache }: ActionRequest,
  blobs: Blobs,
): Promise<Contents> {
  const all = [...Object.values(inputs).flatMap(({ items }) => items), ...Object.values(files)];
  // The store's library takes a while to load: tasks whose inputs are all small never need it.
  const read = all.some(({ bytes }) => bytes === undefined)
    ? await readerOf(cache)
    : () => undefined;
  const lost: Digest[] = [];
  const hold = <T extends GivenBlob>(blob: T): T & HeldBlob => {
    const bytes = blobs.get(blob, read);
    if (bytes === undefined) lost.push(blob.digest);
    return { ...blob, bytes: bytes ?? new Uint8Array(0) };
  };
  const held = {
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([port, input]) => [
        port,
        { ...input, items: input.items.map(hold) },
      ]),
    ),
    files: Object.fromEntries(Object.entries(files).map(([name, file]) => [name, hold(file)])),
  };
  return lost.length > 0 ? { lost } : held;
}

const readers = new Map<string, ReadBlob>();

async function readerOf(cache: string): Promise<ReadBlob> {
  const reader =
    readers.get(cache) ?? (await import('../store/lmdb/lmdb-store.ts')).openBlobs(cache);
  readers.set(cache, reader);
  return reader;
}

/** Inputs are views of memory that later tasks read too: what a stage wrote there would be their wrong input. */
function refuseWritten(what: string, blobs: readonly HeldBlob[]): void {
  if (blobs.every(({ bytes, digest }) => digestOf(bytes) === digest)) return;
  throw new StageError(
    `the stage wrote into its ${what}: copy what is to be changed (\`slice()\`)`,
  );
}

/** Names by code unit, as they stand in the key. */
const inOrder = <V>(named: Named<V>): readonly (readonly [name: string, value: V])[] =>
  Object.entries(named).sort(([a], [b]) => byCodeUnit(a, b));

function decodeInputs(stage: StageDeclaration, inputs: Named<HeldInput>): Record<string, unknown> {
  const decoded: Record<string, unknown> = {};
  for (const [port, given] of inOrder(inputs)) {
    // The module says how it takes a port: of files of the project, neither a key nor an archive does.
    const { codec, arity } = asPort(entryOf(stage.inputs, port));
    const decode = (bytes: Uint8Array): unknown => {
      try {
        return codec.decode(bytes);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        throw new CausedError(
          'inputs',
          `input ${port} does not hold what the stage expects: ${text}`,
        );
      }
    };
    const items = given.items.map(({ bytes, at, ...item }) => ({
      ...item,
      at: coordinatesAsNamed(item.task, at),
      value: decode(bytes),
    }));
    const missing = (given.missing ?? []).map(({ at, ...absent }) => ({
      ...canonical(absent),
      at: coordinatesAsNamed(absent.task, at),
    }));
    if (arity === 'partial') decoded[port] = { items, missing };
    else decoded[port] = arity === 'many' ? items : (items[0]?.value ?? null);
  }
  return decoded;
}

function encodeOutputs(stage: StageDeclaration, outputs: Named<unknown>): Named<Uint8Array> {
  if (typeof outputs !== 'object' || outputs === null) {
    throw new CausedError('outputs', 'the stage returned no outputs');
  }
  const extra = Object.keys(outputs).filter((name) => !Object.hasOwn(stage.outputs, name));
  if (extra.length > 0) {
    throw new CausedError('outputs', `the stage gave an undeclared output: ${extra.join(', ')}`);
  }
  const encoded: Record<string, Uint8Array> = {};
  for (const [name, codec] of Object.entries(stage.outputs) as [string, Codec<unknown>][]) {
    if (outputs[name] === undefined) {
      throw new CausedError('outputs', `the stage gave no output ${name}`);
    }
    encoded[name] = encodeOutput(name, codec, outputs[name]);
  }
  return encoded;
}

function encodeOutput(name: string, codec: Codec<unknown>, value: unknown): Uint8Array {
  try {
    const bytes = codec.encode(value);
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`${typeof value} is no Uint8Array`);
    return bytes;
  } catch (error) {
    const text = formatUnkept(value, error);
    throw new CausedError('outputs', `output ${name} cannot be kept as ${codec.kind}: ${text}`);
  }
}

/** Why a value cannot be encoded. One that goes on for ever, or nearly so, exhausts the stack. */
function formatUnkept(value: unknown, error: unknown): string {
  if (!(error instanceof RangeError && error.message.includes('call stack'))) {
    return error instanceof Error ? error.message : String(error);
  }
  const cycle = cycleIn(value);
  if (cycle === undefined) return 'it is nested too deeply: flatten it';
  return `${cycle.path} is ${cycle.whole} again: a value cannot contain itself`;
}

/** A place where a value contains itself, and the part that stands there again. */
function cycleIn(root: unknown): { readonly path: string; readonly whole: string } | undefined {
  const open = new Map<object, string>();
  // Each object is entered, and left when all that it holds has been looked at.
  const todo: { readonly value: unknown; readonly path: string; readonly leave?: boolean }[] = [
    { value: root, path: '$' },
  ];
  const done = new Set<object>();
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { value, path, leave } = next;
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
    if (leave) {
      open.delete(value);
      done.add(value);
      continue;
    }
    const above = open.get(value);
    if (above !== undefined) return { path: shortPath(path), whole: shortPath(above) };
    if (done.has(value)) continue;
    open.set(value, path);
    todo.push({ value, path, leave: true });
    for (const [name, part] of Object.entries(value)) {
      const step = Array.isArray(value) ? `[${name}]` : `.${name}`;
      todo.push({ value: part, path: path.length > PATH_LENGTH_MAX ? path : path + step });
    }
  }
  return undefined;
}

const PATH_LENGTH_MAX = 200;
const shortPath = (path: string): string =>
  path.length > PATH_LENGTH_MAX ? `${path.slice(0, PATH_LENGTH_MAX)}…` : path;

function throttledProgress(own: Voice): (done: number, of: number, note?: string) => void {
  let next = 0;
  return (done, of, note = '') => {
    const now = performance.now();
    if (now < next && done < of) return;
    next = now + PROGRESS_EVERY_MS;
    own.say({ say: 'progress', done, of, note: shortLine(note) });
  };
}

function checkpointOf(saved: Uint8Array | null, side: WorkerSide, own: Voice): Checkpoint {
  const { encode, decode } = tensors();
  const isRaised = (flag: number): boolean => Atomics.load(side.flags, flag) === 1;
  return {
    load: () => (saved ? decode(saved) : undefined),
    save(state) {
      Atomics.store(side.flags, CONTROL_FLAGS.checkpointDue, 0);
      own.say({ say: 'checkpoint', bytes: encode(state) });
      side.look?.();
      if (isRaised(CONTROL_FLAGS.stop)) throw new Stopped();
    },
    due() {
      side.look?.();
      return isRaised(CONTROL_FLAGS.checkpointDue) || isRaised(CONTROL_FLAGS.stop);
    },
  };
}
