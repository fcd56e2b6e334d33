// provenance.ts — keys, times, hosts and costs beside an HTML artifact: they change while results do not
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Outcome } from '../pipeline/event.ts';
import type { RunResult } from '../pipeline/execute.ts';
import { writeAtomically } from '../pipeline/files.ts';
import type { Named, TaskId } from '../pipeline/key.ts';
import type { Plan } from '../pipeline/plan.ts';
import { restrict } from '../pipeline/target.ts';
import { type ProvenancePage, renderProvenance } from '../report/provenance.ts';

/** Facts about a run, as its page shows them. */
export interface RunFacts {
  readonly id: string;
  readonly command: string;
  readonly host: string;
  readonly at: string;
}

/**
 * Writes provenance.html and provenance.json into the folder of each HTML artifact that was made.
 * A run that built nothing leaves those that are there as they are.
 */
export async function writeProvenance(
  plan: Plan,
  { outcomes, traces, tally }: RunResult,
  folder: string,
  facts: RunFacts,
): Promise<void> {
  for (const task of plan.tasks.values()) {
    const page = pageOf(task.artifacts);
    if (page === undefined || !traces.has(task.id)) continue;
    const beside = join(folder, dirname(page));
    const file = join(beside, 'provenance.html');
    if (tally.built === 0 && existsSync(file)) continue;
    const needed = restrict(plan, [task.id]).tasks.keys();
    const tasks = [...needed].flatMap((id) => taskRow(id, outcomes, traces) ?? []);
    const told: ProvenancePage = {
      title: task.id,
      run: { Run: facts.id, Command: facts.command, Started: facts.at, Host: facts.host },
      tasks,
    };
    await writeAtomically(file, renderProvenance(told));
    const json = { run: facts, tasks: [...tasks].map(({ task: id }) => traces.get(id as TaskId)) };
    await writeAtomically(join(beside, 'provenance.json'), `${JSON.stringify(json, null, 1)}\n`);
  }
}

/** The pages that a make would write again if they were gone. */
export function companionsOf(plan: Plan, folder: string): readonly string[] {
  return [...plan.tasks.values()].flatMap(({ artifacts }) => {
    const page = pageOf(artifacts);
    return page === undefined ? [] : [join(folder, dirname(page), 'provenance.html')];
  });
}

const pageOf = (artifacts: Named<string>): string | undefined =>
  Object.values(artifacts).find((path) => path.endsWith('.html'));

function taskRow(
  id: TaskId,
  outcomes: ReadonlyMap<TaskId, Outcome>,
  traces: RunResult['traces'],
): ProvenancePage['tasks'][number] | undefined {
  const trace = traces.get(id);
  if (trace === undefined) return undefined;
  const { key, cost, made } = trace;
  return {
    task: id,
    key,
    outcome: outcomes.get(id) === 'built' ? 'built' : 'reused',
    seconds: cost.seconds,
    madeAt: made.at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'),
    host: made.host,
    node: made.versions.node ?? '',
  };
}
