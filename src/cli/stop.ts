// stop.ts — Ctrl-C: once to stop at the next checkpoints, twice to stop now
import { runningGroups } from '../pipeline/shell.ts';
import { EXIT } from './session.ts';

/** While a pipeline is loaded, `process.exit` is another: a stage that ends the process must not end ours. */
const exit: (code: number) => never = process.exit.bind(process);

/** Hears signals until it is let go. */
export interface Stop {
  /** Aborted by the first. */
  readonly signal: AbortSignal;
  /** To be called when the process ends at once, for the second. */
  readonly atEnd: Set<() => void>;
  release(): void;
}

/** Ends this process, and the programs that commands run: they are in groups of their own, which Ctrl-C spares. */
function endNow(): never {
  for (const group of runningGroups()) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  exit(EXIT.interrupted);
}

/** Hears SIGINT and SIGTERM. */
export function hearStop(): Stop {
  const stop = new AbortController();
  const atEnd = new Set<() => void>();
  const onSignal = (): void => {
    if (stop.signal.aborted) {
      for (const end of atEnd) end();
      endNow();
    }
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: stop.signal,
    atEnd,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
