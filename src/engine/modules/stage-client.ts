// stage-client.ts — declarations and answers of stage modules: from the cache, or from processes that load them

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { elementAt } from '../../present.ts';
import type { ModuleRequest, StageCode } from '../bundler/code.ts';
import type { EnvironmentMark } from '../files/environment-mark.ts';
import { failure, type Result, success } from '../model/event.ts';
import { byCodeUnit, type Digest, type Json, type Named } from '../model/key.ts';
import type { Tools } from '../stage.ts';
import type {
  GivenValues,
  ParamsAnswer,
  StageAnswers,
  StageFault,
  StageModule,
  UpstreamValues,
  WorkAnswer,
  WorkQuestion,
} from '../worker/declaration.ts';
import type { StageAnswer, StageQuestion } from '../worker/protocol.ts';
import { type AnswersPlace, ModuleAnswers } from './answer-cache.ts';
import { type HostOptions, type Reply, StageHost } from './stage-host.ts';

/** What a client needs. */
export interface ClientOptions extends HostOptions, AnswersPlace {
  /** Folder of the project, whose packages are loaded. */
  readonly root: string;
  /** How many modules are loaded at once. */
  readonly parallel: number;
}

/** So many processes wait for more questions; the one that was asked longest ago goes first. */
const IDLE_MAX = 8;
/** `work` may ask for further names of upstream params, depending on what it was given: so often. */
const WORK_ROUNDS_MAX = 50;
/** Packages that tools load may be large and native: they get so many times the limit. */
const TOOLS_PATIENCE = 3;

const FORM_HINT =
  'export default defineStage({ params: z.object({ … }), inputs: { … }, outputs: { NAME: json() }, run })';

/** Asks stage modules for a plan. To be closed. */
export class StageClient implements StageAnswers {
  private readonly kept = new Map<Digest, Promise<ModuleAnswers>>();
  /** Those of `kept` that are here. */
  private readonly read = new Map<Digest, ModuleAnswers>();
  private readonly queues = new Map<Digest, Promise<unknown>>();
  private readonly idle = new Map<Digest, StageHost>();
  private readonly logs = new Map<Digest, readonly string[]>();
  private readonly gate: Gate;
  private readonly options: ClientOptions;

  constructor(options: ClientOptions) {
    this.options = options;
    this.gate = new Gate(options.parallel);
  }

  /** What a module declares, or why that cannot be known. */
  async declaration(code: StageCode, { run, place }: ModuleRequest): Promise<Result<StageModule>> {
    const answers = await this.answersOf(code);
    if (answers.declaration) return success({ code, declaration: answers.declaration });
    const reply = await this.ask(code, { ask: 'declaration', bundle: code.file }, () => undefined);
    if (reply.end === 'declared') {
      if (reply.declaration === null) {
        return failure({ message: `${run} does not export a stage`, place, hint: FORM_HINT });
      }
      answers.declare(reply.declaration);
      return success({ code, declaration: reply.declaration });
    }
    const { message, hint } = faultOf(reply);
    const what = `stage module ${run}`;
    const words =
      reply.end === 'ended' ? `${what} cannot be loaded` : `${what} throws when it is loaded`;
    const printed = this.whatWasPrinted(code);
    const hints = [hint, printed].filter((one) => one !== undefined);
    return failure({
      message: `${words}: ${message}`,
      place,
      ...(hints.length > 0 && { hint: hints.join('; ') }),
    });
  }

  known({ code }: StageModule, text: string): ParamsAnswer | undefined {
    return this.read.get(code.digest)?.paramsAnswer(ModuleAnswers.keyOfParams(text));
  }

  async params(
    { code }: StageModule,
    given: readonly GivenValues[],
  ): Promise<readonly ParamsAnswer[]> {
    const kept = await this.answersOf(code);
    const keys = given.map(({ text }) => ModuleAnswers.keyOfParams(text));
    const answers = keys.map((key) => kept.paramsAnswer(key));
    const open = keys.flatMap((_, at) => (answers[at] === undefined ? [at] : []));
    if (open.length > 0) {
      const fresh = await this.batch<ParamsAnswer>(
        code,
        { ask: 'params', bundle: code.file, given: open.map((at) => elementAt(given, at).values) },
        open.length,
        (fault) => ({ params: null, problems: [], files: null, usesTools: false, fault }),
      );
      for (const [index, at] of open.entries()) {
        const answer = elementAt(fresh, index);
        answers[at] = answer;
        if (answer.fault === null) kept.keepParams(elementAt(keys, at), answer);
      }
    }
    return answers as readonly ParamsAnswer[];
  }

  async work(
    { code }: StageModule,
    params: readonly Named<Json>[],
    upstream: (index: number, name: string) => Json | undefined,
  ): Promise<readonly WorkAnswer[]> {
    const kept = await this.answersOf(code);
    const answers: WorkAnswer[] = params.map(() => ({ work: null, unknown: [], fault: null }));
    let open = params.map((_, index) => index);
    for (let round = 0; open.length > 0; round++) {
      const names = [...kept.upstream].sort(byCodeUnit);
      const asked = open.map((index): [index: number, question: WorkQuestion, key: string] => {
        const values = names.map((name) => [name, upstream(index, name)] as UpstreamValues[number]);
        const question = { params: elementAt(params, index), upstream: values };
        return [index, question, ModuleAnswers.keyOfWork(question)];
      });
      const unknown = asked.filter(([index, , key]) => {
        const work = kept.workAnswer(key);
        if (work !== undefined) answers[index] = { work, unknown: [], fault: null };
        return work === undefined;
      });
      const questions = unknown.map(([, question]) => question);
      const fresh = await this.batch<WorkAnswer>(
        code,
        { ask: 'work', bundle: code.file, questions },
        questions.length,
        (fault) => ({ work: null, unknown: [], fault }),
      );
      open = [];
      for (const [at, [index, , key]] of unknown.entries()) {
        const told = elementAt(fresh, at);
        const answer = round < WORK_ROUNDS_MAX ? told : endless(told);
        answers[index] = answer;
        if (answer.unknown.length > 0) open.push(index);
        else if (answer.fault === null) kept.keepWork(key, answer.work);
        for (const name of answer.unknown) kept.askedFor(name);
      }
    }
    return answers;
  }

  /** The tools of each of several params. They are asked for each time: packages come and go. */
  async tools(
    { code }: StageModule,
    params: readonly Named<Json>[],
  ): Promise<readonly (Tools | null)[] | StageFault> {
    const { root } = this.options;
    const tools: (Tools | null)[] = [];
    const question: StageQuestion = { ask: 'tools', bundle: code.file, root, params };
    const reply = await this.ask(code, question, (answers) => {
      for (const answer of answers) tools.push(answer as Tools | null);
    });
    return reply.end === 'answered' && tools.length === params.length ? tools : faultOf(reply);
  }

  /** The variables of the environment that modules looked at. */
  get environment(): readonly EnvironmentMark[] {
    const marks = [...this.read.values()].flatMap((answers) => answers.marks(this.options));
    return [...new Map(marks)];
  }

  /** Whether a module looked at anything else beside its bundle: then it may say something else next time. */
  get readsOutside(): boolean {
    return [...this.read.values()].some((answers) => answers.readsOutside);
  }

  /** Ends every process, and keeps what was learnt. */
  async close(): Promise<void> {
    for (const host of this.idle.values()) host.close();
    this.idle.clear();
    await Promise.all(
      [...this.read].map(([bundle, answers]) => answers.write(this.options, bundle)),
    );
  }

  private answersOf({ digest }: StageCode): Promise<ModuleAnswers> {
    const known = this.kept.get(digest);
    if (known) return known;
    const reading = ModuleAnswers.read(this.options, digest).then((answers) => {
      this.read.set(digest, answers);
      return answers;
    });
    this.kept.set(digest, reading);
    return reading;
  }

  /** Answers to all items of a question; those that did not come are told why. */
  private async batch<Answer extends StageAnswer>(
    code: StageCode,
    question: StageQuestion,
    count: number,
    failed: (fault: StageFault) => Answer,
  ): Promise<readonly Answer[]> {
    if (count === 0) return [];
    const answers: Answer[] = [];
    const reply = await this.ask(code, question, (some) => {
      for (const answer of some) answers.push(answer as Answer);
    });
    const missing = count - answers.length;
    if (missing > 0) {
      const fault = faultOf(reply);
      for (let at = 0; at < missing; at++) answers.push(failed(fault));
    }
    return answers.slice(0, count);
  }

  /** Asks the process of a module, one question after another. */
  private ask(
    code: StageCode,
    question: StageQuestion,
    answered: (answers: readonly StageAnswer[]) => void,
  ): Promise<Reply> {
    const before = this.queues.get(code.digest) ?? Promise.resolve();
    const reply = before.then(() =>
      this.gate.pass(() => this.askNow(code.digest, question, answered)),
    );
    this.queues.set(code.digest, reply);
    return reply;
  }

  private async askNow(
    digest: Digest,
    question: StageQuestion,
    answered: (answers: readonly StageAnswer[]) => void,
  ): Promise<Reply> {
    const { worker, limit_ms } = this.options;
    const patience = question.ask === 'tools' ? TOOLS_PATIENCE : 1;
    const host = this.idle.get(digest) ?? new StageHost({ worker, limit_ms });
    this.idle.delete(digest);
    const reply = await host.ask(question, answered, patience);
    await this.log(digest, host.printed);
    // Packages that tools load read much, and stay where they are: no answer depends on them.
    if ('reads' in reply && question.ask !== 'tools') {
      this.read.get(digest)?.noteReads(reply.reads);
      this.rest(digest, host);
    } else host.close();
    return reply;
  }

  private rest(digest: Digest, host: StageHost): void {
    this.idle.set(digest, host);
    for (const [oldest, other] of this.idle) {
      if (this.idle.size <= IDLE_MAX) break;
      this.idle.delete(oldest);
      other.close();
    }
  }

  /** Keeps what a module printed in a file beside its bundle. */
  private async log(digest: Digest, lines: readonly string[]): Promise<void> {
    if (lines.length === (this.logs.get(digest)?.length ?? 0)) return;
    this.logs.set(digest, [...lines]);
    const file = logFile(this.options.cache, digest);
    await mkdir(join(this.options.cache, 'bundles'), { recursive: true }).catch(() => undefined);
    await writeFile(file, `${lines.join('\n')}\n`).catch(() => undefined);
  }

  private whatWasPrinted({ digest }: StageCode): string | undefined {
    if (!this.logs.has(digest)) return undefined;
    return `what it printed is in ${logFile(this.options.cache, digest)}`;
  }
}

/** Where the lines are that a module printed when it was loaded and asked. */
export const logFile = (cache: string, bundle: Digest): string =>
  join(cache, 'bundles', `${bundle}.log`);

const faultOf = (reply: Reply): StageFault =>
  'fault' in reply ? reply.fault : { message: 'it gave too few answers' };

const endless = (answer: WorkAnswer): WorkAnswer =>
  answer.unknown.length === 0
    ? answer
    : {
        work: null,
        unknown: [],
        fault: { message: 'its work asks for ever more upstream params' },
      };

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
