// jsonc.ts — JSON with comments and trailing commas, as tsconfig.json has them; keys keep their order

/** A parsed value. An object is a list of entries: the order of keys decides in package.json, and the first of two wins. */
export type JsonTree =
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, JsonTree])[] }
  | { readonly kind: 'array'; readonly items: readonly JsonTree[] }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number' }
  | { readonly kind: 'null' };

/** Deeper nesting than this is refused. */
const DEPTH_MAX = 500;

const SPACE = /(?:[\s\uFEFF]+|\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/)*/y;
const STRING = /"(?:[^"\\\n\r]|\\[^\n\r])*"|'(?:[^'\\\n\r]|\\[^\n\r])*'/y;
const NUMBER = /-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y;
const WORDS: readonly (readonly [string, JsonTree])[] = [
  ['true', { kind: 'boolean', value: true }],
  ['false', { kind: 'boolean', value: false }],
  ['null', { kind: 'null' }],
];

/** @returns undefined when the text is not JSON */
export function parseJsonc(text: string): JsonTree | undefined {
  const parser = new Parser(text);
  try {
    return parser.all();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

class Parser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  all(): JsonTree {
    const tree = this.value(0);
    this.take(SPACE);
    if (this.at < this.text.length) throw new SyntaxError();
    return tree;
  }

  private value(depth: number): JsonTree {
    if (depth > DEPTH_MAX) throw new SyntaxError();
    this.take(SPACE);
    const first = this.text[this.at];
    if (first === '{') return { kind: 'object', entries: this.list('}', () => this.entry(depth)) };
    if (first === '[') return { kind: 'array', items: this.list(']', () => this.value(depth + 1)) };
    if (first === '"' || first === "'") return { kind: 'string', text: this.string() };
    for (const [word, tree] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return tree;
    }
    if (!this.take(NUMBER)) throw new SyntaxError();
    return { kind: 'number' };
  }

  private entry(depth: number): readonly [string, JsonTree] {
    this.take(SPACE);
    const key = this.string();
    this.take(SPACE);
    if (this.text[this.at] !== ':') throw new SyntaxError();
    this.at += 1;
    return [key, this.value(depth + 1)];
  }

  private list<T>(end: string, item: () => T): readonly T[] {
    this.at += 1;
    const items: T[] = [];
    for (;;) {
      this.take(SPACE);
      if (this.text[this.at] === end) break;
      items.push(item());
      this.take(SPACE);
      if (this.text[this.at] === ',') this.at += 1;
      else if (this.text[this.at] !== end) throw new SyntaxError();
    }
    this.at += 1;
    return items;
  }

  private string(): string {
    const found = this.take(STRING);
    if (!found) throw new SyntaxError();
    const inside = found.slice(1, -1);
    if (!inside.includes('\\') && found.startsWith('"')) return inside;
    return JSON.parse(`"${inside.replace(/\\'/g, "'").replace(/(^|[^\\])"/g, '$1\\"')}"`) as string;
  }

  /** Moves over what fits here. */
  private take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }
}

/** The value of a key, of the first where there are two. */
export function property(tree: JsonTree | undefined, name: string): JsonTree | undefined {
  if (tree?.kind !== 'object') return undefined;
  return tree.entries.find(([key]) => key === name)?.[1];
}

/** The text of a key that has text. */
export function textOf(tree: JsonTree | undefined, name: string): string | undefined {
  const found = property(tree, name);
  return found?.kind === 'string' ? found.text : undefined;
}
