// overview.ts — the one message that the page lives on: what runs, what failed, how far everything is
import { basename } from 'node:path';
import type { RunRecord } from '../../engine/model/record.ts';
import { contentState } from '../../engine/store/store-state.ts';
import { plainLog } from '../../plain-text.ts';
import type { FailedTask, Overview, RunProgress } from '../../ui/forms.ts';
import { progressOf, progressOfRecord, type StageOutline } from '../../ui/progress.ts';
import type { Places } from '../session/places.ts';
import { type BriefStore, newestRecords, recordedLog } from './brief-store.ts';
import type { PlanWatch } from './plan-watch.ts';
import type { FollowedRun, RunWatch } from './run-watch.ts';

/** What an overview is made of. */
export interface OverviewSources {
  readonly places: Places;
  readonly store: BriefStore;
  readonly plan: PlanWatch;
  readonly watch: RunWatch;
}

/** Failures that are told one by one. */
const FAILURES_SHOWN = 40;
/** Lines of each. */
const LINES_SHOWN = 8;
const LINE_LENGTH = 400;
/** Runs at once that are shown as a whole. */
const RUNS_SHOWN = 4;

/** While a run goes on, the newest of those that ended is read again this often. */
const BUSY_MS = 5000;

/** Makes overviews. What failed is read once. */
export class OverviewMaker {
  private readonly sources: OverviewSources;
  private readonly failures = new Map<string, FailedTask>();
  private newest: RunRecord | undefined;
  private content: string | null | undefined;
  private readAgainAt = 0;
  private store: Overview['store'] = { state: 'ok' };
  private shown:
    | {
        readonly run: RunRecord;
        readonly outline: StageOutline | undefined;
        readonly progress: RunProgress;
      }
    | undefined;

  constructor(sources: OverviewSources) {
    this.sources = sources;
  }

  async make(): Promise<Overview> {
    const { places, plan, watch, store } = this.sources;
    const content = contentState(places.cache);
    const open = [...watch.runs.values()].filter(({ isOver }) => !isOver);
    // A make commits many times a second, and what is read here changes with none of that.
    const isBusy = open.length > 0 && content !== null && performance.now() < this.readAgainAt;
    if (content !== this.content && !isBusy) {
      this.content = content;
      this.readAgainAt = performance.now() + BUSY_MS;
      this.store = await store.state();
      this.newest = await this.newestRun();
    }
    const shown = open.slice(-RUNS_SHOWN).reverse();
    const runs: RunProgress[] = [];
    for (const one of shown) runs.push(await this.progressOf(one));
    if (runs.length === 0 && this.newest) runs.push(await this.progressOfRecord(this.newest));
    return {
      title: basename(places.root),
      root: places.root,
      store: this.store,
      plan: plan.state,
      edges: plan.outlineFor(shown[0]?.state.run ?? this.newest ?? {})?.edges ?? [],
      runs,
      foreign: [...watch.foreign],
      version: `${content ?? 'none'} ${plan.state.state}`,
    };
  }

  private async newestRun(): Promise<RunRecord | undefined> {
    try {
      return await this.sources.store.read(async (open) => newestRecords(open, 1)[0]);
    } catch {
      return undefined; // The state of the store says why.
    }
  }

  private async progressOf({ state }: FollowedRun): Promise<RunProgress> {
    const { plan, watch } = this.sources;
    const { id } = state.run;
    const { status, seen } = watch.statusOf(id);
    const failed = state.failed.slice(0, FAILURES_SHOWN);
    const failures = await this.failuresIn(id, failed, (task) =>
      state.lastLines(task, LINES_SHOWN),
    );
    const outline = plan.outlineFor(state.run);
    return progressOf(state, status, outline, { now: Date.now(), seen, failures });
  }

  /** The same again while it rests on the same: there may be very many outcomes. */
  private async progressOfRecord(run: RunRecord): Promise<RunProgress> {
    const outline = this.sources.plan.outlineFor(run);
    if (this.shown?.run !== run || this.shown.outline !== outline) {
      this.shown = { run, outline, progress: await this.readProgress(run, outline) };
    }
    return this.shown.progress;
  }

  private async readProgress(
    run: RunRecord,
    outline: StageOutline | undefined,
  ): Promise<RunProgress> {
    const failed = Object.entries(run.outcomes ?? {})
      .flatMap(([task, outcome]) => (outcome === 'failed' ? [task] : []))
      .slice(0, FAILURES_SHOWN);
    const failures = await this.failuresIn(run.id, failed, () => []);
    return progressOfRecord(run, outline, failures);
  }

  /** Failures have their log in the store at once. */
  private async failuresIn(
    run: string,
    tasks: readonly string[],
    linesOf: (task: string) => readonly string[],
  ): Promise<readonly FailedTask[]> {
    const unknown = tasks.filter((task) => !this.failures.has(`${run} ${task}`));
    if (unknown.length > 0) {
      try {
        await this.sources.store.read(async (store) => {
          for (const task of unknown) {
            const log = recordedLog(store, run, task);
            if (log?.error === undefined) continue;
            const { message, cause } = log.error;
            const lines = log.lines.slice(-LINES_SHOWN);
            const failure = { task, message, ...(cause && { cause }), lines: shortLines(lines) };
            this.failures.set(`${run} ${task}`, failure);
          }
        });
      } catch {
        // It is told without its message until it can be read.
      }
    }
    return tasks.map(
      (task) =>
        this.failures.get(`${run} ${task}`) ?? {
          ...{ task, message: 'failed' },
          lines: shortLines(linesOf(task)),
        },
    );
  }
}

const shortLines = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => plainLog(line.slice(0, LINE_LENGTH)));
