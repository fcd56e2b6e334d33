// look-alike.ts — YAML scalars that readers of YAML 1.1, such as Python's PyYAML, take for something else than we do

/** What a plain scalar is to a reader of YAML 1.1. */
interface Reading {
  readonly kind: 'text' | 'boolean' | 'integer' | 'float' | 'date' | 'merge';
  /** As it is told. */
  readonly value: string;
  /** Of numbers. */
  readonly number?: number | undefined;
}

/** Two readings of one scalar, in words, and how to write what both read alike. */
export interface LookAlike {
  readonly message: string;
  readonly hint: string;
  /** A number here and a text there: on a command line nobody means the text. */
  readonly isNumberHere: boolean;
}

/**
 * What is ambiguous about a scalar without quotes; undefined when all readers agree.
 * @param value what it is here, by the core schema of YAML 1.2
 * @param isName whether it names a field, and so is text here whatever it looks like
 */
export function lookAlike(source: string, value: unknown, isName: boolean): LookAlike | undefined {
  const there = readingOf(source, isName);
  if (isName ? isSameName(there, source) : isSameValue(there, value)) return undefined;
  const here = isName || typeof value === 'string' ? `the text \`${source}\`` : String(value);
  const theirs = there.kind === 'text' ? `the text \`${source}\`` : there.value;
  return {
    message: `\`${source}\` is ${here} here, and ${theirs} to readers of YAML 1.1${/^\w$/.test(source) ? '' : " (Python's PyYAML)"}`,
    hint: hintFor(source, { value, isName, there }),
    isNumberHere: typeof value === 'number' && there.kind === 'text',
  };
}

const isSameValue = ({ kind, number }: Reading, value: unknown): boolean => {
  if (typeof value === 'number') return number === value;
  return typeof value === 'string' ? kind === 'text' : true;
};

/** A name is a text here. Where its number is written as numbers are, it is the same name to everybody. */
const isSameName = ({ kind, value }: Reading, source: string): boolean =>
  kind === 'text' || ((kind === 'integer' || kind === 'float') && value === source);

function hintFor(
  source: string,
  {
    value,
    isName,
    there,
  }: { readonly value: unknown; readonly isName: boolean; readonly there: Reading },
): string {
  const quote = `'${source}'`;
  if (typeof value === 'number' && !isName) {
    if (there.kind !== 'text') return `write ${value} or ${there.value}, whichever is meant`;
    return `write ${/^0o|^[-+]?\d+$/.test(source) ? value : plainFloat(source)}, which all read alike`;
  }
  if (isName || there.kind === 'date' || there.kind === 'merge')
    return `put it in quotes: ${quote}`;
  return `put it in quotes, ${quote}, or write ${there.value}`;
}

/** A float as YAML 1.1 has them: with digits before a dot, and a sign in its exponent. */
function plainFloat(source: string): string {
  const [, sign, whole, fraction = '', exponent = ''] =
    /^([-+]?)(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(source) ?? [];
  const power = exponent === '' ? '' : `e${/^[-+]/.test(exponent) ? '' : '+'}${exponent}`;
  return `${sign}${whole || '0'}.${fraction || '0'}${power}`;
}

/**
 * Source: PyYAML's resolver, which is that of https://yaml.org/type/ but for `y` and `n`. These name axes and columns
 * more often than they mean true and false, so they count as values only.
 */
function readingOf(source: string, isName: boolean): Reading {
  if (/^(?:yes|Yes|YES|on|On|ON|true|True|TRUE)$/.test(source))
    return { kind: 'boolean', value: 'true' };
  if (/^(?:no|No|NO|off|Off|OFF|false|False|FALSE)$/.test(source)) {
    return { kind: 'boolean', value: 'false' };
  }
  if (!isName && /^[yYnN]$/.test(source)) {
    return { kind: 'boolean', value: /^y$/i.test(source) ? 'true' : 'false' };
  }
  const integer = integerOf(source);
  if (integer !== undefined)
    return { kind: 'integer', value: String(integer), number: Number(integer) };
  if (source === '=') return { kind: 'merge', value: 'a default value' };
  if (DATE.test(source)) return { kind: 'date', value: 'a date' };
  const float = FLOAT.test(source) ? Number(source.replaceAll('_', '')) : sexagesimalFloat(source);
  return float === undefined
    ? { kind: 'text', value: source }
    : { kind: 'float', value: String(float), number: float };
}

const FLOAT = /^(?:[-+]?\d[\d_]*\.[\d_]*(?:[eE][-+]\d+)?|\.\d[\d_]*(?:[eE][-+]\d+)?)$/;
const DATE =
  /^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$/;

function integerOf(source: string): bigint | undefined {
  const [, sign, digits = ''] = /^([-+]?)(.*)$/s.exec(source) ?? [];
  const plain = digits.replaceAll('_', '');
  let size: bigint | undefined;
  if (/^0b[01_]+$/.test(digits) || /^0x[\da-fA-F_]+$/.test(digits)) size = bigOf(plain);
  else if (/^0[0-7_]+$/.test(digits)) size = bigOf(`0o${plain}`);
  else if (/^(?:0|[1-9][\d_]*)$/.test(digits)) size = BigInt(plain);
  else if (/^[1-9][\d_]*(?::[0-5]?\d)+$/.test(digits)) {
    size = plain.split(':').reduce((sum, part) => 60n * sum + BigInt(part), 0n);
  }
  return size === undefined ? undefined : sign === '-' ? -size : size;
}

/** Undefined for a prefix without digits. */
const bigOf = (literal: string): bigint | undefined =>
  /^0[box]$/.test(literal) ? undefined : BigInt(literal);

function sexagesimalFloat(source: string): number | undefined {
  const match = /^([-+]?)(\d[\d_]*(?::[0-5]?\d)+\.[\d_]*)$/.exec(source);
  if (match === null) return undefined;
  const [, sign, digits = ''] = match;
  const parts = digits.replaceAll('_', '').split(':');
  const size = parts.reduce((sum, part) => 60 * sum + Number(part), 0);
  return sign === '-' ? -size : size;
}
