// stage-host.ts — the near side of a process that loads stage modules and answers for them

import { formatFailure } from '../process/failure-message.ts';
import type { Declaration, StageFault } from '../worker/declaration.ts';
import {
  startWorker,
  type WorkerCommand,
  type WorkerProcess,
  type WorkerProcessCallbacks,
} from '../worker/launch.ts';
import type {
  OutsideReads,
  Planning,
  StageAnswer,
  StageQuestion,
  WorkerMessage,
} from '../worker/protocol.ts';

/** How such processes are run. */
export interface HostOptions {
  readonly worker: WorkerCommand;
  /** A module that says nothing for so long is ended. */
  readonly limit_ms: number;
}

/** How a question ended. */
export type Reply =
  | {
      readonly end: 'declared';
      readonly declaration: Declaration | null;
      readonly reads: OutsideReads;
    }
  | { readonly end: 'answered'; readonly reads: OutsideReads }
  /** Of a process with several modules: this one has to be asked alone. */
  | { readonly end: 'unshareable'; readonly isSpoilt: boolean }
  /** `threw`: it said why. `ended`: its process ended, or had to be ended. */
  | { readonly end: 'threw' | 'ended'; readonly fault: StageFault };

/** A process may take so long to start, however busy the machine is. */
const START_MS = 120_000;
/** Of what a module printed, so much is kept. */
const KEPT_LINES = 1000;

/** A process that stage modules are loaded and asked in. It is asked one thing at a time. */
export class StageHost {
  /** What was printed, by whatever way. */
  readonly printed: string[] = [];
  private readonly child: WorkerProcess;
  private hear: (message: WorkerMessage) => void = (message) => this.hearUnasked(message);
  private hasAnswered = false;
  private died: StageFault | undefined;
  private tellDeath: (fault: StageFault) => void = () => undefined;

  constructor(worker: WorkerCommand, planning: Planning) {
    const callbacks: WorkerProcessCallbacks = {
      said: (message) => {
        this.hear(message);
        return undefined;
      },
      printed: (line) => this.keep(line),
      died: (failure) => {
        const message = formatFailure(failure);
        this.died ??=
          failure.cause === 'infrastructure' ? { message, hint: NO_FAULT } : { message };
        this.tellDeath(this.died);
      },
    };
    // A module only declares.
    this.child = startWorker([...worker, planning], callbacks, { connects: false });
  }

  /** Asks, and passes answers on as they come. @param limit_ms how long it may be silent */
  ask(
    question: StageQuestion,
    answered: (answers: readonly StageAnswer[]) => void,
    limit_ms: number,
  ): Promise<Reply> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const end = (reply: Reply): void => {
        clearTimeout(timer);
        this.hasAnswered = true;
        this.hear = (message) => this.hearUnasked(message);
        this.tellDeath = () => undefined;
        if (reply.end === 'ended') this.child.kill();
        resolve(reply);
      };
      const wait = (ms: number): void => {
        clearTimeout(timer);
        timer = setTimeout(() => end({ end: 'ended', fault: lateFault(limit_ms) }), ms);
      };
      this.tellDeath = (fault) => end({ end: 'ended', fault });
      this.hear = (message) => {
        if (message.say === 'begun') wait(limit_ms);
        else if (message.say === 'answers') {
          wait(limit_ms);
          answered(message.answers);
        } else if (message.say === 'log') this.keep(message.line);
        else end(replyOf(message));
      };
      if (this.died !== undefined) {
        this.tellDeath(this.died);
        return;
      }
      // Only the first question waits for the process to start.
      wait(this.hasAnswered ? limit_ms : START_MS + limit_ms);
      this.child.ask(question);
    });
  }

  /** Ends the process at once, whatever it does. */
  close(): void {
    this.child.kill();
  }

  /** What it died of between two questions is the answer to the next one. */
  private hearUnasked(message: WorkerMessage): void {
    if (message.say === 'died') this.died = { message: message.message };
  }

  private keep(line: string): void {
    if (this.printed.length < KEPT_LINES) this.printed.push(line);
  }
}

/** The variable of the environment that sets the time limit, in seconds. */
export const LIMIT_VARIABLE = 'PIPELINE_LOAD_TIMEOUT';

const NO_FAULT = 'this machine could not do it; nothing is known to be wrong with the stage';

const UNSETTLED: StageFault = {
  message: 'its top-level `await` waits for what never happens',
  hint: 'await in `run` what a task needs; a stage module only declares',
};

function replyOf(message: WorkerMessage): Reply {
  switch (message.say) {
    case 'declared':
      return { end: 'declared', declaration: message.declaration, reads: message.reads };
    case 'answered':
      return { end: 'answered', reads: message.reads };
    case 'unshareable':
      return { end: 'unshareable', isSpoilt: message.isSpoilt };
    case 'unsettled':
      return { end: 'ended', fault: UNSETTLED };
    case 'failed':
    case 'died':
      return { end: 'threw', fault: { message: message.message } };
    default:
      return { end: 'ended', fault: { message: `it said \`${message.say}\`, which is no answer` } };
  }
}

const lateFault = (limit_ms: number): StageFault => ({
  message: `it did not end within ${limit_ms / 1000} s`,
  hint: `a stage module only declares: what takes long belongs into \`run\`; ${LIMIT_VARIABLE}=SECONDS allows more time`,
});
