// plan-watch.ts — the plan that the page shows: loaded when it is wanted, and again when pipeline.yaml changes
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TaskId } from '../../engine/model/key.ts';
import type { RunRecord, RunStart } from '../../engine/model/record.ts';
import type { Loaded } from '../../engine/planning/load.ts';
import type { Plan, Task } from '../../engine/planning/plan.ts';
import { restrict, selectTasks } from '../../engine/planning/target.ts';
import type { StageOutline } from '../../ui/progress.ts';
import { placesOf } from '../session/places.ts';
import { type CommonOptions, loadFor } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';

/** A plan, and what hangs together in it. */
export interface KnownPlan {
  readonly loaded: Loaded;
  readonly options: CommonOptions;
  /** Tasks that read what a task gives. */
  readonly neededBy: ReadonlyMap<TaskId, readonly TaskId[]>;
  readonly byStage: ReadonlyMap<string, readonly TaskId[]>;
}

/** The words with which a run decides what its tasks are. */
export type PlanWords = Pick<RunStart, 'presets' | 'paramsFiles' | 'sets'>;

export interface PlanWatch {
  readonly state: { readonly state: 'loading' | 'ok' | 'failed'; readonly problem?: string };
  /** Tells one plan from every other. */
  readonly version: number;
  /** The plan as it is now; undefined while it is loaded, or where it cannot be. */
  readonly plan: KnownPlan | undefined;
  /** The stages of a run: of its targets and what they need. */
  outlineFor(run: Pick<RunRecord, 'targets'> & Partial<PlanWords>): StageOutline | undefined;
  /** Loads it where that was not done, or what it rests on has changed since. */
  refresh(): Promise<void>;
  /** Loads the plan of a run that has other words. */
  follow(words: PlanWords): Promise<void>;
}

/** @param onChange is called when there is another plan */
export function watchPlan(options: CommonOptions, onChange: () => void): PlanWatch {
  let state: PlanWatch['state'] = { state: 'loading' };
  let plan: KnownPlan | undefined;
  let own = options;
  let loadedFor = '';
  let version = 0;
  let going: Promise<void> | undefined;
  const outlines = new Map<string, StageOutline>();
  const wanted = (): string => `${wordsText(own)} ${stampOfFile(own)}`;
  const load = async (): Promise<void> => {
    loadedFor = wanted();
    try {
      const loaded = await loadFor({ ...own, json: true }, 'look');
      const tasks = loaded.plan;
      plan = { loaded, options: own, neededBy: readersIn(tasks), byStage: stagesIn(tasks) };
      state = { state: 'ok' };
    } catch (error) {
      plan = undefined;
      state = { state: 'failed', problem: planProblem(error) };
    }
    outlines.clear();
    version += 1;
    onChange();
  };
  const refresh = async (): Promise<void> => {
    if (going) return going;
    if (loadedFor === wanted()) return;
    going = load().finally(() => {
      going = undefined;
    });
    return going;
  };
  return {
    get state() {
      return state;
    },
    get version() {
      return version;
    },
    get plan() {
      return plan;
    },
    outlineFor({ targets = [] }) {
      if (plan === undefined) return undefined;
      const name = targets.join('\n');
      const known = outlines.get(name) ?? outlineOf(partOf(plan.loaded.plan, targets));
      outlines.set(name, known);
      return known;
    },
    refresh,
    async follow({ presets, paramsFiles = [], sets }) {
      own = { ...options, preset: presets, params: paramsFiles, set: sets };
      await going;
      await refresh();
    },
  };
}

function planProblem(error: unknown): string {
  if (error instanceof UsageError) return error.diagnostics[0]?.message ?? error.message;
  return error instanceof Error ? error.message : String(error);
}

const wordsText = ({ preset, params, set }: CommonOptions): string =>
  JSON.stringify([preset, params, set]);

function stampOfFile(options: CommonOptions): string {
  try {
    const { mtimeMs, size, ino } = statSync(resolve(placesOf(options).root, options.file));
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return 'none';
  }
}

/** The tasks of some targets; all, where one of them is not in the plan any more. */
function partOf(plan: Plan, targets: readonly string[]): Plan {
  if (targets.length === 0) return plan;
  const chosen = targets.map((target) => selectTasks(plan, target));
  const tasks = chosen.flatMap((result) => (result.ok ? result.value : []));
  return chosen.every(({ ok }) => ok) ? restrict(plan, tasks) : plan;
}

/** The tasks whose outputs a task reads. */
export const needsOf = ({ inputs }: Task): readonly TaskId[] => [
  ...new Set(Object.values(inputs).flatMap(({ links }) => links.map(({ task }) => task))),
];

function readersIn({ tasks }: Plan): ReadonlyMap<TaskId, readonly TaskId[]> {
  const readers = new Map<TaskId, TaskId[]>();
  for (const task of tasks.values()) {
    for (const upstream of needsOf(task)) {
      const known = readers.get(upstream);
      if (known) known.push(task.id);
      else readers.set(upstream, [task.id]);
    }
  }
  return readers;
}

function stagesIn({ tasks }: Plan): ReadonlyMap<string, readonly TaskId[]> {
  const stages = new Map<string, TaskId[]>();
  for (const { id, stage } of tasks.values()) {
    const known = stages.get(stage);
    if (known) known.push(id);
    else stages.set(stage, [id]);
  }
  return stages;
}

function outlineOf({ tasks }: Plan): StageOutline {
  const sizes = new Map<string, number>();
  const edges = new Map<string, readonly [string, string]>();
  let inputs: Task['inputs'] | undefined;
  let stage: string | undefined;
  for (const task of tasks.values()) {
    sizes.set(task.stage, (sizes.get(task.stage) ?? 0) + 1);
    // Tasks that follow each other share them.
    if (task.inputs === inputs && task.stage === stage) continue;
    [inputs, stage] = [task.inputs, task.stage];
    for (const { links } of Object.values(task.inputs)) {
      for (const link of links) {
        const from = tasks.get(link.task)?.stage;
        if (from !== undefined) edges.set(`${from}\n${stage}`, [from, stage]);
      }
    }
  }
  return { sizes, edges: [...edges.values()] };
}
