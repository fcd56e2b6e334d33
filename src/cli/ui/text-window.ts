// text-window.ts — the beginning and end of a long text for a page, or the lines that match a search, read piece by piece
import type { FoundLine } from '../../ui/forms.ts';

/** What is shown of a text of any size. */
export interface TextWindow {
  readonly head: string;
  /** Empty where `head` is all of it. */
  readonly tail: string;
  /** Bytes between both. */
  readonly between: number;
  readonly lines: number;
  readonly found?: readonly FoundLine[];
  /** How many lines more hold the words. */
  readonly moreFound?: number;
}

const HEAD_BYTES = 100_000;
const TAIL_BYTES = 100_000;
const FOUND_MAX = 500;
const LINE_LENGTH_MAX = 400;
/** A line that is longer is looked through in parts. */
const LINE_BYTES_MAX = 2 ** 20;
const NEWLINE = 10;

/** @param words what lines must hold to be found, in any case; none are looked for without */
export async function textWindow(
  pieces: AsyncIterable<Uint8Array>,
  words: string | undefined,
): Promise<TextWindow> {
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail: Buffer = Buffer.alloc(0);
  let bytes = 0;
  let newlines = 0;
  let last = NEWLINE;
  const search = words === undefined ? undefined : new LineSearch(words);
  for await (const piece of pieces) {
    const buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (headBytes < HEAD_BYTES) {
      const part = Buffer.from(buffer.subarray(0, HEAD_BYTES - headBytes));
      head.push(part);
      headBytes += part.length;
    }
    const from = Math.max(0, HEAD_BYTES - bytes);
    const rest = buffer.subarray(Math.min(from, buffer.length));
    if (rest.length > 0) tail = Buffer.concat([tail, rest]).subarray(-TAIL_BYTES);
    bytes += buffer.length;
    newlines += countOf(buffer);
    last = buffer.at(-1) ?? last;
    search?.take(buffer);
  }
  const isCut = bytes > headBytes + tail.length;
  // It begins in the middle of a line, or of a character.
  const end = isCut ? afterNewline(tail) : tail;
  return {
    head: Buffer.concat(head).toString('utf8'),
    tail: end.toString('utf8'),
    between: bytes - headBytes - end.length,
    lines: newlines + (last === NEWLINE ? 0 : 1),
    ...search?.end(),
  };
}

function countOf(buffer: Buffer): number {
  let count = 0;
  for (let at = buffer.indexOf(NEWLINE); at >= 0; at = buffer.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

function afterNewline(buffer: Buffer): Buffer {
  const at = buffer.indexOf(NEWLINE);
  return at < 0 ? buffer : buffer.subarray(at + 1);
}

/** Finds lines; memory is bounded whatever their number and length. */
class LineSearch {
  private readonly words: string;
  private readonly found: FoundLine[] = [];
  private more = 0;
  private rest: Buffer = Buffer.alloc(0);
  /** Lines before `rest`. */
  private before = 0;

  constructor(words: string) {
    this.words = words.toLowerCase();
  }

  take(piece: Buffer): void {
    const whole = Buffer.concat([this.rest, piece]);
    const end = whole.lastIndexOf(NEWLINE) + 1;
    this.look(whole.subarray(0, end));
    const rest = whole.subarray(end);
    if (rest.length > LINE_BYTES_MAX) {
      this.look(rest);
      this.rest = Buffer.alloc(0);
    } else this.rest = rest;
  }

  end(): { readonly found: readonly FoundLine[]; readonly moreFound: number } {
    this.look(this.rest);
    return { found: this.found, moreFound: this.more };
  }

  private look(lines: Buffer): void {
    const whole = lines.toString('utf8');
    const lower = whole.toLowerCase();
    // Of a few letters the small form is longer.
    const text = lower.length === whole.length ? whole : lower;
    let counted = 0;
    let number = this.before;
    for (let at = lower.indexOf(this.words); at >= 0; ) {
      const begin = lower.lastIndexOf('\n', at) + 1;
      const newline = lower.indexOf('\n', at);
      const end = newline < 0 ? lower.length : newline;
      if (this.found.length < FOUND_MAX) {
        number += newlinesIn(lower, counted, begin);
        counted = begin;
        this.found.push({
          number,
          text: text.slice(begin, Math.min(end, begin + LINE_LENGTH_MAX)),
        });
      } else this.more += 1;
      at = end < lower.length ? lower.indexOf(this.words, end) : -1;
    }
    this.before += countOf(lines);
  }
}

function newlinesIn(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
    count += 1;
  }
  return count;
}
