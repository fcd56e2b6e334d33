// plain-text.ts — text from outside, made harmless to show: no terminal obeys it, and nothing of it is hidden

/**
 * Control characters but tab and newline; what reorders text (bidirectional controls); line separators; halves of
 * surrogate pairs.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
/** Colours and styles, and erasing to the end of the line: what programs write into logs to please a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins them
const STYLE = /\x1b\[[\d;:]*[mK]/g;

/** Beyond ASCII as JSON escapes it: JSON stays valid, and means the same. */
const escaped = (character: string): string => {
  const code = character.charCodeAt(0);
  return code < 0x7f
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
};

/** A text of one or more lines, with what a terminal might obey as `\x1b` and `\u202e`. */
export const plainText = (text: string): string => text.replace(UNSAFE, escaped);

/** The same on one line: a name, a label, a path. */
export const plainName = (text: string): string =>
  plainText(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');

/** What a program said: colours are dropped, all else is shown as `plainText` does. */
export const plainLog = (text: string): string =>
  plainText(text.includes('\x1b') ? text.replace(STYLE, '') : text);

/** Characters that take the place of controls where each must be one wide: carets stand below them. */
export const plainSource = (text: string): string =>
  text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : '\u2426';
  });
