// tokens.ts — Python source taken apart: words, texts, comments, and where logical lines begin

/** A piece of a Python source. Operators are single characters. */
export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'operator' | 'newline';
  readonly start: number;
  readonly end: number;
  /** Of a string: whether it is an f-string or a t-string, which holds expressions. */
  readonly isFormatted?: boolean;
  /** For the first token of a logical line: how far it is indented. */
  readonly indent?: number;
}

/** A piece of the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A source taken apart. */
export interface Tokens {
  readonly tokens: readonly Token[];
  readonly comments: readonly Span[];
  /** Strings that span lines, in order: what looks like a comment or an empty line in them is text. */
  readonly strings: readonly Span[];
  /**
   * Whether every version of Python takes the source apart like this. Where it is false, the source has a mistake, or
   * f-strings that only some versions read, or something that is not repeated here.
   */
  readonly isCertain: boolean;
}

const NAME = /[\p{ID_Start}_][\p{ID_Continue}]*/uy;
const NUMBER = /(?:\d|\.\d)[\w.]*/y;
/** What may stand before the quotes of a string. */
const STRING_PREFIX = /^(?:[rbuft]|br|rb|fr|rf|tr|rt)$/i;
const CLOSING = new Map([
  [')', '('],
  [']', '['],
  ['}', '{'],
]);
/** Columns between tab stops. */
const TAB = 8;

/** Takes a source apart, as far as possible. Its lines must end with `\n`. */
export function tokensOf(text: string): Tokens {
  return new Lexer(text).read();
}

class Lexer {
  private readonly text: string;
  private readonly tokens: Token[] = [];
  private readonly comments: Span[] = [];
  private readonly strings: Span[] = [];
  private readonly open: string[] = [];
  private at = 0;
  private isCertain = true;
  private indent: number | undefined = 0;

  constructor(text: string) {
    this.text = text;
  }

  read(): Tokens {
    this.beginLine();
    while (this.at < this.text.length) this.step();
    if (this.open.length > 0) this.isCertain = false;
    const { tokens, comments, strings, isCertain } = this;
    return { tokens, comments, strings, isCertain };
  }

  /** At the beginning of a line outside of strings: how far it is indented. */
  private beginLine(): void {
    let column = 0;
    for (; this.at < this.text.length; this.at++) {
      const char = this.text[this.at];
      if (char === ' ') column += 1;
      else if (char === '\t') column = (Math.floor(column / TAB) + 1) * TAB;
      else if (char === '\f') column = 0;
      else break;
    }
    this.indent = column;
  }

  private step(): void {
    const { text, at } = this;
    const char = text.charAt(at);
    if (char === ' ' || char === '\t' || char === '\f') this.at += 1;
    else if (char === '\n') this.endLine();
    else if (char === '#') this.comment();
    else if (char === '\\') this.continuation();
    else if (char === '"' || char === "'") this.string(at, '');
    else if (this.matches(NUMBER)) this.push('number', at, NUMBER.lastIndex);
    else if (this.matches(NAME)) this.word(at, NAME.lastIndex);
    else this.operator(char);
  }

  private matches(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    return pattern.test(this.text);
  }

  private push(kind: Token['kind'], start: number, end: number, isFormatted?: boolean): void {
    const { indent } = this;
    this.tokens.push({
      ...{ kind, start, end },
      ...(isFormatted && { isFormatted }),
      ...(indent !== undefined && { indent }),
    });
    this.indent = undefined;
    this.at = end;
  }

  private endLine(): void {
    const last = this.tokens.at(-1);
    this.at += 1;
    if (this.open.length > 0) return;
    // An empty line ends nothing.
    if (last !== undefined && last.kind !== 'newline') this.push('newline', this.at - 1, this.at);
    this.beginLine();
  }

  private comment(): void {
    const newline = this.text.indexOf('\n', this.at);
    const end = newline < 0 ? this.text.length : newline;
    this.comments.push({ start: this.at, end });
    this.at = end;
  }

  /** A backslash joins two lines. Anywhere else it is a mistake. */
  private continuation(): void {
    if (this.text[this.at + 1] !== '\n') this.isCertain = false;
    this.at += 2;
  }

  private word(start: number, end: number): void {
    const quote = this.text[end];
    const word = this.text.slice(start, end);
    const isPrefix = (quote === '"' || quote === "'") && STRING_PREFIX.test(word);
    if (isPrefix) this.string(end, word.toLowerCase());
    else this.push('name', start, end);
  }

  private operator(char: string): void {
    const opening = CLOSING.get(char);
    if ('([{'.includes(char)) this.open.push(char);
    else if (opening !== undefined && this.open.pop() !== opening) this.isCertain = false;
    // Control characters, and what begins no name.
    else if (!/^[!-~]$/.test(char) || char === '$' || char === '?') this.isCertain = false;
    this.push('operator', this.at, this.at + 1);
  }

  /** @param quotes where its quotes begin @param prefix in lower case */
  private string(quotes: number, prefix: string): void {
    const start = quotes - prefix.length;
    const isFormatted = /[ft]/.test(prefix);
    const plain = endOfString(this.text, quotes);
    const formatted = isFormatted ? endOfFormatted(this.text, quotes, prefix.includes('r')) : plain;
    // Until Python 3.11 an f-string ended where any string would; since then quotes within its expressions count.
    if (plain === undefined || formatted !== plain) this.isCertain = false;
    const newline = this.text.indexOf('\n', quotes);
    const end = formatted ?? plain ?? (newline < 0 ? this.text.length : newline);
    this.strings.push({ start, end });
    this.push('string', start, end, isFormatted);
  }
}

/** The quotes that begin at a place: one of them, or three. */
function quotesAt(text: string, at: number): string {
  const quote = text.charAt(at);
  return text.startsWith(quote.repeat(3), at) ? quote.repeat(3) : quote;
}

/** Where a string ends whose quotes begin here; undefined when it does not. */
function endOfString(text: string, at: number): number | undefined {
  const quotes = quotesAt(text, at);
  for (let i = at + quotes.length; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i += 1;
    else if (char === '\n' && quotes.length === 1) return undefined;
    else if (text.startsWith(quotes, i)) return i + quotes.length;
  }
  return undefined;
}

/** So deep may f-strings lie within each other. */
const DEPTH_MAX = 100;

/** Where an f-string ends by the rules of Python 3.12, in which its expressions may hold strings with any quotes. */
function endOfFormatted(text: string, at: number, isRaw: boolean, depth = 0): number | undefined {
  if (depth > DEPTH_MAX) return undefined;
  const quotes = quotesAt(text, at);
  let i = at + quotes.length;
  while (i < text.length) {
    const char = text[i];
    if (text.startsWith(quotes, i)) return i + quotes.length;
    if (char === '\n' && quotes.length === 1) return undefined;
    if (char === '\\') {
      const next = text[i + 1];
      const isNamed = !isRaw && next === 'N' && text[i + 2] === '{';
      if (isNamed) i = after(text.indexOf('}', i));
      else i += next === '{' || next === '}' ? 1 : 2;
    } else if (char === '{' && text[i + 1] !== '{') {
      const end = endOfField(text, i + 1, { quotes, isRaw, depth });
      if (end === undefined) return undefined;
      i = end;
    } else i += char === '{' || (char === '}' && text[i + 1] === '}') ? 2 : 1;
    if (i <= 0) return undefined;
  }
  return undefined;
}

const after = (index: number): number => (index < 0 ? 0 : index + 1);

/** The string in which a replacement field stands. */
interface FieldPlace {
  readonly quotes: string;
  readonly isRaw: boolean;
  readonly depth: number;
}

/** Where a replacement field ends, its brace included. @param at behind its opening brace */
function endOfField(text: string, at: number, place: FieldPlace): number | undefined {
  if (place.depth > DEPTH_MAX) return undefined;
  let brackets = 0;
  let i = at;
  while (i < text.length) {
    const char = text.charAt(i);
    if (char === '"' || char === "'") {
      const prefix = /[a-z]*$/i.exec(text.slice(Math.max(at, i - 2), i))?.[0].toLowerCase() ?? '';
      const isFormatted = STRING_PREFIX.test(prefix) && /[ft]/.test(prefix);
      const end = isFormatted
        ? endOfFormatted(text, i, prefix.includes('r'), place.depth + 1)
        : endOfString(text, i);
      if (end === undefined) return undefined;
      i = end;
      continue;
    }
    if (char === '#') i = text.indexOf('\n', i);
    else if ('([{'.includes(char)) brackets += 1;
    else if (brackets > 0 && CLOSING.has(char)) brackets -= 1;
    else if (char === '}') return i + 1;
    else if (char === ':' && brackets === 0) return endOfFormat(text, i + 1, place);
    if (i < 0) return undefined;
    i += 1;
  }
  return undefined;
}

/** Where a field ends that has a format, in which fields may stand in turn. @param at behind the colon */
function endOfFormat(text: string, at: number, place: FieldPlace): number | undefined {
  let i = at;
  while (i < text.length) {
    const char = text[i];
    if (char === '}') return i + 1;
    if (text.startsWith(place.quotes, i)) return undefined;
    if (char === '\n' && place.quotes.length === 1) return undefined;
    if (char === '{') {
      const end = endOfField(text, i + 1, { ...place, depth: place.depth + 1 });
      if (end === undefined) return undefined;
      i = end;
    } else i += 1;
  }
  return undefined;
}
