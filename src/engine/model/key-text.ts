// key-text.ts — keys of many actions that have parts in common: each part is encoded once
import {
  type Coordinates,
  canonicalJson,
  digestOf,
  type InputDigest,
  KEY_FORMAT,
  type Key,
  type KeyParts,
  type Named,
} from './key.ts';

/** The canonical texts of params and outputs, by identity: they are never changed. */
const texts = new WeakMap<object, string>();

function textOf(value: object): string {
  let text = texts.get(value);
  if (text === undefined) {
    text = canonicalJson(value);
    texts.set(value, text);
  }
  return text;
}

/**
 * The same key as `keyOf`, for parts of which some are the very same objects as those of other actions.
 * @param given the canonical text of the inputs, where it is known
 */
export function keyOfShared(parts: KeyParts, given?: string): Key {
  const { code, command, inputs, outputs, params, source, tools } = parts;
  // In the order of their names.
  let text = `["${KEY_FORMAT}",{"code":${JSON.stringify(code)}`;
  if (command !== undefined) text += `,"command":${canonicalJson(command)}`;
  text += `,"inputs":${given ?? inputsText(inputs)}`;
  text += `,"outputs":${textOf(outputs)},"params":${textOf(params)}`;
  text += `,"source":${source === null ? 'null' : canonicalJson(source)}`;
  if (tools !== undefined) text += `,"tools":${canonicalJson(tools)}`;
  return digestOf(`${text}}]`) as string as Key;
}

/** The canonical text of inputs. Lists of what was collected are long, and most of their items have one form. */
export function inputsText(inputs: Named<InputDigest>): string {
  let text = '{';
  for (const port of Object.keys(inputs).sort()) {
    const input = inputs[port] ?? null;
    const own =
      typeof input === 'string' || input === null ? JSON.stringify(input) : listText(input);
    text += `${text === '{' ? '' : ','}${JSON.stringify(port)}:${own}`;
  }
  return `${text}}`;
}

function listText(items: Extract<InputDigest, readonly unknown[]>): string {
  let text = '[';
  for (const item of items) {
    const [task, at, digest] = item;
    const isUsual = item.length === 3 && typeof at === 'object' && typeof digest === 'string';
    const own = isUsual
      ? `[${JSON.stringify(task)},${coordinatesText(at)},${JSON.stringify(digest)}]`
      : canonicalJson(item);
    text += text === '[' ? own : `,${own}`;
  }
  return `${text}]`;
}

function coordinatesText(at: Coordinates): string {
  let text = '{';
  for (const axis of Object.keys(at).sort()) {
    text += `${text === '{' ? '' : ','}${JSON.stringify(axis)}:${JSON.stringify(at[axis])}`;
  }
  return `${text}}`;
}
