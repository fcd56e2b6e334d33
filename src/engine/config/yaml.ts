// yaml.ts — from the text of a YAML file to located values, refusing what cannot be kept
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  visit as visitNodes,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { plainName } from '../../plain-text.ts';
import { type Diagnostic, failure, type Place, type Result, success } from '../model/event.ts';
import type { Json } from '../model/key.ts';
import { lookAlike } from '../text/look-alike.ts';
import { type Located, locatedList, locatedMap, PARTS_MAX } from './located.ts';

/** A scalar that other readers of YAML take for something else. */
export interface Suspect {
  readonly diagnostic: Diagnostic;
  /** A number here, and a text to others. */
  readonly isNumberHere: boolean;
}

/** What a document is, as messages call it. */
export interface DocumentKind {
  /** With its article: `a pipeline`. */
  readonly what: string;
  /** What to do about an empty one. */
  readonly whenEmpty: string;
}

const PIPELINE_DOCUMENT: DocumentKind = {
  what: 'a pipeline',
  whenEmpty: 'a pipeline has `params` and `stages`',
};

/**
 * Reads YAML 1.2 (with merge keys), refusing what cannot be kept: see the messages below.
 * @param suspect is told of each scalar without quotes that a reader of YAML 1.1 would read otherwise, once for its place
 */
export function parseYaml(
  text: string,
  file: string,
  suspect: (found: Suspect) => void = () => undefined,
  kind: DocumentKind = PIPELINE_DOCUMENT,
): Result<Located> {
  try {
    return parsed(text, file, suspect, kind);
  } catch (error) {
    // The parser and the reader call themselves for each level.
    if (!(error instanceof RangeError)) throw error;
    return failure({ message: `${file} is nested too deeply` });
  }
}

function parsed(
  text: string,
  file: string,
  suspect: (found: Suspect) => void,
  kind: DocumentKind,
): Result<Located> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    merge: true,
    // Checked below: the parser's own check takes time by the square of the names.
    uniqueKeys: false,
    keepSourceTokens: false,
  });
  const placeAt = (start: number, end: number): Place => ({ file, text, start, end });
  // One wrong indentation makes the parser report every item below it: only the first error is sure to be one.
  const [first] = document.errors;
  const problems = first ? [first] : document.warnings;
  if (problems.length > 0) {
    return failure(...problems.map((error) => yamlProblem(error, text, placeAt, kind)));
  }
  const reader = yamlReader(placeAt, aliasTargets(document), suspect);
  const root = document.contents;
  const located = root === null ? undefined : reader.read(root as Node, undefined);
  if (located === undefined) {
    return failure({ message: `${file} is empty`, hint: kind.whenEmpty });
  }
  return reader.problems.length > 0 ? failure(...reader.problems) : success(located);
}

/**
 * What aliases stand for: of the nodes with that anchor, the last one above. Found in one pass over the document: the parser's
 * own `resolve` makes one for each alias.
 */
function aliasTargets(document: Document): (alias: Alias) => Node | undefined {
  let targets: Map<Alias, Node> | undefined;
  return (alias) => {
    if (targets === undefined) {
      const found = new Map<Alias, Node>();
      const anchors = new Map<string, Node>();
      visitNodes(document, {
        Node(_, node) {
          if (isAlias(node)) {
            const target = anchors.get(node.source);
            if (target) found.set(node, target);
          } else if (node.anchor) anchors.set(node.anchor, node);
        },
      });
      targets = found;
    }
    return targets.get(alias);
  };
}

const LAYOUT_HINT =
  'quotes and brackets must close, and items of the same level need the same indentation';
/** What to do about errors that are not of the layout, by the code that the parser gives them. */
const HINTS: { readonly [code: string]: string | undefined } = {
  BAD_DIRECTIVE: 'leave the line with % out',
  KEY_OVER_1024_CHARS: 'use shorter names',
  TAB_AS_INDENT: 'indent with spaces',
  TAG_RESOLVE_FAILED: 'leave the tag out: values are strings, numbers, lists and mappings',
};

/** What the YAML parser found, in our words where its own speak to programmers. */
function yamlProblem(
  { code, message, pos: [start, end] }: YAMLError,
  text: string,
  placeAt: (start: number, end: number) => Place,
  { what }: DocumentKind,
): Diagnostic {
  // At the end of the file there is nothing to point at: point at the last thing before it.
  const last = text.trimEnd().length - 1;
  const place = start > last ? placeAt(last, last + 1) : placeAt(start, Math.max(end, start + 1));
  if (code === 'MULTIPLE_DOCS') {
    return { message: `a second document begins here, and ${what} is one`, place };
  }
  // The parser calls itself for each level.
  if (/call stack/.test(message)) return { message: 'this is nested too deeply', place };
  const words = message
    .split('\n', 1)
    .join()
    .replace(/ at line \d+.*$/, '');
  return { message: `this is not YAML: ${words}`, place, hint: HINTS[code] ?? LAYOUT_HINT };
}

/** Turns YAML nodes into located values, collecting what is wrong on the way. */
function yamlReader(
  placeAt: (start: number, end: number) => Place,
  resolve: (alias: Alias) => Node | undefined,
  suspect: (found: Suspect) => void,
) {
  const problems: Diagnostic[] = [];
  /** Scalars and maps that were looked at: an anchor is read once for each alias. */
  const seen = new Set<Node>();
  const open = new Set<Node>();
  let parts = 0;
  let tooMany = false;

  const placeOf = (node: Node): Place => {
    const [start, end] = node.range ?? [0, 0];
    return placeAt(start, Math.max(end, start + 1));
  };
  const refuse = (node: Node, message: string, hint?: string): Located => {
    problems.push({ message, place: placeOf(node), hint });
    return { value: null, place: placeOf(node) };
  };

  const read = (node: Node, named: Place | undefined): Located => {
    parts += 1;
    if (tooMany) return { value: null, place: placeOf(node) };
    if (parts > PARTS_MAX) {
      tooMany = true;
      return refuse(node, `aliases expand to more than ${PARTS_MAX} values`);
    }
    if (open.has(node)) return refuse(node, 'an alias contains itself');
    if (isAlias(node)) {
      const target = resolve(node);
      if (target) return { ...read(target, named), named };
      return refuse(node, `there is no anchor \`&${node.source}\` above this alias`);
    }
    open.add(node);
    try {
      if (isMap(node)) return locatedMap(readFields(node), { place: placeOf(node), named });
      if (isSeq(node)) {
        const items = node.items.map((item) => read(item as Node, undefined));
        return locatedList(items, { place: placeOf(node), named });
      }
      return readScalar(node, named);
    } finally {
      open.delete(node);
    }
  };

  /** Says so when others would read a scalar differently. */
  const compare = (node: Node, isName: boolean): void => {
    if (!isScalar(node) || node.type !== 'PLAIN' || node.tag !== undefined || seen.has(node))
      return;
    seen.add(node);
    const found = lookAlike(node.source ?? '', node.value, isName);
    if (found === undefined) return;
    const { message, hint, isNumberHere } = found;
    suspect({ diagnostic: { message, hint, place: placeOf(node) }, isNumberHere });
  };

  const readScalar = (node: Node, named: Place | undefined): Located => {
    const value: unknown = isScalar(node) ? node.value : undefined;
    const fault = isScalar(node) ? scalarFault(node) : undefined;
    if (fault) return refuse(node, fault.message, fault.hint);
    compare(node, false);
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      const isFloat = typeof value === 'number' && isScalar(node) && !isWhole(node.source ?? '');
      return { value: value as Json, place: placeOf(node), named, ...(isFloat && { isFloat }) };
    }
    return refuse(
      node,
      'this kind of YAML value is not supported',
      'use strings, numbers, lists, mappings',
    );
  };

  /** The name of a field; undefined, after saying why, for what cannot be one. */
  const readName = (key: Node, map: YAMLMap): string | undefined => {
    const name = isScalar(key) ? key.value : undefined;
    if (name === '__proto__') refuse(key, '`__proto__` cannot be a name');
    else if (typeof name !== 'string' && typeof name !== 'number') {
      refuse(key, 'a name must be a string');
    } else {
      if (isHalved(name)) refuse(key, HALVED);
      // `on` of `retries` and of a stage: nobody is warned of a word that is ours.
      const isOurs = name === 'on' && ['times', 'run', 'command'].some((word) => map.has(word));
      if (!isOurs) compare(key, true);
      return nameOf(key, name);
    }
    return undefined;
  };

  const readFields = (map: YAMLMap): Map<string, Located> => {
    const fields = new Map<string, Located>();
    const names = new Set<string>();
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      if (isMergeKey(pair.key)) {
        mergeInto(fields, pair);
        continue;
      }
      const name = readName(pair.key, map);
      if (name === undefined) continue;
      if (names.has(name) && !seen.has(map)) {
        refuse(pair.key, `\`${plainName(name)}\` is given twice in one map`);
      }
      names.add(name);
      const at = placeOf(pair.key);
      const empty: Located = { value: null, place: at, named: at };
      fields.set(name, pair.value === null ? empty : read(pair.value, at));
    }
    seen.add(map);
    return fields;
  };

  const mergeInto = (fields: Map<string, Located>, pair: Pair<Node, Node | null>): void => {
    const source = pair.value === null ? undefined : read(pair.value, undefined);
    const maps = source?.items ?? (source ? [source] : []);
    if (maps.length === 0 || maps.some((part) => part.fields === undefined)) {
      refuse(pair.value ?? pair.key, '`<<` merges a mapping or a list of mappings');
    }
    for (const { fields: merged } of maps) {
      for (const [name, field] of merged ?? []) if (!fields.has(name)) fields.set(name, field);
    }
  };

  return { read, problems };
}

/** `<<`, which the parser gives as a symbol where it stands without quotes. */
const isMergeKey = (key: Node): boolean =>
  isScalar(key) && (typeof key.value === 'symbol' || key.value === '<<');

const HALVED = 'half of a surrogate pair is not a character and cannot be encoded in UTF-8';
const isHalved = (value: unknown): boolean =>
  typeof value === 'string' && /\p{Surrogate}/u.test(value);

/** A name is text: `1e3` and `010` are what they look like, and no numbers. */
const nameOf = (key: Node, name: string | number): string => {
  const isPlain = isScalar(key) && key.type === 'PLAIN' && key.source !== undefined;
  return isPlain && typeof name === 'number' ? String(key.source) : String(name);
};

/** Whether a number is written as an integer. */
const isWhole = (source: string): boolean => /^[-+]?\d+$|^0[xo]/.test(source);

/** What would be lost of a scalar. */
function scalarFault({ value, source = '' }: Scalar): Omit<Diagnostic, 'place'> | undefined {
  if (isHalved(value)) return { message: HALVED };
  if (typeof value !== 'number') return undefined;
  const hint = 'quote it to keep it as text';
  if (Number.isNaN(value) || /inf/i.test(source)) {
    return { message: `${value} is not a number that can be kept` };
  }
  if (!Number.isFinite(value)) {
    return { message: 'this number is beyond the range of doubles (about 1.8e308)', hint };
  }
  const isInteger = isWhole(source);
  if (isInteger && !Number.isSafeInteger(value)) {
    return { message: 'an integer beyond 2^53 loses digits', hint };
  }
  if (value === 0 && !isInteger && /[1-9]/.test(source.replace(/[eE].*/, ''))) {
    return { message: 'this number is smaller than every double, and would become 0', hint };
  }
  return undefined;
}
