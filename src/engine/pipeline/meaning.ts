// meaning.ts — what a pipeline says, without where it says it: two files that mean the same have the same plan

import type { Pipeline } from '../config/config.ts';
import type { Place } from '../model/event.ts';
import { canonicalJson, type Digest, digestOf } from '../model/key.ts';

/**
 * A digest of everything in a pipeline that decides its plan and how that is run. Params are in it where stages take them, so
 * one that nobody reads changes nothing. Undefined where places matter, as they do to warnings.
 */
export function meaningOf(pipeline: Pipeline): Digest | undefined {
  if (!known.has(pipeline)) known.set(pipeline, digestOfMeaning(pipeline));
  return known.get(pipeline);
}

const known = new WeakMap<Pipeline, Digest | undefined>();

function digestOfMeaning(pipeline: Pipeline): Digest | undefined {
  const { params: _, overrides: __, warnings, ...rest } = pipeline;
  if (warnings.length > 0) return undefined;
  const text = textOf(rest);
  return text === undefined ? undefined : digestOf(text);
}

/** A text that tells values from others; undefined for what is no data. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'function' || typeof value === 'symbol' ? undefined : String(value);
  }
  if (Array.isArray(value)) return listOf('list', value);
  if (value instanceof Map) return listOf('map', [...value].flat());
  if (value instanceof Set) return listOf('set', [...value]);
  if (isPlace(value)) return 'place';
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? fieldsOf(value) : undefined;
}

function listOf(kind: string, items: readonly unknown[]): string | undefined {
  const texts = items.map(textOf);
  return texts.includes(undefined) ? undefined : `${kind}[${texts.join()}]`;
}

function fieldsOf(fields: object): string | undefined {
  const texts: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    // What a user wrote may look like a place, and counts.
    const isData = name === 'value' && 'place' in fields;
    const text = isData ? dataText(field) : textOf(field);
    if (text === undefined) return undefined;
    texts.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${texts.join()}}`;
}

function dataText(value: unknown): string | undefined {
  try {
    return canonicalJson(value);
  } catch {
    return textOf(value);
  }
}

function isPlace(value: object): value is Place {
  return (
    Object.keys(value).sort().join() === 'end,file,start,text' &&
    'start' in value &&
    typeof value.start === 'number'
  );
}
