// exact-json.ts — JSON of which nothing is lost when it is read: what a double, a map or a string cannot hold is an error
import { decodeUtf8, withoutBom } from './utf8.ts';

/** JSON that cannot be kept as it is, with line, column and path of what is wrong. */
export class ExactJsonError extends SyntaxError {
  override readonly name = 'ExactJsonError';
}

/** Deeper values would end the stack of who walks them. */
const DEPTH_MAX = 1000;
/** Integers of fewer digits are exact. */
const SAFE_DIGITS = 15;

/**
 * Parses JSON in UTF-8; a byte order mark before it is passed over. Numbers with a fraction or an exponent become the
 * nearest double, as everywhere; -0 becomes 0 when it is written again.
 * @throws ExactJsonError for what would be lost: an integer that a double cannot hold digit by digit, a number beyond
 * the range of doubles, a name that a map has twice, half of a surrogate pair. Also for NaN and whatever else is not
 * JSON, and what is nested too deeply.
 * @throws EncodingError for bytes that are not UTF-8
 */
export function parseExactJson(bytes: Uint8Array): unknown {
  const text = withoutBom(decodeUtf8(bytes));
  new Checker(text).check();
  return JSON.parse(text);
}

/** A map or a list that is open. */
interface Open {
  /** The names that a map has so far; null for a list. */
  readonly names: Set<string> | null;
  /** The name, or the index, of the value that comes. */
  step: string | number;
}

const CODE = { quote: 0x22, backslash: 0x5c, comma: 0x2c, colon: 0x3a, minus: 0x2d } as const;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y;
const WORD = /-?[A-Za-z_]\w*/y;
const LITERALS = new Set(['true', 'false', 'null']);
const NOT_FINITE = new Set(['NaN', 'Infinity', '-Infinity']);

/** Walks a text once, without recursion, and throws at the first thing that is wrong. */
class Checker {
  private readonly text: string;
  private readonly open: Open[] = [];
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  check(): void {
    do this.value();
    while (this.next());
    this.space();
    if (this.at < this.text.length) this.fail('there is more after the end of the value');
  }

  /** A value, or the beginning of a map or list that is not empty: its first value comes next. */
  private value(): void {
    for (;;) {
      this.space();
      const character = this.text[this.at];
      if (character === '{' || character === '[') {
        const isMap = character === '{';
        this.at += 1;
        this.space();
        if (this.text[this.at] === (isMap ? '}' : ']')) {
          this.at += 1;
          return;
        }
        if (this.open.length >= DEPTH_MAX) this.fail(`it is nested more than ${DEPTH_MAX} deep`);
        this.open.push({ names: isMap ? new Set() : null, step: isMap ? '' : 0 });
        if (isMap) this.name();
      } else {
        if (character === '"') this.string();
        else this.scalar();
        return;
      }
    }
  }

  /** After a value: whether another one follows. */
  private next(): boolean {
    for (let top = this.open.at(-1); top !== undefined; top = this.open.at(-1)) {
      this.space();
      const character = this.text[this.at];
      if (character === ',') {
        this.at += 1;
        if (top.names !== null) this.name();
        else top.step = Number(top.step) + 1;
        return true;
      }
      if (character !== (top.names ? '}' : ']')) {
        this.fail(`expected \`,\` or \`${top.names ? '}' : ']'}\``);
      }
      this.at += 1;
      this.open.pop();
    }
    return false;
  }

  /** The name of a field, and its colon. */
  private name(): void {
    const top = this.open[this.open.length - 1]!;
    this.space();
    if (this.text[this.at] !== '"') this.fail('expected a name in double quotes');
    const start = this.at;
    const isPlain = this.string();
    const raw = this.text.slice(start, this.at);
    const name = isPlain ? raw.slice(1, -1) : (JSON.parse(raw) as string);
    top.step = name;
    if (top.names?.has(name)) {
      this.fail(`the name ${raw} stands in this map twice: keep one of the two`, start);
    }
    top.names?.add(name);
    this.space();
    if (this.text.charCodeAt(this.at) !== CODE.colon) this.fail('expected `:`');
    this.at += 1;
  }

  /** @returns whether it has no escapes */
  private string(): boolean {
    const { text } = this;
    const start = this.at;
    let isPlain = true;
    /** Where a high surrogate stands that waits for its other half. */
    let half = -1;
    for (let at = start + 1; ; ) {
      const code = text.charCodeAt(at);
      if (half >= 0 && code !== CODE.backslash) this.fail(HALF_WORDS, half);
      if (code === CODE.quote) {
        this.at = at + 1;
        return isPlain;
      }
      if (Number.isNaN(code)) this.fail('this string is not closed', start);
      if (code < 0x20) this.fail('a control character in a string must be escaped', at);
      if (code !== CODE.backslash) {
        at += 1;
        continue;
      }
      isPlain = false;
      const unit = this.escape(at);
      const isLow = unit >= 0xdc00 && unit <= 0xdfff;
      if (half >= 0 !== isLow) this.fail(HALF_WORDS, half >= 0 ? half : at);
      half = unit >= 0xd800 && unit <= 0xdbff ? at : -1;
      at += unit < 0 ? 2 : 6;
    }
  }

  /** The code unit that a \u escape stands for; -1 for any other escape. */
  private escape(at: number): number {
    const kind = this.text[at + 1];
    if (kind === 'u') {
      const hex = this.text.slice(at + 2, at + 6);
      if (/^[\da-fA-F]{4}$/.test(hex)) return Number.parseInt(hex, 16);
    } else if (kind !== undefined && '"\\/bfnrt'.includes(kind)) return -1;
    return this.fail('this is not an escape of JSON', at);
  }

  private scalar(): void {
    const { text, at } = this;
    WORD.lastIndex = at;
    const word = WORD.exec(text)?.[0];
    if (word !== undefined) {
      if (LITERALS.has(word)) this.at += word.length;
      else this.fail(wordFault(word));
      return;
    }
    NUMBER.lastIndex = at;
    const match = NUMBER.exec(text);
    if (match === null) this.fail(at < text.length ? 'expected a value' : 'the text ends here');
    const [literal, fraction, exponent] = match as RegExpExecArray;
    const fault = numberFault(literal, fraction === undefined && exponent === undefined);
    if (fault !== undefined) this.fail(fault);
    this.at += literal.length;
    if (/[\w.+]/.test(text[this.at] ?? '')) this.fail('this is not a number of JSON', at);
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at += 1;
    }
  }

  private fail(what: string, offset = this.at): never {
    const before = this.text.slice(0, offset);
    const line = before.split('\n').length;
    const column = offset - (before.lastIndexOf('\n') + 1) + 1;
    const path = this.open.map(({ names, step }) =>
      names ? fieldPath(String(step)) : `[${step}]`,
    );
    throw new ExactJsonError(
      `line ${line}, column ${column} (${['$', ...path].join('')}): ${what}`,
    );
  }
}

const HALF_WORDS = 'half of a surrogate pair is no character: no UTF-8 can hold it';

const fieldPath = (name: string): string =>
  name === '' ? '' : /^[A-Za-z_][\w-]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;

function wordFault(word: string): string {
  if (NOT_FINITE.has(word)) {
    return (
      `JSON has no ${word}: write null or a text in its place ` +
      '(Python: json.dumps(…, allow_nan=False) finds where it comes from)'
    );
  }
  if (/^(True|False|None)$/.test(word)) {
    return `\`${word}\` is Python, not JSON: write the file with json.dump`;
  }
  return `\`${word.slice(0, 40)}\` is not JSON`;
}

/** What of a number would be lost. @param isInteger whether it has neither a fraction nor an exponent */
export function numberFault(literal: string, isInteger: boolean): string | undefined {
  if (isInteger) {
    if (literal.length <= SAFE_DIGITS || String(Number(literal)) === literal) return undefined;
    return `the integer ${literal.slice(0, 60)} is beyond 2^53 and would lose digits: write it as a text, in quotes`;
  }
  const value = Number(literal);
  if (!Number.isFinite(value)) return `${literal.slice(0, 60)} is beyond the range of doubles`;
  if (value === 0 && /[1-9]/.test(literal.replace(/[eE].*/, ''))) {
    return `${literal.slice(0, 60)} is smaller than every double and would become 0`;
  }
  return undefined;
}
