// command-entries.ts — which program of the project a command of Python runs
import { posix } from 'node:path';
import type { Entry } from './closure.ts';
import type { ProjectLook } from './module-search.ts';
import { sourceFacts } from './source-facts.ts';

/** The command, as far as it is known before it runs. */
export interface PythonCommand {
  /** Its words; one that is nothing but `{inputs.x}` is taken for the files of that input. */
  readonly argv: readonly string[];
  readonly inputs: ReadonlyMap<string, readonly string[]>;
}

const INTERPRETER = /^(?:python|pypy)[\d.]*w?$/i;
/** Options of Python that take the next word. */
const WITH_VALUE = new Set(['-W', '-X', '--check-hash-based-pycs']);
const INPUT = /^\{inputs\.([\w-]+)\}$/;

/**
 * The scripts and modules that a command starts: what follows Python, and every word that names a `.py` file of the
 * project, since that is how other programs (uv, torchrun, accelerate) are told what to run.
 */
export function entriesOf({ argv, inputs }: PythonCommand, look: ProjectLook): readonly Entry[] {
  const words = argv.flatMap((word) => {
    const port = INPUT.exec(word)?.[1];
    return (port !== undefined && inputs.get(port)) || [word];
  });
  const entries: Entry[] = [];
  const scripts = new Set<string>();
  const addScript = (word: string): boolean => {
    const script = scriptAt(word, look);
    if (script === undefined) return false;
    if (!scripts.has(script)) entries.push({ script });
    scripts.add(script);
    return true;
  };
  for (const [index, word] of words.entries()) {
    if (INTERPRETER.test(posix.basename(word))) {
      const started = startedBy(words.slice(index + 1));
      if (started && 'word' in started) addScript(started.word);
      else if (started) entries.push(started);
    } else if (word.endsWith('.py')) addScript(word);
    else if (index === 0 && word.includes('/')) addScript(word);
  }
  return entries;
}

/** What Python runs, by the words behind it. */
function startedBy(words: readonly string[]): Entry | { readonly word: string } | undefined {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const next = words[at + 1] ?? '';
    const joined = /^-[a-zA-Z]*?([mc])(.*)$/s.exec(word.startsWith('--') ? '' : word);
    if (joined) {
      const [, kind, rest] = joined;
      const value = rest || next;
      return kind === 'm' ? { module: value } : { text: sourceFacts(Buffer.from(value)) };
    }
    if (WITH_VALUE.has(word)) at += 1;
    else if (!word.startsWith('-')) return { word };
    else if (word === '-') return undefined;
  }
  return undefined;
}

/** The script that a word means: a file of the project, or `__main__.py` of a folder. */
function scriptAt(word: string, look: ProjectLook): string | undefined {
  const name = posix.normalize(word).replace(/(?<=.)\/$/, '');
  if (word.includes('{') || name.startsWith('../') || name.startsWith('/')) return undefined;
  const kind = look.kindOf(name);
  if (kind === 'file') return name;
  const main = posix.join(name, '__main__.py');
  return kind === 'folder' && look.kindOf(main) === 'file' ? main : undefined;
}
