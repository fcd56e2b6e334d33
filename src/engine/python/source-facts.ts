// source-facts.ts — facts about a Python source: its code, its imports, whether it reads sources itself
import { type Digest, digestOf } from '../model/key.ts';
import { codeForm, sourceText } from './code-form.ts';
import { type DynamicImport, type ImportedName, importsOf, plainString } from './imports.ts';
import { type Token, tokensOf } from './tokens.ts';

/** The form of the facts: files that hold others are not read. */
export const FACTS_FORM = 'python-facts/1';

/** Facts about a source. They follow from its bytes alone. */
export interface SourceFacts {
  /** Of its code: of its bytes, where a comment may mean something to the program. */
  readonly code: Digest;
  /** How many bytes that digest is of. */
  readonly codeBytes: number;
  readonly imports: readonly ImportedName[];
  readonly dynamic: readonly DynamicImport[];
  /** Folders that it adds to `sys.path`. */
  readonly path: readonly string[];
  readonly all: readonly string[];
  /** Names of `.py` files that stand in it as strings. */
  readonly files: readonly string[];
  /** Whether it may read the sources of other modules, or tell their lines: then comments count in all of them. */
  readonly readsSources: boolean;
}

/** A source beyond this size is data. */
const SOURCE_BYTES_MAX = 8 * 2 ** 20;

/** Modules and names by which a module reads its own source. */
const OWN_SOURCE = new Set(['inspect', 'linecache', 'traceback', 'tokenize', '__file__', 'lineno']);
/** Names by which programs read sources, whose ever they are, or tell the numbers of their lines. */
const ANY_SOURCE = new Set([
  ...['getsource', 'getsourcelines', 'getsourcefile', 'findsource', 'getcomments', 'getblock'],
  ...['getframeinfo', 'getinnerframes', 'getouterframes', 'getlineno', 'linecache'],
  ...['get_source', 'pkgutil', '__loader__', 'copytree', 'make_archive'],
  ...['format_exc', 'format_exception', 'format_tb', 'format_stack', 'extract_tb'],
  ...['extract_stack', 'TracebackException', 'StackSummary'],
  ...['f_lineno', 'tb_lineno', 'co_firstlineno', 'co_lnotab', 'co_lines', 'co_positions'],
  ...['cloudpickle', 'dill', 'marshal'],
]);
/** Together with `__file__`: whoever lists the folder of a module reads what is beside it. */
const LISTS = new Set(['glob', 'rglob', 'iglob', 'iterdir', 'walk', 'listdir', 'scandir']);
const FRAMES = /\binspect\s*\.\s*(?:stack|trace|currentframe)\b|\bimportlib\b.*\bresources\b/;
const SCRIPT_NAME = /\bargv\s*\[\s*0\s*\]/;
const PYTHON_FILE = /^[^\s]+\.py$/;

/** Reads a source. */
export function sourceFacts(bytes: Uint8Array): SourceFacts {
  const whole = { code: digestOf(bytes), codeBytes: bytes.length };
  if (bytes.length > SOURCE_BYTES_MAX) return { ...whole, ...NOTHING };
  const { text, isPlain } = sourceText(bytes);
  const tokens = tokensOf(text);
  const { names, strings } = wordsOf(text, tokens.tokens);
  const files = strings.filter((value) => PYTHON_FILE.test(value));
  const form = codeForm(text, tokens);
  const isOwn = [...OWN_SOURCE].some((name) => names.has(name)) || SCRIPT_NAME.test(form);
  const lists = names.has('__file__') && [...LISTS].some((name) => names.has(name));
  const isNamed = [...ANY_SOURCE].some((name) => names.has(name));
  const readsSources = isNamed || lists || FRAMES.test(form) || files.some(isPattern);
  const isWhole = !isPlain || !tokens.isCertain || isOwn || readsSources;
  return {
    ...(isWhole ? whole : codeOf(form)),
    ...importsOf(text, tokens),
    files: files.filter((one) => !isPattern(one)),
    readsSources,
  };
}

const NOTHING = { imports: [], dynamic: [], path: [], all: [], files: [], readsSources: true };

function codeOf(form: string): Pick<SourceFacts, 'code' | 'codeBytes'> {
  const bytes = Buffer.from(form);
  return { code: digestOf(bytes), codeBytes: bytes.length };
}

/**
 * The code of a source: what Python compiles to the same program, but for the numbers of lines. The source itself where
 * comments may count.
 */
export function codeBytesOf(bytes: Uint8Array): Uint8Array {
  if (sourceFacts(bytes).code === digestOf(bytes)) return bytes;
  const { text } = sourceText(bytes);
  return Buffer.from(codeForm(text, tokensOf(text)));
}

const isPattern = (name: string): boolean => /[*?[]/.test(name);

/** The names in a source, those within f-strings included, and what its other strings say. */
function wordsOf(
  text: string,
  tokens: readonly Token[],
): { readonly names: ReadonlySet<string>; readonly strings: readonly string[] } {
  const names = new Set<string>();
  const strings = new Set<string>();
  for (const { kind, start, end, isFormatted } of tokens) {
    const piece = text.slice(start, end);
    if (kind === 'name') names.add(piece);
    else if (isFormatted)
      for (const [name] of piece.matchAll(/[\p{ID_Start}_]\p{ID_Continue}*/gu)) names.add(name);
    else if (kind === 'string') {
      const value = plainString(piece);
      if (value !== undefined) strings.add(value);
    }
  }
  return { names, strings: [...strings] };
}
