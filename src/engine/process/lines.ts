// lines.ts — what a program prints, as lines: in linear time and bounded memory, whatever it prints

import { elementAt } from '../../present.ts';

/** Who hears the lines. */
export interface LineListener {
  /** A line, without its end. One that was overwritten by way of `\r` comes as its last state. */
  line(text: string): void;
  /** A state of a line that is going to be overwritten: a progress bar. Told now and then. */
  state?(text: string): void;
}

/** Takes what comes, in chunks of any size. */
export interface LineReader {
  /** Text is taken as UTF-8. */
  push(chunk: Uint8Array | string): void;
  /** Says what there is of a last line that has no end. */
  flush(): void;
}

/** Of a line, so many bytes are kept; the rest is counted. */
const LINE_BYTES_MAX = 4000;
/** States of a line are told no more often than this. */
const STATE_EVERY_MS = 100;
const [NEWLINE, RETURN] = [10, 13];

/**
 * Splits bytes into lines. `\n` and `\r\n` end a line; a `\r` before other text takes it back to its beginning.
 * @param bytesMax of a line that are kept
 */
export function lineReader(
  { line, state }: LineListener,
  bytesMax: number = LINE_BYTES_MAX,
): LineReader {
  let current = new Kept(bytesMax);
  /** What the line held before its last `\r`. */
  let before = new Kept(bytesMax);
  /** The last byte was `\r`: what follows tells what it means. */
  let returned = false;
  let next_ms = 0;
  const overwrite = (): void => {
    returned = false;
    if (current.isEmpty) return;
    const now = performance.now();
    if (state && now >= next_ms) {
      next_ms = now + STATE_EVERY_MS;
      state(current.text());
    }
    [before, current] = [current, before];
    current.clear();
  };
  const end = (): void => {
    line((current.isEmpty ? before : current).text());
    current.clear();
    before.clear();
    returned = false;
  };
  /** The place of a byte from `from` on, or the end. Kept until it is passed, so that each byte is looked at once. */
  const finder = (chunk: Uint8Array, byte: number): ((from: number) => number) => {
    let at = -1;
    return (from) => {
      if (at >= from) return at;
      const found = chunk.indexOf(byte, from);
      at = found < 0 ? chunk.length : found;
      return at;
    };
  };
  return {
    push(given) {
      const chunk = typeof given === 'string' ? Buffer.from(given) : given;
      const [newlineFrom, returnFrom] = [finder(chunk, NEWLINE), finder(chunk, RETURN)];
      for (let at = 0; at < chunk.length; ) {
        if (returned && chunk[at] !== NEWLINE && chunk[at] !== RETURN) overwrite();
        const stop = Math.min(newlineFrom(at), returnFrom(at));
        current.add(chunk.subarray(at, stop));
        if (chunk[stop] === NEWLINE) end();
        else if (stop < chunk.length) returned = true;
        at = stop + 1;
      }
    },
    flush() {
      if (!current.isEmpty || !before.isEmpty) end();
    },
  };
}

/** The beginning of a line, and how much more there was. */
class Kept {
  private readonly bytes: Buffer;
  private length = 0;
  private dropped = 0;

  constructor(bytesMax: number) {
    this.bytes = Buffer.allocUnsafe(bytesMax);
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  add(part: Uint8Array): void {
    const fits = part.subarray(0, this.bytes.length - this.length);
    this.bytes.set(fits, this.length);
    this.length += fits.length;
    this.dropped += part.length - fits.length;
  }

  /** Counts bytes that are not kept. */
  drop(bytes: number): void {
    this.dropped += bytes;
  }

  clear(): void {
    this.length = 0;
    this.dropped = 0;
  }

  text(): string {
    if (this.dropped === 0) return textOf(this.bytes.subarray(0, this.length));
    const whole = wholeLength(this.bytes.subarray(0, this.length));
    const more = this.dropped + this.length - whole;
    return `${textOf(this.bytes.subarray(0, whole))}… (${more} more bytes)`;
  }
}

/** A line that came as text, cut as others are. */
export function shortLine(text: string): string {
  if (text.length <= LINE_BYTES_MAX) return text;
  const kept = new Kept(LINE_BYTES_MAX);
  kept.add(Buffer.from(text));
  return kept.text();
}

/** How far something is; `of` is 0 where that is not known. */
export interface Progress {
  readonly done: number;
  readonly of: number;
  readonly note: string;
}

/** A progress bar as progress: by its percentage, else by `3/10`. */
export function progressOf(state: string): Progress {
  const percent = Number(/(\d{1,3}(?:\.\d+)?) ?%/.exec(state)?.[1]);
  const note = state.trim();
  if (percent <= 100) return { done: percent, of: 100, note };
  return { ...(shareIn(COUNTED.exec(state)) ?? { done: 0, of: 0 }), note };
}

/** A line that begins with how far the program is, such as `Epoch 3/10`; undefined for any other. */
export function progressInLine(line: string): Progress | undefined {
  const share = shareIn(COUNTED_FIRST.exec(line));
  return share && { ...share, note: line.trim() };
}

/** `3/10`, which is no date, path or version. */
const COUNTED = /(?<![\w/.])(\d{1,9}) ?\/ ?(\d{1,9})(?![\w/.])/;
const COUNTED_FIRST =
  /^\W{0,3}(?:(?:epoch|step|iter|iteration|batch|fold|round|trial)\W{1,3})?(\d{1,9}) ?(?:\/| of ) ?(\d{1,9})(?![\w/.])/i;

function shareIn(match: RegExpExecArray | null): { done: number; of: number } | undefined {
  const [done, of] = [Number(match?.[1]), Number(match?.[2])];
  return of > 0 && done <= of ? { done, of } : undefined;
}

/** How much of some bytes is left when a character that the end cuts in two goes. */
function wholeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = elementAt(bytes, bytes.length - back);
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const wants = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return wants > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as text. What is not UTF-8 stands as `\xff`: nothing is taken for what it is not. */
function textOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return lenient(bytes);
  }
}

function lenient(bytes: Uint8Array): string {
  let text = '';
  let from = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += `${strict.decode(bytes.subarray(from, at))}\\x${elementAt(bytes, at).toString(16)}`;
    at += 1;
    from = at;
  }
  return text + strict.decode(bytes.subarray(from));
}

/** Length of the UTF-8 sequence at a place; 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = elementAt(bytes, at);
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}
