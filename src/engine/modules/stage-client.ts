// stage-client.ts — declarations and answers of stage modules: from the cache, or from processes that load them

import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { elementAt } from '../../present.ts';
import type { ModuleRequest, StageCode } from '../bundler/code.ts';
import type { EnvironmentMark } from '../files/environment-mark.ts';
import { makeFolder } from '../files/make-folder.ts';
import { settleFile } from '../files/store-access.ts';
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
import { type Asked, type ProcessOptions, StageProcesses } from './stage-processes.ts';

/** What a client needs. */
export interface ClientOptions extends ProcessOptions, AnswersPlace {
  /** Folder of the project, whose packages are loaded. */
  readonly root: string;
}

/** `work` may ask for further names of upstream params, depending on what it was given: so often. */
const WORK_ROUNDS_MAX = 50;
/** One alone needs nobody who looks after a process that modules share. */
const MODULES_SHARED_MIN = 2;

const FORM_HINT =
  'export default defineStage({ params: z.object({ … }), inputs: { … }, outputs: { NAME: json() }, run })';

/** Asks stage modules for a plan. To be closed. */
export class StageClient implements StageAnswers {
  private readonly kept = new Map<Digest, Promise<ModuleAnswers>>();
  /** Those of `kept` that are here. */
  private readonly read = new Map<Digest, ModuleAnswers>();
  /** Modules that are going to be asked of params. */
  private readonly expected = new Set<Digest>();
  private readonly processes: StageProcesses;
  /** By module what it printed. */
  private readonly logs = new Map<Digest, string>();
  private readonly options: ClientOptions;
  private meanwhile: (() => void) | undefined;

  /** @param meanwhile what is done once, when this process waits for the first time: for a bundle, or for an answer */
  constructor(options: ClientOptions, meanwhile?: () => void) {
    this.options = options;
    this.meanwhile = meanwhile;
    this.processes = new StageProcesses(options);
  }

  /** What a module declares, or why that cannot be known. */
  async declaration(code: StageCode, { run, place }: ModuleRequest): Promise<Result<StageModule>> {
    const answers = await this.answersOf(code);
    if (answers.declaration) return success({ code, declaration: answers.declaration });
    const { reply } = await this.ask(code, { ask: 'declaration', bundle: code });
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

  /** Hears that modules are about to be asked of which nothing is kept. @param modules how many @param of of so many */
  prepare(modules: number, of: number): void {
    this.processes.prepare(modules, { mayShare: of >= MODULES_SHARED_MIN });
  }

  expect({ code }: StageModule): void {
    if (this.expected.has(code.digest)) return;
    this.expected.add(code.digest);
    this.processes.prepare(this.expected.size, {
      mayShare: this.kept.size >= MODULES_SHARED_MIN,
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
        { ask: 'params', bundle: code, given: open.map((at) => elementAt(given, at).values) },
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
        { ask: 'work', bundle: code, questions },
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
    const question: StageQuestion = { ask: 'tools', bundle: code, root, params };
    const { reply, answers } = await this.ask(code, question);
    return reply.end === 'answered' && answers.length === params.length
      ? (answers as readonly (Tools | null)[])
      : faultOf(reply);
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

  /** Hears that this process is about to wait. */
  whileWaiting(): void {
    // After the others that are asked at the same time.
    if (this.meanwhile) setImmediate(this.meanwhile);
    this.meanwhile = undefined;
  }

  /** Ends every process, and keeps what was learnt. */
  async close(): Promise<void> {
    this.processes.close();
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
    const { reply, answers } = await this.ask(code, question);
    const missing = Math.max(0, count - answers.length);
    const fault = missing > 0 ? faultOf(reply) : undefined;
    const failures = fault ? new Array<Answer>(missing).fill(failed(fault)) : [];
    return [
      ...(answers as readonly StageAnswer[] as readonly Answer[]).slice(0, count),
      ...failures,
    ];
  }

  private async ask(code: StageCode, question: StageQuestion): Promise<Asked> {
    const mayShare = this.kept.size >= MODULES_SHARED_MIN;
    const asking = this.processes.ask(code, question, { mayShare });
    this.whileWaiting();
    const asked = await asking;
    await this.log(code.digest, asked.printed);
    // No answer depends on packages that tools load, which read much.
    if ('reads' in asked.reply && question.ask !== 'tools') {
      this.read.get(code.digest)?.noteReads(asked.reply.reads);
    }
    return asked;
  }

  /** Keeps what a module printed in a file beside its bundle. */
  private async log(digest: Digest, lines: readonly string[]): Promise<void> {
    const text = lines.map((line) => `${line}\n`).join('');
    if (text === (this.logs.get(digest) ?? '')) return;
    this.logs.set(digest, text);
    const file = logFile(this.options.cache, digest);
    try {
      makeFolder(dirname(file));
      // In the place of whatever lies there.
      rmSync(file, { recursive: true, force: true });
      await writeFile(file, text);
      settleFile(file);
    } catch {
      // A log that cannot be kept is missed by nobody but a reader.
    }
  }

  private whatWasPrinted({ digest }: StageCode): string | undefined {
    if (!this.logs.has(digest)) return undefined;
    return `what it printed is in ${logFile(this.options.cache, digest)}`;
  }
}

/** Where the lines are that a module printed when it was loaded and asked. */
export const logFile = (cache: string, bundle: Digest): string =>
  join(cache, 'bundles', `${bundle}.log`);

const faultOf = (reply: Asked['reply']): StageFault =>
  'fault' in reply ? reply.fault : { message: 'it gave too few answers' };

const endless = (answer: WorkAnswer): WorkAnswer =>
  answer.unknown.length === 0
    ? answer
    : {
        work: null,
        unknown: [],
        fault: { message: 'its work asks for ever more upstream params' },
      };
