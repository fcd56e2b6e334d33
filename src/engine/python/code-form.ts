// code-form.ts — what of a Python source is code: the text without what no program can see
import type { Span, Tokens } from './tokens.ts';

/** A source as Python reads it. */
export interface SourceText {
  /** With `\n` at the end of each line. */
  readonly text: string;
  /** Whether what Python makes of the bytes is this text, whatever its version. */
  readonly isPlain: boolean;
}

/** A comment that tells the encoding of a source: in one of the first two lines (PEP 263). */
const CODING = /^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)/;
const UTF8 = /^utf[-_]?8(?:[-_]sig)?$/i;
/** Comments that type checkers read, and programs by `ast` and `typing`. */
const TYPE_COMMENT = /^#[ \t]*type[ \t]*:/;
const BLANK = /^[ \t\f]*$/;
const TRAILING = /[ \t\f]+$/;

/** Decodes a source. */
export function sourceText(bytes: Uint8Array): SourceText {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { text: new TextDecoder('latin1').decode(bytes), isPlain: false };
  }
  const lines = text.replaceAll('\r\n', '\n');
  const coding = lines.split('\n', 2).flatMap((line) => CODING.exec(line)?.[1] ?? []);
  const isPlain =
    !lines.includes('\r') && !lines.includes('\0') && coding.every((name) => UTF8.test(name));
  return { text: lines, isPlain };
}

/**
 * The source without empty lines, blanks at the ends of lines, and comments that are nothing but comments. Python compiles
 * it to the same program, but for the numbers of lines. What stays of comments: the first line of a script (`#!`), the
 * encoding, and types.
 */
export function codeForm(text: string, { comments, strings }: Tokens): string {
  const inStrings = spanFinder(strings);
  const commentAt = new Map(comments.map((comment) => [comment.end, comment]));
  const kept: string[] = [];
  let start = 0;
  let isContinued = false;
  let startsInString = false;
  for (let number = 1; start < text.length; number++) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const comment = commentAt.get(end);
    const isKept = comment === undefined || isMeant(text, comment, { start, number });
    const whole = text.slice(start, isKept ? end : comment.start);
    const endsInString = inStrings(end);
    const line = endsInString ? whole : whole.replace(TRAILING, '');
    // An empty line ends a line that a backslash would go on with, so that it means something there.
    if (startsInString || isContinued || !BLANK.test(line)) kept.push(line);
    isContinued = !endsInString && comment === undefined && line.endsWith('\\');
    startsInString = endsInString;
    start = end + 1;
  }
  return kept.map((line) => `${line}\n`).join('');
}

/** Whether a comment says something to Python or to programs. */
function isMeant(
  text: string,
  { start, end }: Span,
  line: { readonly start: number; readonly number: number },
): boolean {
  const comment = text.slice(start, end);
  if (TYPE_COMMENT.test(comment)) return true;
  if (line.number === 1 && start === 0 && comment.startsWith('#!')) return true;
  return line.number <= 2 && CODING.test(text.slice(line.start, end));
}

/** Tells whether a place is within one of some spans, which are in order. Places are asked for in order. */
function spanFinder(spans: readonly Span[]): (at: number) => boolean {
  let index = 0;
  return (at) => {
    for (; index < spans.length; index++) {
      const span = spans[index];
      if (span === undefined || at < span.end) return span !== undefined && at > span.start;
    }
    return false;
  };
}
