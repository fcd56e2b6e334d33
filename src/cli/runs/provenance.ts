// provenance.ts — keys, times, hosts and costs beside artifacts: they change while results do not

import { basename, dirname } from 'node:path';
import { canonicalJson, type InputDigest, type TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, RunStart } from '../../engine/model/record.ts';
import type { Plan, Task } from '../../engine/planning/plan.ts';
import { restrict } from '../../engine/planning/target.ts';
import type { KnownTasks, ProvenanceWriter } from '../../engine/scheduler/publisher.ts';
import type { Store } from '../../engine/store/store.ts';
import { entryOf } from '../../present.ts';
import {
  type ClaimCost,
  type InputProvenance,
  type ProvenancePage,
  renderProvenance,
  type TaskProvenance,
} from '../../report/provenance.ts';

/** What provenance is told from. */
export interface ProvenanceSources {
  /** The whole plan: which files stand beside each other does not depend on the targets. */
  readonly plan: Plan;
  readonly store: Store;
  /** The run that goes on. */
  readonly run: Pick<RunStart, 'id' | 'command' | 'started'>;
}

/** The run in which a task was made, as its page shows it. */
interface RunFacts {
  readonly id: string;
  readonly command: string;
  readonly host: string;
  readonly at: string;
}

/**
 * Tells of each task with artifacts how they came to be: what made them, whenever that was. So the same results have the
 * same provenance, whichever make writes it.
 */
export function provenanceWriter({ plan, store, run }: ProvenanceSources): ProvenanceWriter {
  const factsOf = ({ made }: ActionRecord): RunFacts => {
    const known = made.run === run.id ? run : store.history.run(made.run);
    const command = known ? `pipeline ${known.command}` : '–';
    return { id: made.run, command, host: made.host, at: known?.started ?? made.at };
  };
  const naming = companionNames(plan);
  return {
    pathsOf: (task) => naming(task),
    async render(task, known) {
      const trace = known.traces.get(task.id);
      if (trace === undefined) throw new Error(`bug: ${task.id} is not made`);
      const needed = restrict(plan, [task.id]).tasks;
      const facts = factsOf(trace);
      const judged = await judgedIn(needed, known, store);
      const claims = claimCosts(plan, needed, { ...known, trace }, judged);
      const edges = edgesOf(needed);
      const rows = [...needed.values()].map((one) => taskRow(one, known, trace));
      const shown = { Run: facts.id, Command: facts.command, Started: facts.at, Host: facts.host };
      const artifacts = Object.entries(task.artifacts).map(([output, path]) => [
        path,
        entryOf(trace.outputs, output).digest,
      ]);
      const json = {
        run: facts,
        artifacts: Object.fromEntries(artifacts),
        claims,
        edges,
        tasks: [...needed.keys()].map((id) => known.traces.get(id) ?? known.infeasible.get(id)),
      };
      const { own } = naming(task);
      return new Map(
        own.map((path) => {
          if (path.endsWith('.json')) return [path, `${JSON.stringify(json, null, 1)}\n`];
          const data = basename(path).replace(/html$/, 'json');
          const page = { title: task.id, run: shown, tasks: rows, edges, claims };
          return [path, renderProvenance({ ...page, data, artifact: pageIn(task, dirname(path)) })];
        }),
      );
    },
  };
}

/** The page of a task in a folder, or what else it has there. */
function pageIn({ artifacts }: Task, folder: string): string {
  const paths = Object.values(artifacts).filter((path) => dirname(path) === folder);
  return basename(paths.find((path) => path.endsWith('.html')) ?? paths[0] ?? '');
}

/**
 * Where the provenance of each task stands: `provenance.json` (and `.html` beside a page) in a folder that no other task
 * puts anything into; else a file of its own for each artifact.
 */
export function companionNames(plan: Plan): ProvenanceWriter['pathsOf'] {
  const owners = new Map<string, Set<TaskId>>();
  const taken = new Set<string>();
  for (const { id, artifacts } of plan.tasks.values()) {
    for (const path of Object.values(artifacts)) {
      taken.add(path);
      const known = owners.get(dirname(path));
      if (known) known.add(id);
      else owners.set(dirname(path), new Set([id]));
    }
  }
  return ({ artifacts }) => {
    const own = new Set<string>();
    const others = new Set<string>();
    for (const path of Object.values(artifacts)) {
      const folder = dirname(path);
      const isPage = path.endsWith('.html');
      const shared = namesFor(`${folder}/provenance`, isPage);
      const single = namesFor(`${isPage ? path.slice(0, -5) : path}.provenance`, isPage);
      const isAlone = owners.get(folder)?.size === 1 && !shared.some((name) => taken.has(name));
      for (const name of isAlone ? shared : single) own.add(name);
      for (const name of isAlone ? single : shared) others.add(name);
    }
    const obsolete = [...others].filter((name) => !own.has(name) && !taken.has(name));
    return { own: [...own].filter((name) => !taken.has(name)), obsolete };
  };
}

const namesFor = (stem: string, isPage: boolean): readonly string[] =>
  isPage ? [`${stem}.html`, `${stem}.json`] : [`${stem}.json`];

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

/** @param made the trace of the task whose provenance is told: what its run built was built for it */
function taskRow(
  task: Task,
  { outcomes, traces, infeasible }: KnownTasks,
  made: ActionRecord,
): TaskProvenance {
  const trace = traces.get(task.id) ?? infeasible.get(task.id);
  const outcome = outcomes.get(task.id);
  const isBuilt = trace?.made.run === made.made.run && trace.task === task.id;
  const shown = infeasible.has(task.id)
    ? 'infeasible'
    : trace
      ? isBuilt
        ? 'built'
        : 'reused'
      : outcome === 'infeasible' || outcome === 'failed'
        ? outcome
        : 'skipped';
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

const inputsOf = ({ parts }: ActionRecord, { inputs }: Task): readonly InputProvenance[] =>
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

/** The claims that some tasks judged. */
async function judgedIn(tasks: Tasks, known: KnownTasks, { blobs }: Store): Promise<Judged[]> {
  const judged: Judged[] = [];
  for (const id of tasks.keys()) {
    const output = known.traces.get(id)?.outputs.claims;
    const bytes = output?.kind === 'json' ? await blobs.get(output.digest) : undefined;
    if (bytes) judged.push(JSON.parse(new TextDecoder().decode(bytes)) as Judged);
  }
  return judged;
}

/** What each claim rests on: the tasks behind its contrasts, and all that these need. */
function claimCosts(
  plan: Plan,
  tasks: Tasks,
  result: KnownTasks & { readonly trace: ActionRecord },
  judged: readonly Judged[],
): ClaimCost[] {
  return judged
    .filter(({ form }) => form === 'claims/1' || form === 'claims/2')
    .flatMap(({ claims }) =>
      claims.map(({ id, title, contrasts }): ClaimCost => {
        const behind = contrasts.flatMap(({ a, b }) => [...a.tasks, ...(b?.tasks ?? [])]);
        const known = [...new Set(behind.map(({ task }) => task))].filter((one) => tasks.has(one));
        const keys = new Map<string, { readonly seconds: number; readonly built: boolean }>();
        for (const needed of known.length > 0 ? restrict(plan, known).tasks.keys() : []) {
          const trace = result.traces.get(needed);
          const built = trace?.made.run === result.trace.made.run;
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
