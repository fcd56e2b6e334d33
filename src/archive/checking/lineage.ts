// lineage.ts — whether tasks, their traces, their keys and what they were made from fit together
import { canonicalJson, keyOf, taskId } from '../../engine/model/key.ts';
import { PAYLOAD } from '../form/bag.ts';
import type { Contents } from '../form/contents.ts';
import type { Say } from '../form/finding.ts';
import { absenceOf, inputsOf, PLACES, partsOf, type StudyTask } from '../form/study.ts';

/** A task against its trace, and its trace's key against its parts. */
export function checkTask(
  task: StudyTask,
  place: string,
  { study, traces }: Contents,
  known: ReadonlyMap<string, StudyTask>,
  say: Say,
): void {
  if (known.has(task.task)) say(place, `is a second ${task.task}`);
  if (taskId(task.stage, Object.values(task.at)) !== task.task) {
    say(place, `${task.task} does not stand at its labels`);
  }
  if (!Object.hasOwn(study.stages, task.stage)) say(place, `has no stage ${task.stage}`);
  const absence = absenceOf(task);
  if (absence && Object.keys(task.outputs).length > 0) {
    say(place, `${task.task} ${ABSENT[absence.kind]}, and has outputs`);
  }
  if (task.key === null) {
    if (absence === undefined || absence.kind === 'failed') say(place, `${task.task} has no key`);
    else if (absence.kind === 'skipped' && !isCutOff(task, known))
      say(place, `${task.task} was skipped, and nothing that it needs failed`);
    return;
  }
  const trace = traces.get(task.key);
  if (trace === undefined) {
    say(place, `${task.task} has no trace of its key ${task.key.slice(0, 12)}`);
    return;
  }
  const differs = (what: string, a: unknown, b: unknown): void => {
    if (canonicalJson(a) !== canonicalJson(b)) {
      say(place, `${task.task}: its ${what} are not those of its trace`);
    }
  };
  const { parts } = trace;
  differs('params', task.params, parts.params);
  differs('outputs', task.outputs, trace.outputs);
  differs('reasons', task.infeasible ?? null, trace.infeasible ?? null);
  // One that was skipped for another of the same key has the trace of that one.
  const failed = task.skipped === undefined ? task.failed : trace.failed;
  differs('failures', failed ?? null, trace.failed ?? null);
  if (task.skipped !== undefined && trace.failed === undefined)
    say(place, `${task.task} was skipped, and its action did not fail`);
  differs('tolerances', task.tolerance ?? null, trace.tolerance ?? null);
  if (parts.code !== study.stages[task.stage]) say(place, `${task.task} ran other code`);
  const inputs = inputsOf(task, (id) => known.get(id));
  if (typeof inputs === 'string') say(place, `${task.task}: ${inputs}`);
  else differs('inputs', inputs, parts.inputs);
  if (absence === undefined) {
    const kinds = Object.entries(task.outputs).map(([name, { kind }]) => [name, kind]);
    differs('kinds of outputs', Object.fromEntries(kinds), parts.outputs);
  }
}

const ABSENT = {
  infeasible: 'cannot be done',
  failed: 'failed',
  skipped: 'was skipped',
} as const;

/** Whether a task needs one that failed or was skipped. */
const isCutOff = ({ inputs }: StudyTask, known: ReadonlyMap<string, StudyTask>): boolean =>
  Object.values(inputs).some(
    (input) =>
      'links' in input &&
      input.links.some(([id]) => {
        const kind = absenceOf(known.get(id) ?? ({} as StudyTask))?.kind;
        return kind === 'failed' || kind === 'skipped';
      }),
  );

/** Keys of traces, and the names that a study speaks of. */
export function checkNames(
  { study, traces, sources }: Contents,
  known: ReadonlyMap<string, StudyTask>,
  say: Say,
): void {
  const used = new Set(study.tasks.map(({ key }) => key));
  const files = new Set(sources.map(({ sha256 }) => sha256));
  let line = 0;
  for (const [key, trace] of traces) {
    line += 1;
    const place = `${PAYLOAD}${PLACES.traces}:${line}`;
    const actual = keyOf(partsOf(trace));
    if (actual !== key) say(place, `the key of ${trace.task} is not that of its parts (${actual})`);
    if (!used.has(key)) say(place, `is a trace of ${trace.task} that no task has`);
    for (const [name, digest] of Object.entries(trace.parts.source ?? {})) {
      if (!files.has(digest))
        say(place, `${trace.task} was made from ${name}, which is not listed`);
    }
  }
  const place = `${PAYLOAD}${PLACES.study}`;
  for (const id of study.targets)
    if (!known.has(id)) say(place, `has a target ${id} and no such task`);
  const cited = study.claims ? [...study.artifacts, study.claims] : study.artifacts;
  for (const { task, output } of cited) {
    const made = known.get(task);
    if (!made || !Object.hasOwn(made.outputs, output))
      say(place, `speaks of ${task}:${output}, which is not there`);
  }
}
