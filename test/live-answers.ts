// live-answers.ts — stage modules that tests declare in place: described and asked in this process, as workers do it

import { digestOf, type Json } from '../src/engine/model/key.ts';
import { answerParams, answerWork, describeStage } from '../src/engine/modules/stage-answers.ts';
import type { StageDeclaration } from '../src/engine/stage.ts';
import type { StageAnswers, StageModule } from '../src/engine/worker/declaration.ts';

/** The modules of a pipeline's stages, by stage, and who answers for them. @param declarations by the path in `run:` */
export function liveModules(
  stages: ReadonlyMap<string, { readonly name: string; readonly run: string }>,
  declarations: Readonly<Record<string, unknown>>,
): { readonly modules: ReadonlyMap<string, StageModule>; readonly answers: StageAnswers } {
  const live = (run: string): StageDeclaration => {
    const declaration = declarations[run] as StageDeclaration | undefined;
    if (declaration === undefined) throw new Error(`the test knows no module ${run}`);
    return declaration;
  };
  const modules = [...stages.values()].map(({ name, run }): [string, StageModule] => [
    name,
    {
      code: { digest: digestOf(run), file: run, bytes: new Uint8Array(0) },
      declaration: describeStage(live(run)),
    },
  ]);
  const answers: StageAnswers = {
    known: () => undefined,
    async params({ code }, given) {
      return given.map(({ values }) => answerParams(live(code.file), values));
    },
    async work({ code }, params, upstream) {
      return params.map((values, index) => {
        const all: [string, Json | undefined][] = [];
        for (;;) {
          const known = all.map(([name, value]) =>
            value === undefined ? ([name] as const) : ([name, value] as const),
          );
          const answer = answerWork(live(code.file), { params: values, upstream: known });
          if (answer.unknown.length === 0) return answer;
          for (const name of answer.unknown) all.push([name, upstream(index, name)]);
        }
      });
    },
  };
  return { modules: new Map(modules), answers };
}
