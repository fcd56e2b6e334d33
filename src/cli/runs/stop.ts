// stop.ts — Ctrl-C: once to stop at the next checkpoints, twice to stop now; a closed terminal; Ctrl-Z
import { isatty } from 'node:tty';
import { signalProgram } from '../../engine/process/processes.ts';
import { killProgramsNow } from '../../engine/process/shell.ts';
import { supervisedPrograms } from '../../engine/process/supervisor.ts';
import { EXIT } from '../session/session.ts';

/** While a pipeline is loaded, `process.exit` is another: a stage that ends the process must not end ours. */
const exit: (code: number) => never = process.exit.bind(process);

const HANG_UP_MS = 5000;

/** Hears signals until it is let go. */
export interface Stop {
  /** Aborted by the first. */
  readonly signal: AbortSignal;
  /** To be called when the process ends at once, for the second. */
  readonly atEnd: Set<() => void>;
  /** What is done first when the terminal is closed or the connection to it breaks, within 5 s. */
  readonly atHangUp: Set<() => Promise<void>>;
  release(): void;
}

/** Ends this process, and the programs that commands run: they are in sessions of their own, which Ctrl-C spares. */
function endNow(): never {
  killProgramsNow();
  exit(EXIT.interrupted);
}

/**
 * Hears SIGINT and SIGTERM, and SIGHUP, which a terminal sends when it is closed. A shell may send that once more: it never
 * asks to stop at once. SIGQUIT is not heard: it ends this process, and the supervisor ends the programs.
 */
export function hearStop(): Stop {
  const stop = new AbortController();
  const atEnd = new Set<() => void>();
  const atHangUp = new Set<() => Promise<void>>();
  const onHangUp = (): void => {
    if (stop.signal.aborted) return;
    const first = Promise.allSettled([...atHangUp].map((leave) => leave()));
    const late = setTimeout(() => stop.abort(), HANG_UP_MS);
    void first.then(() => {
      clearTimeout(late);
      stop.abort();
    });
  };
  const onSignal = (): void => {
    if (stop.signal.aborted) {
      for (const end of atEnd) end();
      endNow();
    }
    stop.abort();
  };
  const heard: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ['SIGINT', onSignal],
    ['SIGTERM', onSignal],
    ['SIGHUP', onHangUp],
    ['SIGTSTP', suspend],
    ['SIGCONT', resume],
  ];
  for (const [signal, hear] of heard) process.on(signal, hear);
  endQuietlyWithTerminal();
  return {
    signal: stop.signal,
    atEnd,
    atHangUp,
    release() {
      for (const [signal, hear] of heard) process.off(signal, hear);
    },
  };
}

/**
 * Node aborts, with a core dump, when it ends and cannot restore the modes of its terminal. Where that was closed
 * meanwhile, this process ends as SIGHUP would have ended it; there is nobody to see the exit code.
 */
function endQuietlyWithTerminal(): void {
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  process.once('exit', () => {
    if (terminals.every((descriptor) => isatty(descriptor))) return;
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  });
}

/** Ctrl-Z: programs and workers are in sessions of their own, which the terminal does not suspend. */
function suspend(): void {
  for (const mark of supervisedPrograms()) signalProgram(mark, 'SIGSTOP');
  process.kill(process.pid, 'SIGSTOP');
}

function resume(): void {
  for (const mark of supervisedPrograms()) signalProgram(mark, 'SIGCONT');
}
