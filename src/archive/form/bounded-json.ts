// bounded-json.ts — JSON from strangers: no deeper and no larger than it may be, no keys that reach a prototype

import type { Json } from '../../engine/model/key.ts';
import { parseExactJson } from '../../exact-json.ts';

/** Deeper than anything that we write; recursion stays far from the end of the stack. */
const DEPTH_MAX = 64;

/** More values than the largest study that we know of has, and no more than fit into memory. */
const VALUES_MAX = 20_000_000;

/** How many values may still come, where several texts make up one file. */
export interface Allowance {
  values: number;
}

/** JSON that is not taken, and why. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/**
 * Parses bytes as JSON in UTF-8.
 * @throws JsonError when they are none, are nested too deeply or too many, have a number beyond all doubles, a name that
 * a map has twice, or a key `__proto__`
 */
export function parseJson(bytes: Uint8Array, allowance: Allowance = { values: VALUES_MAX }): Json {
  const written = checkSize(bytes, allowance);
  let value: Json;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
  } catch (error) {
    throw new JsonError(`is no JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const kept = { names: 0 };
  const fault = faultIn(value, '$', kept);
  if (fault !== undefined) throw new JsonError(`is unfit: ${fault}`);
  if (kept.names !== written) throw new JsonError(`is unfit: ${repeatedName(bytes)}`);
  return value;
}

/** Which name a map has twice. The parser kept one of its values, and no one could say which was meant. */
function repeatedName(bytes: Uint8Array): string {
  try {
    parseExactJson(bytes);
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  return 'a name is in a mapping twice';
}

/**
 * Counts brackets and commas outside strings. What is no JSON is found by the parser.
 * @returns how many names its maps have, counting those that stand there twice
 */
function checkSize(bytes: Uint8Array, allowance: Allowance): number {
  const [QUOTE, ESCAPE, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
  let [depth, names] = [0, 0];
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === ESCAPE) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      allowance.values -= 1;
      if (depth > DEPTH_MAX) throw new JsonError(`is nested more than ${DEPTH_MAX} deep`);
    } else if (byte === COMMA) allowance.values -= 1;
    else if (byte === COLON) names += 1;
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    if (allowance.values < 0) throw new JsonError('holds more values than any study');
  }
  return names;
}

/** What of a value we would not take, in words. @param kept counts the names of its maps */
function faultIn(value: Json, path: string, kept: { names: number }): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return `${path} is a number beyond all that JSON can hold`;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item = value[index];
      if (typeof item === 'string') continue;
      const found = faultIn(item, `${path}[${index}]`, kept);
      if (found) return found;
    }
    return undefined;
  }
  for (const [name, below] of Object.entries(value as { readonly [name: string]: Json })) {
    kept.names += 1;
    if (name === '__proto__') return `${path}.__proto__ is a key that could reach a prototype`;
    const found = faultIn(below, `${path}.${name}`, kept);
    if (found) return found;
  }
  return undefined;
}
