// key-text.ts — keys of many actions that have parts in common: each part is encoded once
import { canonicalJson, digestOf, KEY_FORMAT, type Key, type KeyParts } from './key.ts';

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
 * @param inputsText the canonical text of the inputs, where it is known
 */
export function keyOfShared(parts: KeyParts, inputsText?: string): Key {
  const { code, command, inputs, outputs, params, source, tools } = parts;
  // In the order of their names.
  const fields = [
    `"code":${JSON.stringify(code)}`,
    ...(command === undefined ? [] : [`"command":${canonicalJson(command)}`]),
    `"inputs":${inputsText ?? canonicalJson(inputs)}`,
    `"outputs":${textOf(outputs)}`,
    `"params":${textOf(params)}`,
    `"source":${canonicalJson(source)}`,
    ...(tools === undefined ? [] : [`"tools":${canonicalJson(tools)}`]),
  ];
  return digestOf(`["${KEY_FORMAT}",{${fields.join(',')}}]`) as string as Key;
}
