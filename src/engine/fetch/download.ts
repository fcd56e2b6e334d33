// download.ts — bytes over HTTP: resumed where they broke off, bounded, and given up when nothing comes
import { PassThrough } from 'node:stream';
import pRetry, { AbortError } from 'p-retry';

/** How patient downloads are, and whom they tell. */
export interface Pace {
  /** Bytes so far, of how many: told at most about a hundred times a file. */
  readonly progress: (done: number, of: number, note: string) => void;
  readonly signal: AbortSignal;
  /** Pause before the first retry; it doubles from there. */
  readonly retryAfter_ms: number;
  /** A download that brings next to nothing for this long is given up and tried again. */
  readonly stall_ms: number;
}

/** What is downloaded. */
export interface Wanted {
  readonly url: string;
  /** What to call it. */
  readonly name: string;
  /** A download of more bytes is cut off. */
  readonly limit: number;
  /** The same for a server that does not say how many will come; `limit` unless told. */
  readonly unannouncedLimit?: number | undefined;
  /** A part of what lies there; the whole unless told. */
  readonly range?: Range | undefined;
}

/** How a download went. */
export interface Downloaded {
  /** The bytes come from more than one attempt. */
  readonly resumed: boolean;
  /** Of a part: the size of the whole, when the server says it. */
  readonly wholeSize: number | undefined;
}

/** Where the bytes of a download go, one chunk after another. */
export interface Sink {
  /** Bytes that it has. */
  readonly length: number;
  write(chunk: Uint8Array): void | Promise<void>;
  /** Forgets everything: the download begins anew. */
  reset(): void | Promise<void>;
}

/** A part of what lies at an address: bytes start .. end - 1. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A server that sends the whole where a part was asked for. */
export class NoRanges extends Error {
  override readonly name = 'NoRanges';
}

const RETRIES = 3;
/** An attempt that brought this much is not counted: a large file may take many. */
const PROGRESS_BYTES = 1_000_000;
/** Progress is told no more often than this. */
const TOLD_BYTES = 65_536;
/** A server that brings less before it counts as stalled, brings nothing. */
const STALL_BYTES = 16_384;

/** What is known of the file from one attempt to the next. */
interface State {
  /** What tells one version of the file from another; none when the server says nothing that does. */
  version: string | undefined;
  resumed: boolean;
  wholeSize: number | undefined;
}

/**
 * Downloads an address, or a part of what lies there, into a sink. An attempt that fails is followed
 * by others, which go on where it stopped when the server can do that.
 * @throws NoRanges when a part was asked for and the server does not serve parts.
 */
export async function download(wanted: Wanted, sink: Sink, pace: Pace): Promise<Downloaded> {
  const state: State = { version: undefined, resumed: false, wholeSize: undefined };
  let before = 0;
  await pRetry(
    () => {
      before = sink.length;
      return attempt(wanted, sink, pace, state);
    },
    {
      retries: RETRIES,
      minTimeout: pace.retryAfter_ms,
      factor: 2,
      signal: pace.signal,
      shouldConsumeRetry: () => sink.length < before + PROGRESS_BYTES,
    },
  );
  return state;
}

async function attempt(
  { url, name, limit: announcedLimit, unannouncedLimit, range }: Wanted,
  sink: Sink,
  pace: Pace,
  state: State,
): Promise<void> {
  const watch = stallWatch(pace.stall_ms);
  const signal = AbortSignal.any([watch.signal, pace.signal]);
  const tell = (of: number): void => pace.progress(sink.length, of, `fetching ${name}`);
  try {
    const headers = requestHeaders(sink.length, range, state);
    const response = await fetch(url, { signal, headers, redirect: 'follow' });
    const total = await begin(response, sink, range, state);
    const isUnannounced = total === 0 && unannouncedLimit !== undefined;
    const limit = isUnannounced ? unannouncedLimit : announcedLimit;
    const isCut = limit < announcedLimit;
    if (total > limit) {
      await response.body?.cancel();
      throw tooLarge(limit, { isCut });
    }
    const step = Math.max(TOLD_BYTES, total / 100);
    let next = 0;
    for await (const chunk of response.body ?? []) {
      watch.heard(chunk.length);
      if (sink.length + chunk.length > limit) throw tooLarge(limit, { isCut });
      watch.pause();
      await sink.write(chunk);
      watch.goOn();
      if (sink.length < next) continue;
      tell(Math.max(total, sink.length));
      next = sink.length + step;
    }
    if (sink.length < total && !response.headers.has('content-encoding')) {
      throw new Error(`cut short: ${sink.length} of ${total} bytes`);
    }
    tell(sink.length);
  } catch (error) {
    throw withCause(error);
  } finally {
    watch.end();
  }
}

const tooLarge = (limit: number, { isCut }: { readonly isCut: boolean }): Error =>
  new AbortError(
    isCut
      ? `more than ${limit} bytes, and neither the server nor the stage says how many there are: declare \`bytes\``
      : `more than ${limit} bytes, which it must not have`,
  );

/** Asks for what is missing, as it was: identity, since a range of other encodings means other bytes. */
function requestHeaders(
  have: number,
  range: Range | undefined,
  { version }: Readonly<State>,
): Record<string, string> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (have === 0 && range === undefined) return headers;
  const last = range === undefined ? '' : range.end - 1;
  headers.range = `bytes=${(range?.start ?? 0) + have}-${last}`;
  if (have > 0 && version !== undefined) headers['if-range'] = version;
  return headers;
}

/** Reads what the server is about to send, and gives the bytes that the sink will have then; 0 if it does not say. */
async function begin(
  response: Response,
  sink: Sink,
  range: Range | undefined,
  state: State,
): Promise<number> {
  const { status, headers } = response;
  if (!response.ok) {
    await response.body?.cancel();
    // The file has become shorter than what we have of it: begin anew.
    if (status === 416 && sink.length > 0) await sink.reset();
    const error = new Error(`HTTP ${status} ${response.statusText}`.trim());
    const passing = status >= 500 || status === 429 || status === 416;
    throw passing ? error : new AbortError(error);
  }
  const length = Number(headers.get('content-length') ?? 0);
  const version = versionOf(headers);
  const [, from, whole] =
    /^bytes (\d+)-\d+\/(\d+|\*)/.exec(headers.get('content-range') ?? '') ?? [];
  state.wholeSize = whole === undefined || whole === '*' ? undefined : Number(whole);
  const wanted = (range?.start ?? 0) + sink.length;
  if (status === 206) {
    const isSame = state.version === undefined || version === state.version;
    if (Number(from) !== wanted || (sink.length > 0 && !isSame)) {
      await response.body?.cancel();
      await sink.reset();
      state.version = undefined;
      throw new Error('the server sent another part than was asked for');
    }
    if (sink.length > 0) state.resumed = true;
  } else {
    if (range !== undefined) {
      await response.body?.cancel();
      throw new AbortError(new NoRanges('the server does not serve parts of a file'));
    }
    if (sink.length > 0) await sink.reset();
    state.resumed = false;
  }
  state.version = version;
  return length === 0 ? 0 : sink.length + length;
}

/** A strong validator: a weak one may stand for other bytes. */
function versionOf(headers: Headers): string | undefined {
  const tag = headers.get('etag');
  if (tag !== null && !tag.startsWith('W/')) return tag;
  return headers.get('last-modified') ?? undefined;
}

/** A signal that fires when next to nothing has been heard for a while. */
function stallWatch(stall_ms: number) {
  const stall = new AbortController();
  const giveUp = (): void => stall.abort(new Error('the server stalled'));
  let [bytes, deadline, left] = [0, 0, 0];
  let timer: NodeJS.Timeout | undefined;
  const wait = (ms: number): void => {
    clearTimeout(timer);
    deadline = performance.now() + ms;
    timer = setTimeout(giveUp, ms);
  };
  wait(stall_ms);
  return {
    signal: stall.signal,
    heard(more: number): void {
      bytes += more;
      if (bytes < STALL_BYTES) return;
      bytes = 0;
      wait(stall_ms);
    },
    /** Time passes that is not the server's. */
    pause(): void {
      clearTimeout(timer);
      left = deadline - performance.now();
    },
    goOn: () => wait(Math.max(1, left)),
    end: () => clearTimeout(timer),
  };
}

function memorySink(): Sink & { bytes(): Buffer } {
  let chunks: Uint8Array[] = [];
  let length = 0;
  return {
    get length() {
      return length;
    },
    write(chunk) {
      chunks.push(chunk);
      length += chunk.length;
    },
    reset() {
      chunks = [];
      length = 0;
    },
    bytes: () => Buffer.concat(chunks),
  };
}

/** What a download goes into that is taken piece by piece. */
export interface StreamSink<T> extends Sink {
  /** There is no more: gives what was made of it. */
  end(): Promise<T>;
  /** There will be no more. */
  abort(error: unknown): Promise<void>;
}

/**
 * A sink that passes on what comes, and waits while that is not taken.
 * @param take is called anew whenever the download begins anew; what it throws ends the download
 */
export function streamSink<T>(
  take: (content: AsyncIterable<Uint8Array>) => Promise<T>,
): StreamSink<T> {
  let length = 0;
  let failure: { readonly error: unknown } | undefined;
  const begin = (): { channel: PassThrough; taken: Promise<T> } => {
    const channel = new PassThrough();
    const taken = take(channel);
    taken.catch((error: unknown) => {
      if (current.channel === channel) failure = { error };
      channel.destroy();
    });
    // Whoever takes it hears of its errors.
    channel.on('error', () => undefined);
    return { channel, taken };
  };
  const abort = async (error: unknown): Promise<void> => {
    current.channel.destroy(error instanceof Error ? error : new Error(String(error)));
    await current.taken.catch(() => undefined);
  };
  let current = begin();
  return {
    get length() {
      return length;
    },
    async write(chunk) {
      length += chunk.length;
      const { channel } = current;
      if (!failure && !channel.write(chunk) && !channel.destroyed) await drained(channel);
      if (failure) throw ended(failure.error);
    },
    async reset() {
      await abort(new Error('the download begins anew'));
      [length, failure] = [0, undefined];
      current = begin();
    },
    async end() {
      current.channel.end();
      return await current.taken;
    },
    abort,
  };
}

/** An error that ends a download for good. */
const ended = (error: unknown): Error =>
  new AbortError(error instanceof Error ? error : String(error));

const drained = (channel: PassThrough): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      channel.off('drain', done).off('close', done);
      resolve();
    };
    channel.on('drain', done).on('close', done);
  });

/** A download that is kept in memory. */
export async function downloadBytes(
  wanted: Wanted,
  pace: Pace,
): Promise<Downloaded & { readonly bytes: Buffer }> {
  const sink = memorySink();
  const { resumed, wholeSize } = await download(wanted, sink, pace);
  return { resumed, wholeSize, bytes: sink.bytes() };
}

/** `fetch failed` says little: its cause says what happened. */
function withCause(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const cause = error.cause;
  // p-retry takes a TypeError for a bug and would not try again.
  if (error instanceof TypeError) {
    const text = cause instanceof Error ? cause.message || (cause as { code?: string }).code : '';
    return new Error(text ? `${error.message} (${text})` : error.message);
  }
  return error;
}
