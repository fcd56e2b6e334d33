// comparison.ts — what a task gave this time beside what it gave then
import { digestOf } from '../../engine/model/key.ts';
import type { OutputVerdict, TaskVerdict } from '../checking/verdict.ts';
import type { Contents } from '../form/contents.ts';
import type { StudyTask } from '../form/study.ts';
import { differenceOf } from './difference.ts';

/** A verdict on each output of a task, by its bits; where they differ, by how far and by the task's tolerance. */
export async function compareOutputs(
  task: StudyTask,
  outputs: ReadonlyMap<string, Uint8Array>,
  contents: Contents,
): Promise<readonly OutputVerdict[]> {
  const verdicts: OutputVerdict[] = [];
  for (const [output, { digest, kind }] of Object.entries(task.outputs)) {
    const made = outputs.get(output);
    if (made === undefined) {
      verdicts.push({ output, verdict: 'different', words: 'it was not given this time' });
      continue;
    }
    if (digestOf(made) === digest) {
      verdicts.push({ output, verdict: 'identical' });
      continue;
    }
    const before = await contents.blob(digest);
    const difference = before && differenceOf(kind, before, made);
    const words =
      difference?.words ?? 'other bytes (its own are not in the archive, or too many to compare)';
    const near =
      task.tolerance !== undefined && (difference?.relative ?? Infinity) <= task.tolerance;
    const verdict = near ? 'within tolerance' : 'different';
    verdicts.push({ output, verdict, words, ...(near && { tolerance: task.tolerance }) });
  }
  return verdicts;
}

/** The verdict on a task: that of its worst output. */
export function worstOf(outputs: readonly OutputVerdict[]): TaskVerdict['verdict'] {
  const order = ['different', 'within tolerance'] as const;
  return order.find((one) => outputs.some(({ verdict }) => verdict === one)) ?? 'identical';
}
