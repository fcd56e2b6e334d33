// imports.ts — the import statements of a Python source, and where the modules are named that it imports otherwise
import { elementAt } from '../../present.ts';
import type { Token, Tokens } from './tokens.ts';

/** What one import statement names. */
export interface ImportedName {
  /** How many dots begin it; 0 for an absolute import. */
  readonly level: number;
  /** The module, empty for `from . import x`. */
  readonly module: string;
  /** What `from … import` takes from it, `*` included. Absent for `import module`. */
  readonly names?: readonly string[];
  /** Where the statement begins. */
  readonly start: number;
  /** Whether it stands within a function, a condition or a `try`: the program may do without. */
  readonly isOptional?: true;
}

/** A way to import that no statement tells. */
export interface DynamicImport {
  /** What is called, such as `importlib.import_module`. */
  readonly how: string;
  readonly start: number;
  readonly end: number;
  /** The module, where it is written out. */
  readonly module?: string;
}

/** What a source imports. */
export interface Imports {
  readonly imports: readonly ImportedName[];
  readonly dynamic: readonly DynamicImport[];
  /** Folders that it adds to `sys.path`, where they are written out. */
  readonly path: readonly string[];
  /** The names in `__all__`, as far as they are written out: what `import *` takes. */
  readonly all: readonly string[];
}

/** Functions that import what they are told, or run text as code. */
const IMPORTERS = new Set([
  '__import__',
  'import_module',
  'run_path',
  'run_module',
  'spec_from_file_location',
  'spec_from_loader',
  'SourceFileLoader',
  'load_source',
  'load_module',
  'exec',
  'execfile',
]);
/** Those that are called by these names without a module before them alone. */
const BUILT_IN = new Set(['__import__', 'exec', 'execfile']);
const IN_STRINGS = /\b(__import__|import_module|run_path|run_module|exec)\s*\(/g;
const TYPING = new Set(['typing', 'typing_extensions']);

/** Finds what a source imports. */
export function importsOf(text: string, { tokens }: Pick<Tokens, 'tokens'>): Imports {
  return new ImportReader(text, tokens).read();
}

class ImportReader {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private readonly imports: ImportedName[] = [];
  private readonly dynamic: DynamicImport[] = [];
  private readonly path: string[] = [];
  private readonly all: string[] = [];
  private at = 0;
  private lineStart = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.text = text;
    this.tokens = tokens;
  }

  read(): Imports {
    const blocks = this.typeCheckingBlocks();
    for (; this.at < this.tokens.length; this.at++) {
      const token = elementAt(this.tokens, this.at);
      if (token.indent !== undefined) this.lineStart = this.at;
      if (token.kind === 'string' && token.isFormatted) this.lookInto(token);
      else if (token.kind === 'name') this.name(token);
    }
    const runs = ({ start }: { readonly start: number }): boolean =>
      !blocks.some((block) => start > block.start && start < block.end);
    const { imports, dynamic, path, all } = this;
    return { imports: imports.filter(runs), dynamic: dynamic.filter(runs), path, all };
  }

  /** The text of a token some places further; empty behind the last. */
  private peek(offset: number): string {
    const token = this.tokens[this.at + offset];
    return token === undefined ? '' : this.text.slice(token.start, token.end);
  }

  private kindAt(offset: number): Token['kind'] | undefined {
    return this.tokens[this.at + offset]?.kind;
  }

  private name(token: Token): void {
    const word = this.peek(0);
    if (word === 'import') this.importStatement(token.start);
    else if (word === 'from') this.fromStatement(token.start);
    else if (word === '__all__') this.allStatement();
    else if (word === 'sys') this.pathStatement(token);
    else if (IMPORTERS.has(word) && this.peek(1) === '(') this.call(token, word);
  }

  // ---- statements ----

  private importStatement(start: number): void {
    do {
      this.at += 1;
      const module = this.dotted();
      if (module !== '') this.add({ level: 0, module, start });
      if (this.peek(0) === 'as') this.at += 2;
    } while (this.peek(0) === ',');
    this.at -= 1;
  }

  /** `from … import …`; the other uses of `from` are followed by no `import` in their line. */
  private fromStatement(start: number): void {
    const before = this.at;
    let level = 0;
    for (this.at += 1; this.peek(0) === '.'; this.at++) level += 1;
    const module = this.peek(0) === 'import' ? '' : this.dotted();
    if (this.peek(0) !== 'import' || (level === 0 && module === '')) {
      this.at = before;
      return;
    }
    const names: string[] = [];
    const isEnclosed = this.peek(1) === '(';
    this.at += isEnclosed ? 1 : 0;
    do {
      this.at += 1;
      const name = this.peek(0);
      if (name === '*' || this.kindAt(0) === 'name') names.push(normal(name));
      else break;
      this.at += 1;
      if (this.peek(0) === 'as') this.at += 2;
    } while (this.peek(0) === ',');
    this.at -= this.peek(0) === ')' ? 0 : 1;
    this.add({ level, module, names, start });
  }

  /** A name with dots, or nothing. Afterwards it is behind us. */
  private dotted(): string {
    const steps: string[] = [];
    while (this.kindAt(0) === 'name' && !isKeyword(this.peek(0))) {
      steps.push(normal(this.peek(0)));
      this.at += 1;
      if (this.peek(0) !== '.') break;
      this.at += 1;
    }
    return steps.join('.');
  }

  private add(found: ImportedName): void {
    this.imports.push(this.isUnconditional() ? found : { ...found, isOptional: true });
  }

  /** Whether the statement at hand stands at the beginning of a line that is not indented, or behind such ones. */
  private isUnconditional(): boolean {
    const first = this.tokens[this.lineStart];
    if (first === undefined || first.indent !== 0) return false;
    const word = this.text.slice(first.start, first.end);
    return !BLOCKS.has(word);
  }

  /** `__all__ = ['a', 'b']`, also with `+=`, and `__all__.extend([…])`. */
  private allStatement(): void {
    for (let ahead = 1; ; ahead++) {
      const token = this.tokens[this.at + ahead];
      if (token === undefined || token.kind === 'newline') return;
      const value = token.kind === 'string' ? this.literal(token) : undefined;
      if (value !== undefined) this.all.push(value);
    }
  }

  // ---- imports that no statement tells ----

  private call(token: Token, word: string): void {
    const before = this.peek(-1);
    if (['def', 'class', 'import', ','].includes(before) && before !== ',') return;
    if (before === '.' && BUILT_IN.has(word)) return;
    const owner = before === '.' && this.kindAt(-2) === 'name' ? `${this.peek(-2)}.` : '';
    const first = this.tokens[this.at + 2];
    const value = first?.kind === 'string' ? this.literal(first) : undefined;
    const isWhole = value !== undefined && /^[),]$/.test(this.peek(3));
    const isModule = isWhole && !NOT_BY_NAME.has(word) && /^[\p{ID_Continue}.]+$/u.test(value);
    const module = isModule ? value : undefined;
    const { start, end } = token;
    this.dynamic.push({ how: `${owner}${word}`, start, end, ...(module && { module }) });
  }

  /** Expressions in an f-string are code, too. */
  private lookInto({ start, end }: Token): void {
    for (const found of this.text.slice(start, end).matchAll(IN_STRINGS)) {
      const at = start + found.index;
      this.dynamic.push({ how: found[1] ?? '', start: at, end: at + (found[1]?.length ?? 1) });
    }
  }

  /** `sys.path.append(…)`, `sys.path.insert(0, …)`, `sys.path = …`. */
  private pathStatement({ start }: Token): void {
    if (this.peek(1) !== '.' || this.peek(2) !== 'path') return;
    const how = this.peek(3) === '.' ? this.peek(4) : this.peek(3);
    const isCall = ['append', 'insert', 'extend'].includes(how) && this.peek(5) === '(';
    const isAssigned = how === '=' ? this.peek(4) !== '=' : how === '+' && this.peek(4) === '=';
    if (!isCall && !isAssigned) return;
    const offset = how === 'insert' && this.kindAt(6) === 'number' ? 8 : 6;
    const argument = this.tokens[this.at + offset];
    const value = argument?.kind === 'string' ? this.literal(argument) : undefined;
    const isLiteral = isCall && how !== 'extend' && this.peek(offset + 1) === ')';
    if (isLiteral && value !== undefined) this.path.push(value);
    else this.dynamic.push({ how: 'sys.path', start, end: start + 'sys.path'.length });
  }

  /** What a string says, where it says it without escapes; undefined for others. */
  private literal({ start, end, isFormatted }: Token): string | undefined {
    if (isFormatted) return undefined;
    return plainString(this.text.slice(start, end));
  }

  // ---- what is never run ----

  /** Blocks of `if TYPE_CHECKING:`, where the name means what `typing` means by it. */
  private typeCheckingBlocks(): readonly { readonly start: number; readonly end: number }[] {
    const words = this.tokens.map(({ start, end }) => this.text.slice(start, end));
    if (!words.includes('TYPE_CHECKING') || isTurnedOn(words)) return [];
    const blocks: { start: number; end: number }[] = [];
    for (const [index, token] of this.tokens.entries()) {
      if (token.indent === undefined || !['if', 'elif'].includes(words[index] ?? '')) continue;
      const name = words[index + 2] === '.' ? index + 3 : index + 1;
      if (words[name] !== 'TYPE_CHECKING' || words[name + 1] !== ':') continue;
      const rest = this.tokens.slice(name + 2);
      const isInline = rest[0]?.kind !== 'newline';
      const next = isInline
        ? rest.find(({ kind }) => kind === 'newline')
        : rest.find(({ indent }) => indent !== undefined && indent <= (token.indent ?? 0));
      blocks.push({ start: token.start, end: next?.start ?? this.text.length });
    }
    return blocks;
  }
}

/** Words that begin a line in which more follows after a colon. */
const BLOCKS = new Set(
  'if elif else for while try except finally with def class async match case'.split(' '),
);
/** Functions whose first argument is no module. */
const NOT_BY_NAME = new Set([
  'exec',
  'execfile',
  'run_path',
  'spec_from_file_location',
  'spec_from_loader',
  'SourceFileLoader',
  'load_source',
  'load_module',
]);

const isKeyword = (word: string): boolean => word === 'import' || word === 'as' || word === 'from';

/** Python compares names in this form. */
const normal = (name: string): string => name.normalize('NFKC');

/** Whether a source says what TYPE_CHECKING is, other than False: then its blocks may run. */
function isTurnedOn(words: readonly string[]): boolean {
  for (const [index, word] of words.entries()) {
    if (word !== 'TYPE_CHECKING') continue;
    const value = words.indexOf('=', index + 1);
    const isSet = value === index + 1 || (words[index + 1] === ':' && value === index + 3);
    if (isSet && words[value + 1] !== '=' && words[value + 1] !== 'False') return true;
    if (words[index - 1] === 'as' || isImportedFromElsewhere(words, index)) return true;
  }
  return false;
}

/** Whether a name in a list of `from … import` comes from a module that is not `typing`. */
function isImportedFromElsewhere(words: readonly string[], index: number): boolean {
  for (let at = index - 1; at >= 0; at--) {
    const word = words[at] ?? '';
    if (word === 'import') {
      const from = words.lastIndexOf('from', at);
      return !TYPING.has(words.slice(from + 1, at).join(''));
    }
    if (!/^[\p{ID_Continue},(]+$/u.test(word)) return false;
  }
  return false;
}

/** What a string literal says, where it says it without escapes. */
export function plainString(literal: string): string | undefined {
  const [, prefix = '', quotes = ''] = /^([a-zA-Z]*)('''|"""|'|")/.exec(literal) ?? [];
  const inner = literal.slice(prefix.length + quotes.length, -quotes.length || undefined);
  const isBytes = /b/i.test(prefix);
  return isBytes || inner.includes('\\') ? undefined : inner;
}
