// yaml.ts — from the text of a YAML file to located values, refusing what cannot be kept
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { type Diagnostic, failure, type Place, type Result, success } from './event.ts';
import type { Json } from './key.ts';
import { type Located, locatedList, locatedMap, PARTS_MAX } from './located.ts';

/** Reads YAML 1.2 (with merge keys), refusing what cannot be kept: see the messages below. */
export function parseYaml(text: string, file: string): Result<Located> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    merge: true,
    keepSourceTokens: false,
  });
  const placeAt = (start: number, end: number): Place => ({ file, text, start, end });
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    return failure(...problems.map((error) => yamlProblem(error, text, placeAt)));
  }
  const reader = yamlReader(placeAt, (alias) => alias.resolve(document));
  const root = document.contents;
  const located = root === null ? undefined : reader.read(root as Node, undefined);
  if (located === undefined) {
    return failure({ message: `${file} is empty`, hint: 'a pipeline has `params` and `stages`' });
  }
  return reader.problems.length > 0 ? failure(...reader.problems) : success(located);
}

/** What the YAML parser found, in our words where its own speak to programmers. */
function yamlProblem(
  { code, message, pos: [start, end] }: YAMLError,
  text: string,
  placeAt: (start: number, end: number) => Place,
): Diagnostic {
  // At the end of the file there is nothing to point at: point at the last thing before it.
  const last = text.trimEnd().length - 1;
  const place = start > last ? placeAt(last, last + 1) : placeAt(start, Math.max(end, start + 1));
  const hint = 'quotes and brackets must close, and what belongs together is indented alike';
  if (code === 'MULTIPLE_DOCS') {
    return { message: 'a second document begins here, and a pipeline is one', place };
  }
  if (code === 'DUPLICATE_KEY') {
    const name = /^[\w-]+/.exec(text.slice(start))?.[0];
    return { message: `${name ? `\`${name}\`` : 'a key'} is given twice in one map`, place };
  }
  const words = message.split('\n', 1)[0].replace(/ at line \d+.*$/, '');
  return { message: `this is not YAML: ${words}`, place, hint };
}

/** Turns YAML nodes into located values, collecting what is wrong on the way. */
function yamlReader(
  placeAt: (start: number, end: number) => Place,
  resolve: (alias: Alias) => Node | undefined,
) {
  const problems: Diagnostic[] = [];
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

  const readScalar = (node: Node, named: Place | undefined): Located => {
    const value: unknown = isScalar(node) ? node.value : undefined;
    if (typeof value === 'number' && !Number.isFinite(value)) {
      return refuse(node, `${value} is not a number that can be kept`);
    }
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      return refuse(node, 'an integer beyond 2^53 loses digits', 'quote it to keep it as text');
    }
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      return { value: value as Json, place: placeOf(node), named };
    }
    return refuse(
      node,
      'this kind of YAML value is not supported',
      'use text, numbers, lists, maps',
    );
  };

  const readFields = (map: YAMLMap): Map<string, Located> => {
    const fields = new Map<string, Located>();
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const name = isScalar(pair.key) ? pair.key.value : undefined;
      const at = placeOf(pair.key);
      if (typeof name === 'symbol' || name === '<<') mergeInto(fields, pair);
      else if (name === '__proto__') refuse(pair.key, '`__proto__` cannot be a name');
      else if (typeof name === 'string' || typeof name === 'number') {
        const empty: Located = { value: null, place: at, named: at };
        fields.set(String(name), pair.value === null ? empty : read(pair.value, at));
      } else refuse(pair.key, 'a name must be text');
    }
    return fields;
  };

  const mergeInto = (fields: Map<string, Located>, pair: Pair<Node, Node | null>): void => {
    const source = pair.value === null ? undefined : read(pair.value, undefined);
    const maps = source?.items ?? (source ? [source] : []);
    if (maps.length === 0 || maps.some((part) => part.fields === undefined)) {
      refuse(pair.value ?? pair.key, '`<<` merges a map or a list of maps');
    }
    for (const { fields: merged } of maps) {
      for (const [name, field] of merged ?? []) if (!fields.has(name)) fields.set(name, field);
    }
  };

  return { read, problems };
}
