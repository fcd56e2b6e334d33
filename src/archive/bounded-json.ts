// bounded-json.ts — JSON from strangers: no deeper and no larger than it may be, no keys that reach a prototype
import type { Json } from '../pipeline/key.ts';

/** Deeper than anything that we write; recursion stays far from the end of the stack. */
const DEPTH_MAX = 64;

/** JSON that is not taken, and why. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
}

/**
 * Parses bytes as JSON in UTF-8.
 * @throws JsonError when they are none, are nested too deeply, or have a key `__proto__`
 */
export function parseJson(bytes: Uint8Array): Json {
  checkDepth(bytes);
  let value: Json;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
  } catch (error) {
    throw new JsonError(`no JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const path = protoPath(value, '$');
  if (path !== undefined) throw new JsonError(`${path} is a key that could reach a prototype`);
  return value;
}

/** Counts brackets outside strings. What is no JSON is found by the parser. */
function checkDepth(bytes: Uint8Array): void {
  const [QUOTE, ESCAPE] = [0x22, 0x5c];
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === ESCAPE) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > DEPTH_MAX) throw new JsonError(`nested more than ${DEPTH_MAX} deep`);
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
}

function protoPath(value: Json, path: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = protoPath(value[index], `${path}[${index}]`);
      if (found) return found;
    }
    return undefined;
  }
  for (const name of Object.keys(value)) {
    if (name === '__proto__') return `${path}.__proto__`;
    const found = protoPath((value as { readonly [name: string]: Json })[name], `${path}.${name}`);
    if (found) return found;
  }
  return undefined;
}
