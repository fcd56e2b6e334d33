// failure-message.ts — failures in words
import { plainLog } from '../../plain-text.ts';
import type { TaskError } from '../model/event.ts';
import type { Failure, ProcessEnd } from '../model/failure.ts';
import { memoryLine } from './out-of-memory.ts';
import { quotedWord } from './shell.ts';

/** Of what a worker printed last, so many lines are told. */
const LAST_LINES_TOLD = 8;

const SIGNAL_HINTS: { readonly [signal: string]: string } = {
  SIGKILL: ': the system does so to the largest process when memory runs out',
  SIGSEGV: ': native code crashed',
  SIGBUS: ': native code crashed',
  SIGILL: ': native code crashed',
};

/** A failure as events and logs tell it: words for people, and its cause for programs. */
export function taskErrorOf(failure: Failure): TaskError {
  const { cause } = failure;
  const stack = 'stack' in failure ? failure.stack : undefined;
  const { code = null, signal = null } = 'process' in failure ? failure.process : {};
  return {
    message: formatFailure(failure),
    ...(stack !== undefined && { stack }),
    cause,
    ...(code !== null && { exit: code }),
    ...(signal !== null && { signal }),
    ...('timeout_ms' in failure && { timeout: failure.timeout_ms / 1000 }),
  };
}

/** A failure in words. They may become part of keys of partial inputs, so they do not change without need. */
export function formatFailure(failure: Failure): string {
  const notes = (failure.notes ?? []).map((note) => `\n${note}`).join('');
  const kept =
    failure.keptFolder === undefined ? '' : `\nits folder is kept: ${failure.keptFolder}`;
  return `${what(failure)}${notes}${kept}`;
}

function what(failure: Failure): string {
  if ('message' in failure) return failure.message;
  if ('timeout_ms' in failure) {
    return `it took longer than its timeout of ${failure.timeout_ms / 1000} s, and was stopped`;
  }
  const { argv } = failure.process;
  return argv === null ? formatWorkerEnd(failure.process) : formatCommandEnd(argv, failure.process);
}

function formatCommandEnd(argv: readonly string[], { code, signal, last }: ProcessEnd): string {
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const advice = code === 127 ? ` (is ${argv[0]} installed, and on PATH?)` : '';
  const words = last.map((line) => `\n  ${plainLog(line)}`).join('');
  return `the command ${how}${advice}: ${argv.map(quotedWord).join(' ')}${words}`;
}

function formatWorkerEnd({ code, signal, last }: ProcessEnd): string {
  const lines = last.filter((line) => line.trim() !== '');
  // V8 says in one line among many why it gives up.
  const fatal = lines.find((line) => /^(FATAL ERROR|# Fatal)|out of memory/i.test(line));
  if (fatal && memoryLine([fatal]) !== undefined) {
    return (
      `the worker ran out of memory (${fatal.trim()}): ` +
      'NODE_OPTIONS=--max-old-space-size=MIB gives it more'
    );
  }
  const how =
    signal === null
      ? `the worker ended with exit code ${code} before the stage did: does it exit the process?`
      : `the worker was killed by ${signal}${SIGNAL_HINTS[signal] ?? ''}`;
  const told = (fatal ? [fatal] : lines.slice(-LAST_LINES_TOLD)).map((line) => `  ${line}`);
  return told.length > 0 ? `${how}\nits last words:\n${told.join('\n')}` : how;
}
