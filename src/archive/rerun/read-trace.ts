// read-trace.ts — which files a program reads, writes and runs, as strace tells it
import { open } from 'node:fs/promises';
import { posix } from 'node:path';

/** What a program did to a file or folder. */
export type Touch = 'read' | 'listed' | 'run' | 'written';

/** Files by absolute path, and what was done to them. */
export type Touches = ReadonlyMap<string, Touch>;

/** The words before a program that let strace write what it opens and runs, its children included. */
export const straceWords = (file: string): readonly string[] => [
  ...['strace', '-f', '-q', '-y', '-s', '8192', '-e', 'signal=none'],
  ...['-e', 'trace=open,openat,openat2,creat,execve,execveat', '-o', file, '--'],
];

/** A trace beyond this size is read no further. */
const TRACE_BYTES_MAX = 256 * 2 ** 20;
/** Of the touches of one path, the one that matters most. */
const RANK: readonly Touch[] = ['listed', 'read', 'run', 'written'];

/** Reads what strace wrote. @param folder where the program began, for paths that are relative */
export async function readTouches(
  file: string,
  folder: string,
): Promise<{ readonly touches: Touches; readonly isWhole: boolean }> {
  const touches = new Map<string, Touch>();
  const open_ = new Map<string, string>();
  let left = TRACE_BYTES_MAX;
  const handle = await open(file);
  try {
    // Its lines are ASCII: everything else is escaped.
    for await (const line of handle.readLines({ encoding: 'latin1' })) {
      left -= line.length + 1;
      if (left < 0) break;
      const whole = joined(line, open_);
      const found = whole === undefined ? undefined : touchIn(whole, folder);
      if (found === undefined) continue;
      const known = touches.get(found.path);
      if (known === undefined || RANK.indexOf(known) < RANK.indexOf(found.touch)) {
        touches.set(found.path, found.touch);
      }
    }
  } finally {
    await handle.close();
  }
  return { touches, isWhole: left >= 0 };
}

/** A call in one piece, where another process came between its halves. @param begun the first halves, by process */
function joined(line: string, begun: Map<string, string>): string | undefined {
  const [, process = '', call = ''] = /^(?:\[pid +)?(\d+)\]? +(.*)$/.exec(line) ?? [];
  const half = /^(.*) <unfinished \.\.\.>$/.exec(call)?.[1];
  if (half !== undefined) {
    begun.set(process, half);
    return undefined;
  }
  const rest = /^<\.\.\. \w+ resumed>(.*)$/.exec(call)?.[1];
  if (rest === undefined) return call;
  const before = begun.get(process) ?? '';
  begun.delete(process);
  return before + rest;
}

/** What one call did. Calls that failed did nothing. */
export function touchIn(
  call: string,
  folder: string,
): { readonly path: string; readonly touch: Touch } | undefined {
  const run =
    /^execve(?:at)?\((?:AT_FDCWD(?:<((?:[^>\\]|\\.)*)>)?, )?"((?:[^"\\]|\\.)*)".* = 0$/.exec(call);
  if (run) return { path: posix.resolve(folder, unescaped(run[2] ?? '')), touch: 'run' };
  // The path behind the number is the file itself, links and folders resolved.
  const opened =
    /^(?:open|openat|openat2|creat)\((.*) = \d+<((?:[^>\\]|\\.)*)>(?:\(deleted\))?$/.exec(call);
  if (!opened) return undefined;
  const [, words = '', path = ''] = opened;
  const flags = /[\s,{=|](O_[A-Z_|]+)/.exec(words)?.[1]?.split('|') ?? [];
  const writes = call.startsWith('creat') || flags.some((flag) => WRITING.has(flag));
  const touch = writes ? 'written' : flags.includes('O_DIRECTORY') ? 'listed' : 'read';
  if (flags.includes('O_PATH') || !path.startsWith('/')) return undefined;
  return { path: unescaped(path), touch };
}

const WRITING = new Set(['O_WRONLY', 'O_RDWR', 'O_CREAT', 'O_TRUNC']);
const ESCAPES: { readonly [letter: string]: number } = {
  n: 10,
  t: 9,
  r: 13,
  v: 11,
  f: 12,
  a: 7,
  b: 8,
};

/** A text with the escapes of C, as strace writes it. Bytes that are no UTF-8 become U+FFFD. */
export function unescaped(text: string): string {
  const bytes: number[] = [];
  for (const [, octal, hex, letter, plain] of text.matchAll(
    /\\([0-7]{1,3})|\\x([0-9a-f]{2})|\\(.)|([^\\])/gs,
  )) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (letter !== undefined) bytes.push(ESCAPES[letter] ?? letter.charCodeAt(0));
    else bytes.push((plain ?? '').charCodeAt(0) & 0xff);
  }
  return Buffer.from(bytes).toString('utf8');
}
