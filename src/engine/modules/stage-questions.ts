// stage-questions.ts — the far side of planning: loads a stage module and answers questions in batches

import type { Digest } from '../model/key.ts';
import type { StageDeclaration } from '../stage.ts';
import type {
  GivenBundle,
  ModuleQuestion,
  OutsideReads,
  StageAnswer,
  StageQuestion,
  WorkerMessage,
} from '../worker/protocol.ts';
import { bundleText, importStage, loadFrom } from '../worker/stage-module.ts';
import { answerParams, answerWork, describeStage, isStage } from './stage-answers.ts';

/** What the process around it does when a module is loaded and asked. */
export interface LoadHooks {
  begin(): void;
  loaded(): void;
  /** What the module has looked at beside its bundle. */
  reads(): OutsideReads;
  /** In a process with other modules: puts the globals of this one in their place. */
  enter(bundle: Digest): void;
  /** Puts them away. @returns what the module changed that others would see; undefined when nothing */
  leave(bundle: Digest): string | undefined;
}

/** Answers are sent on at least so often: whoever waits hears that there is progress. */
const SEND_EVERY_MS = 200;
/** Not those that a module may have changed. */
const now = performance.now.bind(performance);
const later = setImmediate;

/** Answers one question. @throws what the module throws when it is loaded */
export async function answerQuestion(
  question: StageQuestion,
  say: (message: WorkerMessage) => void,
  hooks: LoadHooks,
): Promise<WorkerMessage> {
  return question.ask !== 'tools' && question.isShared
    ? answerShared(question, say, hooks)
    : answerAlone(question, say, hooks);
}

/** An import that is worked out while a module runs: what it loads is not known before. */
const DYNAMIC_IMPORT = /\bimport\b[^;]{0,40}\(/;

/**
 * Answers where other modules are asked, too. An answer counts only if the module left everything as it was. A module
 * that fails is asked again where it is alone: only there is the failure surely its own.
 */
async function answerShared(
  question: ModuleQuestion,
  say: (message: WorkerMessage) => void,
  hooks: LoadHooks,
): Promise<WorkerMessage> {
  const { bundle } = question;
  if (DYNAMIC_IMPORT.test(bundleText(bundle))) {
    return { say: 'unshareable', why: 'it imports while it runs', isSpoilt: false };
  }
  hooks.enter(bundle.digest);
  const last = await answerAlone(question, say, hooks).catch(() => undefined);
  await turn();
  const why = hooks.leave(bundle.digest);
  if (why !== undefined) return { say: 'unshareable', why: `it ${why}`, isSpoilt: true };
  return last ?? { say: 'unshareable', why: 'it fails', isSpoilt: false };
}

async function answerAlone(
  question: StageQuestion,
  say: (message: WorkerMessage) => void,
  hooks: LoadHooks,
): Promise<WorkerMessage> {
  const stage = await load(question.bundle, hooks);
  if (question.ask === 'declaration') {
    return {
      say: 'declared',
      declaration: isStage(stage) ? describeStage(stage) : null,
      reads: hooks.reads(),
    };
  }
  const batch = new Batch(say);
  for (const answer of answersTo(question, stage)) batch.add(await answer);
  batch.send();
  return { say: 'answered', reads: hooks.reads() };
}

function* answersTo(
  question: Exclude<StageQuestion, { readonly ask: 'declaration' }>,
  stage: StageDeclaration,
): Iterable<StageAnswer | Promise<StageAnswer>> {
  if (question.ask === 'params') {
    for (const given of question.given) yield answerParams(stage, given);
  } else if (question.ask === 'work') {
    for (const one of question.questions) yield answerWork(stage, one);
  } else {
    const packages = loadFrom(question.root);
    for (const params of question.params) {
      yield (async () => (await stage.tools?.(params)?.(packages)) ?? null)();
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void later(resolve));

async function load(bundle: GivenBundle, hooks: LoadHooks): Promise<StageDeclaration> {
  hooks.begin();
  const stage = await importStage(bundle);
  // What it rejects or throws in this very turn belongs to its loading.
  await turn();
  hooks.loaded();
  return stage;
}

/** Answers on their way. */
class Batch {
  private answers: StageAnswer[] = [];
  private sent = now();
  private readonly say: (message: WorkerMessage) => void;

  constructor(say: (message: WorkerMessage) => void) {
    this.say = say;
  }

  add(answer: StageAnswer): void {
    this.answers.push(answer);
    if (now() - this.sent > SEND_EVERY_MS) this.send();
  }

  send(): void {
    this.say({ say: 'answers', answers: this.answers });
    this.answers = [];
    this.sent = now();
  }
}
