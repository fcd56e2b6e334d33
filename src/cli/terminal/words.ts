// words.ts — a command line, read by what its command declares, where commander is not loaded yet
import {
  attributeOf,
  type CommandDeclaration,
  namesOf,
  type OptionDeclaration,
  readValue,
  takesValue,
  valueMayBeLeftOut,
} from './declaration.ts';

/** What a command line says: its arguments, and its options by attribute. Defaults are filled in. */
export interface Words {
  readonly targets: readonly string[];
  /** The options that were given. */
  readonly given: readonly OptionDeclaration[];
  readonly values: ReadonlyMap<string, string | true | readonly (string | true)[]>;
}

/**
 * Reads words by what a command declares. Undefined for every command line that could be meant otherwise, which is left to
 * commander: an unknown option, one that is joined to its value or to others, `--`, a value that is wrong.
 */
export function readWords(
  words: readonly string[],
  { name, options }: CommandDeclaration,
): Words | undefined {
  if (words[0] !== name) return undefined;
  const targets: string[] = [];
  const given: OptionDeclaration[] = [];
  const values = new Map<string, string | true | (string | true)[]>();
  for (const option of options) {
    if (typeof option.default === 'string') values.set(attributeOf(option), option.default);
    if (option.repeatable) values.set(attributeOf(option), []);
  }
  const rest = words.slice(1);
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-')) {
      targets.push(word);
      continue;
    }
    const option = options.find((one) => namesOf(one).includes(word as string));
    if (option === undefined) return undefined;
    const value = valueFor(option, rest);
    if (value === undefined) return undefined;
    given.push(option);
    const list = values.get(attributeOf(option));
    if (Array.isArray(list)) list.push(value);
    else values.set(attributeOf(option), value);
  }
  return { targets, given, values };
}

/** Takes the value of an option from the words that follow it; true where it has none. */
function valueFor(option: OptionDeclaration, rest: string[]): string | true | undefined {
  if (!takesValue(option)) return true;
  const [next] = rest;
  const isOption = next?.startsWith('-') ?? true;
  // A number below zero may be either.
  if (valueMayBeLeftOut(option) && isOption) return /^-\d/.test(next ?? '') ? undefined : true;
  if (next === undefined || !isPlain(option, next)) return undefined;
  rest.shift();
  return next;
}

function isPlain(option: OptionDeclaration, value: string): boolean {
  if (value.startsWith('-') || value === '') return false;
  try {
    readValue(option, value);
    return option.choices?.includes(value) ?? true;
  } catch {
    return false;
  }
}
