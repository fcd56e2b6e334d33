// stage-processes.ts — the processes that a plan asks its stage modules in: one for several modules, or one for each
import type { StageCode } from '../bundler/code.ts';
import type { Digest } from '../model/key.ts';
import type { StageFault } from '../worker/declaration.ts';
import {
  type ModuleQuestion,
  PLANNING,
  type Planning,
  type StageAnswer,
  type StageQuestion,
} from '../worker/protocol.ts';
import { type HostOptions, type Reply, StageHost } from './stage-host.ts';

/** How modules are asked. */
export interface ProcessOptions extends HostOptions {
  /** How many modules are loaded at once. */
  readonly parallel: number;
}

/** An answer to a question, and all that the module printed in the process that it is in. */
export interface Asked {
  readonly reply: Exclude<Reply, { readonly end: 'unshareable' }>;
  readonly answers: readonly StageAnswer[];
  readonly printed: readonly string[];
}

/** So many processes wait for more questions; the one that was asked longest ago goes first. */
const IDLE_MAX = 8;
/** Packages that tools load may be large and native: they get so many times the limit. */
const TOOLS_PATIENCE = 3;
/** A second process starts when this many modules have one in common: starting it takes as long as loading them. */
const MODULES_BEFORE_NEXT = 6;
/** So many modules are in memory together at most. */
const MODULES_MAX = 24;
/** After so many processes that a module spoilt, modules are asked alone. */
const SPOILT_MAX = 3;
/** A module that may only be slow is asked again alone, with all its time. */
const SHARED_MS_MAX = 5000;
const SHARED_PATIENCE = 1 / 4;

/** A process that several modules share. */
interface Shared {
  readonly host: StageHost;
  /** By module what it printed. */
  readonly modules: Map<Digest, string[]>;
  /** Settles when all that it has been asked is answered. */
  idle: Promise<unknown>;
  isOver: boolean;
}

/**
 * Asks modules. Those of one plan share a process where it makes no difference to them: what one of them does to it is
 * noticed there, and whatever else than an answer comes of that counts for nothing. Such a module is asked again alone,
 * as is one that fails: what it says there is what it says.
 */
export class StageProcesses {
  private readonly queues = new Map<Digest, Promise<unknown>>();
  private readonly alone = new Map<Digest, StageHost>();
  /** Those that do not get on with others. */
  private readonly unshareable = new Set<Digest>();
  private shared: Shared[] = [];
  /** Started for modules that are about to be asked, and by what they are started for. */
  private readonly spare: Record<Planning, StageHost[]> = {
    [PLANNING.alone]: [],
    [PLANNING.shared]: [],
  };
  private spoilt = 0;
  private readonly gate: Gate;
  private readonly options: ProcessOptions;

  constructor(options: ProcessOptions) {
    this.options = options;
    this.gate = new Gate(options.parallel);
  }

  /** Asks a module, one question after another. `mayShare`: in a process that it shares with others, if it can. */
  ask(
    code: StageCode,
    question: StageQuestion,
    { mayShare }: { readonly mayShare: boolean },
  ): Promise<Asked> {
    const before = this.queues.get(code.digest) ?? Promise.resolve();
    const asked = before.then(async () => {
      const isShared = mayShare && question.ask !== 'tools';
      const together = isShared ? await this.askShared(code.digest, question) : undefined;
      return together ?? this.gate.pass(() => this.askAlone(code.digest, question));
    });
    this.queues.set(code.digest, asked);
    return asked;
  }

  /**
   * Starts processes for modules about which something is to be asked soon: that takes as long as to bundle or to plan them,
   * which goes on meanwhile.
   */
  prepare(modules: number, { mayShare }: { readonly mayShare: boolean }): void {
    const wanted = mayShare ? Math.ceil(modules / MODULES_BEFORE_NEXT) : modules;
    const { parallel, worker } = this.options;
    const planning = mayShare ? PLANNING.shared : PLANNING.alone;
    const spare = this.spare[planning];
    const used = mayShare ? this.shared.length : this.alone.size;
    while (spare.length + used < Math.min(wanted, parallel)) {
      spare.push(new StageHost(worker, planning));
    }
  }

  /** Ends every process. */
  close(): void {
    for (const spare of Object.values(this.spare)) {
      for (const host of spare.splice(0)) host.close();
    }
    for (const host of this.alone.values()) host.close();
    for (const { host } of this.shared) host.close();
    this.alone.clear();
    this.shared = [];
  }

  /** @returns undefined when the module has to be asked alone */
  private async askShared(digest: Digest, question: ModuleQuestion): Promise<Asked | undefined> {
    for (;;) {
      if (this.unshareable.has(digest) || this.spoilt >= SPOILT_MAX) return undefined;
      const shared = this.processFor(digest);
      const asked = shared.idle.then(() => this.askIn(shared, digest, question));
      shared.idle = asked;
      const answer = await asked;
      // Another module spoilt it first.
      if (answer === 'over') continue;
      if (answer === 'unshareable') this.unshareable.add(digest);
      return answer === 'unshareable' ? undefined : answer;
    }
  }

  /** The process that holds a module already, or takes it. */
  private processFor(digest: Digest): Shared {
    const holding = this.shared.find(({ modules }) => modules.has(digest));
    if (holding) return holding;
    const mayStart = this.shared.length < this.options.parallel;
    const most = mayStart ? MODULES_BEFORE_NEXT : MODULES_MAX;
    const [emptiest] = [...this.shared].sort((a, b) => a.modules.size - b.modules.size);
    if (emptiest && emptiest.modules.size < most) {
      emptiest.modules.set(digest, []);
      return emptiest;
    }
    const host = this.newHost(PLANNING.shared);
    const modules = new Map([[digest, []]]);
    const started = { host, modules, idle: Promise.resolve(), isOver: false };
    this.shared.push(started);
    return started;
  }

  private async askIn(
    shared: Shared,
    digest: Digest,
    question: ModuleQuestion,
  ): Promise<Asked | 'over' | 'unshareable'> {
    if (shared.isOver) return 'over';
    const answers: StageAnswer[] = [];
    const add = (some: readonly StageAnswer[]): void => {
      for (const answer of some) answers.push(answer);
    };
    const limit_ms = Math.min(SHARED_MS_MAX, SHARED_PATIENCE * this.options.limit_ms);
    const reply = await shared.host.ask({ ...question, isShared: true }, add, limit_ms);
    const printed = shared.modules.get(digest) ?? [];
    printed.push(...shared.host.printed.splice(0));
    const isAnswered = reply.end === 'declared' || reply.end === 'answered';
    if (isAnswered && answers.every(isSound)) return { reply, answers, printed };
    if (reply.end !== 'unshareable' || reply.isSpoilt) this.retire(shared);
    return 'unshareable';
  }

  private retire(shared: Shared): void {
    shared.isOver = true;
    shared.host.close();
    this.shared = this.shared.filter((other) => other !== shared);
    this.spoilt += 1;
  }

  private async askAlone(digest: Digest, question: StageQuestion): Promise<Asked> {
    const host = this.alone.get(digest) ?? this.newHost(PLANNING.alone);
    this.alone.delete(digest);
    const answers: StageAnswer[] = [];
    const add = (some: readonly StageAnswer[]): void => {
      for (const answer of some) answers.push(answer);
    };
    const patience = question.ask === 'tools' ? TOOLS_PATIENCE : 1;
    const reply = await host.ask(question, add, patience * this.options.limit_ms);
    // Packages that tools load stay in their process.
    if ('reads' in reply && question.ask !== 'tools') this.rest(digest, host);
    else host.close();
    if (reply.end === 'unshareable') throw new Error('bug: a module alone shares nothing');
    return { reply, answers, printed: host.printed };
  }

  private newHost(planning: Planning): StageHost {
    return this.spare[planning].pop() ?? new StageHost(this.options.worker, planning);
  }

  private rest(digest: Digest, host: StageHost): void {
    this.alone.set(digest, host);
    for (const [oldest, other] of this.alone) {
      if (this.alone.size <= IDLE_MAX) break;
      this.alone.delete(oldest);
      other.close();
    }
  }
}

/** Whether nothing failed on the way to an answer. */
function isSound(answer: StageAnswer): boolean {
  const { fault } = (answer ?? {}) as { readonly fault?: StageFault | null };
  return fault === undefined || fault === null;
}

/** Lets so many through at once. */
class Gate {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.free -= 1;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}
