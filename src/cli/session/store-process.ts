// store-process.ts — checks and repairs a store in another process, and judges by how that process ends
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hasPipes } from '../../engine/process/pipes.ts';
import type { Defect } from '../../engine/store/maintenance/fsck.ts';
import type { Saved } from '../../engine/store/maintenance/rebuild.ts';

/** A line that the other process says. */
export type StoreReport =
  | { readonly progress: readonly [done: number, of: number] }
  | { readonly defect: Defect }
  | { readonly damaged: string }
  | { readonly saved: Saved }
  | { readonly error: string; readonly hint?: string }
  | { readonly beat: true }
  | { readonly end: true };

/** What the other process came to. */
export interface StoreVerdict {
  readonly reports: readonly StoreReport[];
  /** Why the store is damaged as a whole: what the process found, or how it ended. */
  readonly damaged?: string;
  /** What hindered it that is no damage, such as a full disk. */
  readonly error?: { readonly message: string; readonly hint?: string };
}

/** A process that says nothing for so long goes in circles. */
const SILENCE_MS = 120_000;

const command = (words: readonly string[]): readonly [string, readonly string[]] => [
  process.execPath,
  [fileURLToPath(new URL('./store-check.js', import.meta.url)), ...words],
];

/** How the other process is run. */
export interface StoreProcessOptions {
  readonly input?: string;
  readonly onReport?: (report: StoreReport) => void;
  readonly silence_ms?: number;
}

/** Runs the other process to its end, whatever that is. */
export function runStoreProcess(
  words: readonly string[],
  options: StoreProcessOptions = {},
): Promise<StoreVerdict> {
  return watchProcess(command(words), options);
}

/** Runs a process that reports in lines of JSON, and ends it when it says nothing for too long. */
export async function watchProcess(
  [program, words]: readonly [string, readonly string[]],
  { input = '', onReport = () => undefined, silence_ms = SILENCE_MS }: StoreProcessOptions,
): Promise<StoreVerdict> {
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<string | undefined>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? (code === 0 ? undefined : `${code}`)));
  });
  // It could not be started, which is thrown here.
  if (!hasPipes(child)) await ended;
  // It may end before it has read what it is given.
  child.stdin.on('error', () => undefined).end(input);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-2000);
  });
  let isSilent = false;
  const end = (): void => {
    isSilent = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(end, silence_ms);
  const reports: StoreReport[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(timer);
    timer = setTimeout(end, silence_ms);
    const report = JSON.parse(line) as StoreReport;
    reports.push(report);
    onReport(report);
  }
  const how = await ended;
  clearTimeout(timer);
  return verdictOf(reports, isSilent ? 'silence' : how, said);
}

/** Looks at a store at once, but for the content of its blobs; gives why it is damaged. */
export function probeStore(cache: string): string | undefined {
  const [program, words] = command(['probe', cache]);
  const { stdout, stderr, status, signal, error } = spawnSync(program, words, {
    encoding: 'utf8',
    timeout: SILENCE_MS,
    killSignal: 'SIGKILL',
  });
  // Where it could not be started, which says nothing about the store, there is none: the types do not say so.
  if (typeof stdout !== 'string') throw error;
  const reports = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  return verdictOf(reports, signal ?? (status === 0 ? undefined : `${status}`), stderr).damaged;
}

function verdictOf(
  reports: readonly StoreReport[],
  how: string | undefined,
  said: string,
): StoreVerdict {
  for (const report of reports) {
    if ('damaged' in report) return { reports, damaged: report.damaged };
    if ('error' in report) {
      const { error: message, hint } = report;
      return { reports, error: { message, ...(hint !== undefined && { hint }) } };
    }
  }
  if (how === undefined && reports.some((report) => 'end' in report)) return { reports };
  return { reports, damaged: endWords(how, said) };
}

/** How the process ended that read the store. */
function endWords(how: string | undefined, said: string): string {
  if (how === 'silence') return 'reading it comes to no end';
  if (how?.startsWith('SIG')) return `LMDB does not survive it (${how})`;
  const last = said
    .split('\n')
    .filter((line) => /\S/.test(line) && !/^\s+at |^Node\.js /.test(line))
    .at(-1);
  return last === undefined ? 'it cannot be read' : `it cannot be read (${last.trim()})`;
}
