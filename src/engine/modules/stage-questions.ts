// stage-questions.ts — the far side of planning: loads a stage module and answers questions in batches

import type { StageDeclaration } from '../stage.ts';
import type {
  OutsideReads,
  StageAnswer,
  StageQuestion,
  WorkerMessage,
} from '../worker/protocol.ts';
import { importStage, loadFrom } from '../worker/stage-module.ts';
import { answerParams, answerWork, describeStage, isStage } from './stage-answers.ts';

/** Tells the process around it when a module is being loaded. */
export interface LoadHooks {
  begin(): void;
  loaded(): void;
  /** What the module has looked at beside its bundle. */
  reads(): OutsideReads;
}

/** Answers are sent on at least so often: whoever waits hears that there is progress. */
const SEND_EVERY_MS = 200;
/** Not one that a module may have changed. */
const now = performance.now.bind(performance);

/** Answers one question. @throws what the module throws when it is loaded */
export async function answerQuestion(
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

async function load(bundle: string, hooks: LoadHooks): Promise<StageDeclaration> {
  hooks.begin();
  const stage = await importStage(bundle);
  // What it rejects or throws in this very turn belongs to its loading.
  await new Promise((resolve) => setImmediate(resolve));
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
