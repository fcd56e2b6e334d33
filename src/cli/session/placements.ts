// placements.ts — where each stage runs, by pipeline.yaml, files of settings and --on
import type { Pipeline } from '../../engine/config/config.ts';
import type { ExecutorConfig } from '../../engine/config/executors.ts';
import { choiceOf, type OnChoice } from '../../engine/config/needs.ts';
import { type Placement, placementOf, unknownChoices } from '../../engine/config/placement.ts';
import type { Diagnostic } from '../../engine/model/event.ts';
import { executorSettings } from '../settings/executor-settings.ts';
import { ownSettings } from './own-settings.ts';
import { UsageError } from './usage-error.ts';

/** The clusters that are known here, by name. */
export const executorsHere = (
  pipeline: Pick<Pipeline, 'executors'>,
): ReadonlyMap<string, ExecutorConfig> =>
  new Map(
    [...executorSettings(pipeline.executors ?? new Map(), ownSettings())].map(
      ([name, { value }]) => [name, value],
    ),
  );

/** Where stages run, and what is wrong with that. */
export interface Placements {
  readonly byStage: ReadonlyMap<string, Placement>;
  readonly problems: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** Where each stage runs. @param on what `--on` says @throws UsageError where that is no choice */
export function placementsOf(
  pipeline: Pick<Pipeline, 'executors' | 'stages'>,
  on?: string,
): Placements {
  const executors = executorsHere(pipeline);
  const over = on === undefined ? undefined : choicesOf(on);
  const byStage = new Map<string, Placement>();
  const problems: Diagnostic[] = [];
  const warnings: Diagnostic[] = [];
  for (const stage of pipeline.stages.values()) {
    const placement = placementOf(stage, executors, over);
    if (placement.ok) byStage.set(stage.name, placement.value);
    else problems.push(...placement.diagnostics);
    if (placement.ok && over === undefined) warnings.push(...unknownChoices(stage, executors));
  }
  return { byStage, problems, warnings };
}

/** The choices of `--on`: one, or several with commas between. */
function choicesOf(text: string): readonly OnChoice[] {
  let start = 0;
  return text.split(',').map((word) => {
    const place = { file: '--on', text, start, end: start + word.length };
    start += word.length + 1;
    const choice = choiceOf(word, place);
    if (choice) return choice;
    const hint = 'such as --on cluster, --on cluster/gpu or --on local';
    const message = `\`${word}\` is no executor`;
    throw new UsageError([{ message, place, hint }]);
  });
}
