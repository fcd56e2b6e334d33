// provenance.ts — keys, times, hosts and costs beside an HTML artifact: they change while results do not
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunResult } from '../pipeline/execute.ts';
import { writeAtomically } from '../pipeline/files.ts';
import {
  canonicalJson,
  type Digest,
  type InputDigest,
  type Named,
  type TaskId,
} from '../pipeline/key.ts';
import type { Plan, Task } from '../pipeline/plan.ts';
import type { Trace } from '../pipeline/record.ts';
import { restrict } from '../pipeline/target.ts';
import {
  type ClaimCost,
  type InputProvenance,
  type ProvenancePage,
  renderProvenance,
  type TaskProvenance,
} from '../report/provenance.ts';

/** Facts about a run, as its page shows them. */
export interface RunFacts {
  readonly id: string;
  readonly command: string;
  readonly host: string;
  readonly at: string;
}

/** Reads a blob of the store, if it is there. */
type ReadBlob = (digest: Digest) => Uint8Array | undefined;

/**
 * Writes provenance.html and provenance.json into the folder of each HTML artifact that was made.
 * A run that built nothing leaves those that are there as they are.
 */
export async function writeProvenance(
  plan: Plan,
  result: RunResult,
  folder: string,
  facts: RunFacts,
  blob: ReadBlob,
): Promise<void> {
  for (const task of plan.tasks.values()) {
    const page = pageOf(task.artifacts);
    if (page === undefined || !result.traces.has(task.id)) continue;
    const beside = join(folder, dirname(page));
    const file = join(beside, 'provenance.html');
    if (result.tally.built === 0 && existsSync(file)) continue;
    const needed = restrict(plan, [task.id]).tasks;
    const told: ProvenancePage = {
      title: task.id,
      run: { Run: facts.id, Command: facts.command, Started: facts.at, Host: facts.host },
      tasks: [...needed.values()].map((one) => taskRow(one, result)),
      edges: edgesOf(needed),
      claims: claimCosts(plan, needed, result, blob),
    };
    await writeAtomically(file, renderProvenance(told));
    const json = {
      run: facts,
      claims: told.claims,
      edges: told.edges,
      tasks: [...needed.keys()].map((id) => result.traces.get(id) ?? result.infeasible.get(id)),
    };
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

type Tasks = ReadonlyMap<TaskId, Task>;

/** Which stage reads from which, each pair once. */
function edgesOf(tasks: Tasks): ProvenancePage['edges'] {
  const edges = new Map<string, readonly [string, string]>();
  for (const { stage, inputs } of tasks.values()) {
    for (const { links } of Object.values(inputs)) {
      for (const link of links) {
        const from = tasks.get(link.task)?.stage;
        if (from !== undefined) edges.set(JSON.stringify([from, stage]), [from, stage]);
      }
    }
  }
  return [...edges.values()];
}

function taskRow(task: Task, { outcomes, traces, infeasible }: RunResult): TaskProvenance {
  const trace = traces.get(task.id) ?? infeasible.get(task.id);
  const outcome = outcomes.get(task.id);
  const shown =
    outcome === 'built' || outcome === 'infeasible' || outcome === 'failed'
      ? outcome
      : trace === undefined
        ? 'skipped'
        : 'reused';
  return {
    task: task.id,
    stage: task.stage,
    key: trace?.key ?? null,
    outcome: shown,
    seconds: trace?.cost.seconds ?? 0,
    madeAt: trace?.made.at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC') ?? '–',
    host: trace?.made.host ?? '–',
    node: trace?.made.versions.node ?? '',
    run: trace?.made.run ?? '',
    endedAt: trace ? Date.parse(trace.made.at) : 0,
    params: canonicalJson(task.params),
    inputs: trace ? inputsOf(trace, task) : [],
  };
}

const inputsOf = ({ parts }: Trace, { inputs }: Task): readonly InputProvenance[] =>
  Object.entries(parts.inputs).flatMap(([port, input]) =>
    portInputs(port, input, inputs[port]?.links[0]?.task ?? 'a file'),
  );

function portInputs(port: string, input: InputDigest, maker: string): readonly InputProvenance[] {
  if (input === null) return [{ port, from: 'nothing is connected', digest: null }];
  if (typeof input === 'string') return [{ port, from: maker, digest: input }];
  return input.map((one) =>
    one.length === 2
      ? { port, from: one[0], digest: one[1] }
      : { port, from: one[0], digest: one[2] },
  );
}

/** What each claim rests on: the tasks behind its contrasts, and all that these need. */
function claimCosts(plan: Plan, tasks: Tasks, result: RunResult, blob: ReadBlob): ClaimCost[] {
  const found = [...tasks.keys()].flatMap((id) => {
    const output = result.traces.get(id)?.outputs.claims;
    const bytes = output?.kind === 'json' ? blob(output.digest) : undefined;
    return bytes ? [JSON.parse(new TextDecoder().decode(bytes)) as Judged] : [];
  });
  return found
    .filter(({ form }) => form === 'claims/1' || form === 'claims/2')
    .flatMap(({ claims }) =>
      claims.map(({ id, title, contrasts }): ClaimCost => {
        const behind = contrasts.flatMap(({ a, b }) => [...a.tasks, ...(b?.tasks ?? [])]);
        const known = [...new Set(behind.map(({ task }) => task))].filter((one) => tasks.has(one));
        const keys = new Map<string, { readonly seconds: number; readonly built: boolean }>();
        for (const needed of known.length > 0 ? restrict(plan, known).tasks.keys() : []) {
          const trace = result.traces.get(needed);
          const built = result.outcomes.get(needed) === 'built';
          if (trace) keys.set(trace.key, { seconds: trace.cost.seconds, built });
        }
        const all = [...keys.values()];
        return {
          id,
          title,
          tasks: all.length,
          seconds: all.reduce((sum, { seconds }) => sum + seconds, 0),
          saved: all.reduce((sum, { seconds, built }) => sum + (built ? 0 : seconds), 0),
        };
      }),
    );
}

/** What is read of the forms claims/1 and claims/2. */
interface Judged {
  readonly form: string;
  readonly claims: readonly {
    readonly id: string;
    readonly title: string;
    readonly contrasts: readonly { readonly a: Side; readonly b: Side | null }[];
  }[];
}
interface Side {
  readonly tasks: readonly { readonly task: TaskId }[];
}
