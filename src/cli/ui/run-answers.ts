// run-answers.ts — what the page asks about runs: the history, two of them compared, when what ran, whether it is whole
import { causesBetween, type FileChange } from '../../analysis/causes.ts';
import { effectsBetween } from '../../analysis/effects.ts';
import { changesSince } from '../../analysis/runs.ts';
import { WHOLE } from '../../analysis/values.ts';
import type { Digest, Json, Key, Named } from '../../engine/model/key.ts';
import type { RunRecord } from '../../engine/model/record.ts';
import { compareRuns, type Difference } from '../../engine/store/compare.ts';
import { verifyOutput } from '../../engine/store/folder-blobs.ts';
import { findRuns } from '../../engine/store/history.ts';
import type { Store } from '../../engine/store/store.ts';
import type {
  ChangeLine,
  RunComparison,
  RunLine,
  Span,
  Timeline,
  VerifyAnswer,
} from '../../ui/forms.ts';
import { packed } from '../../ui/lanes.ts';
import { isLive, withoutRunning } from '../../ui/progress.ts';
import { factsOfRun } from '../session/study.ts';
import { brief } from '../terminal/format.ts';
import { newestRecords, recordedLog, recordedRun } from './brief-store.ts';
import type { OverviewSources } from './overview.ts';

const RUNS_SHOWN = 200;
const EFFECTS_SHOWN = 500;
const ONLY_SHOWN = 100;
const SPANS_SHOWN = 20_000;

/** Runs, the newest first: those that go on, then those that have a record. */
export function runList({ store, watch }: OverviewSources): Promise<readonly RunLine[]> {
  return store.read(async (open) => {
    const records = newestRecords(open, RUNS_SHOWN + 1);
    const known = new Set(records.map(({ id }) => id));
    const going = [...watch.runs.values()].flatMap(({ state, isOver }) => {
      const { run, tally } = state;
      if (isOver || known.has(run.id)) return [];
      const { status, seen } = watch.statusOf(run.id);
      const seconds = Math.max(0, (seen - Date.parse(run.started)) / 1000);
      const at = new Date(seen).toISOString();
      const counts = isLive(status) ? tally : withoutRunning(tally);
      return [{ ...run, at, seconds, tally: counts as Named<number>, tasks: {}, state: status }];
    });
    const runs: readonly RunRecord[] = [...going.reverse(), ...records];
    return runs.slice(0, RUNS_SHOWN).map((run, at) => {
      const before = runs[at + 1];
      const { id, name, tags = [], state = 'finished', started, error } = run;
      return {
        id,
        ...(name !== undefined && { name }),
        tags,
        pinned: open.upkeep?.tables.pins.doesExist(id) ?? false,
        state,
        at: run.at,
        ...(started !== undefined && { started }),
        ...{ seconds: run.seconds, host: run.host, command: run.command, tally: run.tally },
        ...(error !== undefined && { error }),
        changes: before ? changeWords(before, run) : [],
      };
    });
  });
}

function changeWords(before: RunRecord, run: RunRecord): readonly string[] {
  const { params, sources } = changesSince(before, run);
  return [
    ...params.map(({ path, before: a, after: b }) => `${path}: ${value(a)} → ${value(b)}`),
    ...sources.map(({ file, change }) => `${file} ${change}`),
  ].slice(0, 20);
}

const value = (json: Json | undefined): string => (json === undefined ? '–' : brief(json, 60));

const lineOf = ({ path, before, after }: Difference): ChangeLine => ({
  path,
  before: value(before),
  after: value(after),
});

const fileLine = ({ file, change }: FileChange): ChangeLine => ({
  path: file,
  before: change === 'added' ? '–' : 'there',
  after: change === 'removed' ? '–' : change,
});

/** Two runs: causes first, then effects. Undefined when one of them is not there. */
export function comparison(
  { store }: OverviewSources,
  before: string,
  after: string,
): Promise<RunComparison | undefined> {
  return store.read(async (open) => {
    const [a, b] = [runNamed(open, before), runNamed(open, after)];
    if (a === undefined || b === undefined) return undefined;
    const found = await compareRuns(open, a, b);
    const causes = await causesBetween(open.actions, factsOfRun(a), factsOfRun(b));
    const effects = await effectsBetween(open, a.tasks, b.tasks, {});
    const kinds = [
      { kind: 'params', lines: found.params.map(lineOf) },
      { kind: 'sources', lines: causes.sources.map(fileLine) },
      {
        kind: 'code',
        lines: causes.code.map((stage) => ({ path: stage, before: '', after: 'changed' })),
      },
      { kind: 'inputs', lines: causes.inputs.map(fileLine) },
      { kind: 'tools', lines: causes.tools.map(lineOf) },
    ];
    return {
      ...{ before: a.id, after: b.id },
      causes: kinds.filter(({ lines }) => lines.length > 0),
      effects: effects.slice(0, EFFECTS_SHOWN).map((effect) => ({
        task: effect.task,
        name: effect.name === WHOLE ? effect.output : `${effect.output}.${effect.name}`,
        before: finite(effect.before),
        after: finite(effect.after),
      })),
      moreEffects: Math.max(0, effects.length - EFFECTS_SHOWN),
      outputs: found.outputs.length,
      only: {
        before: found.only.before.slice(0, ONLY_SHOWN),
        after: found.only.after.slice(0, ONLY_SHOWN),
      },
      forgotten: found.forgotten.length,
    };
  });
}

const runNamed = ({ history }: Store, word: string): RunRecord | undefined =>
  history.run(word) ?? findRuns(history.runs(), word)[0];

const finite = (number: number | null): number | null =>
  number !== null && Number.isFinite(number) ? number : null;

/** What a run made, when and on which host; of one that goes on, in which slot. */
export async function timeline(
  { store, watch }: OverviewSources,
  id: string,
): Promise<Timeline | undefined> {
  const followed = watch.runs.get(id);
  if (followed && followed.state.running.size + followed.state.tasks.size > 0) {
    const now = Date.now();
    const host = followed.state.run.host;
    const timed = [...followed.state.tasks].flatMap(([task, state]) => {
      if (state.began === undefined) return [];
      const place = state.node ?? host;
      const lane = state.slot === undefined ? place : `${place} slot ${state.slot + 1}`;
      return [
        { task, from: state.began, to: state.ended ?? now, place: lane, status: state.status },
      ];
    });
    if (timed.length > 0) return laid(id, timed);
  }
  return store.read(async (open) => {
    const run = recordedRun(open, id);
    if (run === undefined) return undefined;
    const timed = [];
    for (const [task, key] of Object.entries(run.tasks)) {
      const record = await open.actions.get(key);
      if (record === undefined || record.made.run !== id || record.task !== task) continue;
      const to = Date.parse(record.made.at);
      const from = to - 1000 * record.cost.seconds;
      timed.push({ task, from, to, place: record.made.host, status: 'built' as const });
    }
    for (const [task, outcome] of Object.entries(run.outcomes ?? {})) {
      if (outcome !== 'failed') continue;
      const at = Date.parse(recordedLog(open, id, task)?.at ?? '');
      if (Number.isFinite(at)) {
        timed.push({ task, from: at - 1000, to: at, place: run.host, status: 'failed' as const });
      }
    }
    return laid(id, timed);
  });
}

function laid(run: string, timed: Parameters<typeof packed>[0]): Timeline {
  const { lanes, spans } = packed(timed.slice(0, SPANS_SHOWN));
  return {
    run,
    lanes,
    spans: spans as readonly Span[],
    more: Math.max(0, timed.length - SPANS_SHOWN),
  };
}

/** Reads all that a run made, and says what of it is lost or damaged. */
export function verification(
  { store }: OverviewSources,
  id: string,
): Promise<VerifyAnswer | undefined> {
  return store.read(async (open) => {
    const run = open.history.run(id);
    if (run === undefined) return undefined;
    const began = performance.now();
    const verified = new Map<Digest, boolean>();
    const lost: string[] = [];
    let whole = 0;
    for (const [task, key] of Object.entries(run.tasks)) {
      const outputs = await outputsOf(open, key);
      if (outputs === undefined) {
        lost.push(`${task}: its record is gone`);
        continue;
      }
      for (const [name, output] of outputs) {
        const known = verified.get(output.digest);
        const isWhole = known ?? (await verifyOutput(open.blobs, output));
        verified.set(output.digest, isWhole);
        if (isWhole) whole += 1;
        else lost.push(`${task}:${name}`);
      }
    }
    const seconds = Math.round(performance.now() - began) / 1000;
    return { run: id, whole, lost: lost.slice(0, 200), seconds };
  });
}

async function outputsOf({ actions }: Store, key: Key) {
  const record = await actions.get(key);
  return record && Object.entries(record.outputs);
}
