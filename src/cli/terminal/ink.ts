// ink.ts — what reaches a terminal: colours and controls of our own, and of everything else only what no terminal obeys
import { randomBytes } from 'node:crypto';
import pc from 'picocolors';
import { plainText } from '../../plain-text.ts';

/** Colours, or none: picocolors honours NO_COLOR, FORCE_COLOR and whether stdout is a terminal. */
export type Colors = ReturnType<typeof pc.createColors>;

/**
 * Stands in our own texts for a sequence that a terminal is to obey. Nobody else can write one: it holds a number that is
 * another in each process.
 */
const OPEN = `\ufdd0${ownNumber()}:`;
const CLOSE = '\ufdd1';
const mark = (sequence: string): string => `${OPEN}${sequence}${CLOSE}`;
const MARKS = new RegExp(`${OPEN}([\\d;]*[A-Za-z])${CLOSE}`);

/** Takes the line back on which the cursor is. */
export const ERASE_LINE = `${mark('G')}${mark('K')}`;

const ESCAPE = '\u001b[';

/** The entry of the program and the rest of it are bundles of their own, each with a copy of this file. */
function ownNumber(): string {
  const shared = globalThis as { [name: symbol]: string | undefined };
  const name = Symbol.for('pipeline.ink');
  const number = shared[name] ?? randomBytes(8).toString('hex');
  shared[name] = number;
  return number;
}

/** A text as it may reach a terminal: with our own marks in force, and all else harmless. */
export function rendered(text: string): string {
  if (!text.includes(OPEN)) return plainText(text);
  const parts = text.split(MARKS);
  return parts.map((part, at) => (at % 2 === 1 ? `${ESCAPE}${part}` : plainText(part))).join('');
}

/** Colours that are marks until they are rendered. */
export function inkFor(isColorSupported: boolean): Colors {
  const plain = pc.createColors(false);
  if (!isColorSupported) return plain;
  const names = Object.keys(plain).filter((name) => name !== 'isColorSupported');
  const colored = pc.createColors(true) as unknown as { [name: string]: (text: string) => string };
  const inks = names.map((name) => {
    const [open = '', close = ''] = (colored[name]?.('\0') ?? '\0').split('\0').map(marked);
    const ink = (given: unknown): string => {
      const text = String(given);
      // A colour within another ends both: the outer one begins again.
      const inner = text.includes(close) ? text.replaceAll(close, close + open) : text;
      return text === '' ? '' : `${open}${inner}${close}`;
    };
    return [name, ink] as const;
  });
  // Every name of `plain`, with a function of the same form.
  return { ...Object.fromEntries(inks), isColorSupported: true } as unknown as Colors;
}

/** Escape sequences of picocolors, each as a mark. */
const marked = (sequences: string): string =>
  sequences
    .split(ESCAPE)
    .filter((sequence) => sequence !== '')
    .map(mark)
    .join('');

/** Writes bytes that are results, and what was rendered before: to a file or a pipe as they are. */
export function writeBytes(stream: NodeJS.WriteStream, bytes: Uint8Array | string): void {
  const isText = typeof bytes === 'string';
  // A terminal gets a text, whatever the bytes were meant to be.
  if (stream.isTTY) stream.write(isText ? bytes : new TextDecoder().decode(bytes));
  else stream.write(isText ? Buffer.from(bytes) : bytes);
}

/** Writes what was rendered already. */
export const writeRendered = (stream: NodeJS.WriteStream, text: string): void =>
  void stream.write(Buffer.from(text));

/** A stream whose texts are rendered already, for whoever moves the cursor: all else of it is the stream's. */
export const renderedStream = (stream: NodeJS.WriteStream): NodeJS.WriteStream =>
  Object.create(stream, {
    write: { value: (text: string) => stream.write(Buffer.from(text)) },
  }) as NodeJS.WriteStream;

/** From now on, every text that is written to a stream is rendered; bytes are not. */
export function renderTexts(stream: NodeJS.WriteStream): void {
  const { write } = stream;
  const render = (chunk: unknown): unknown => (typeof chunk === 'string' ? rendered(chunk) : chunk);
  // The overloads of `write` differ in what comes after the chunk.
  const own = write as (...given: unknown[]) => boolean;
  stream.write = ((chunk: unknown, ...rest: unknown[]) =>
    own.call(stream, render(chunk), ...rest)) as typeof write;
}
