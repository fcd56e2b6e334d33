// watch.ts — pipeline watch: makes again whatever a change asks for
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readPipelineParts } from '../../engine/config/config.ts';
import type { Event } from '../../engine/model/event.ts';
import type { Digest, Key } from '../../engine/model/key.ts';
import { withReport } from '../../engine/pipeline/report.ts';
import type { Loaded } from '../../engine/planning/load.ts';
import { readParamsFiles } from '../../engine/planning/params-files.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import {
  type Change,
  isOutdated,
  openWatcher,
  planPrint,
  type WatchedPlace,
  type Watcher,
  type Watchlist,
  wantedKeys,
  watchlistOf,
  watchlistOfBroken,
} from '../../engine/rebuilder/watch.ts';
import { lackingResources, type OpenPool, openPool } from '../../engine/scheduler/machine-pool.ts';
import { resourcesHere } from '../../engine/scheduler/machine-resources.ts';
import { Supersession } from '../../engine/scheduler/superseded.ts';
import type { Store } from '../../engine/store/store.ts';
import { decodeSource } from '../../engine/text/source-text.ts';
import { finishNotice, type RunEnd } from '../runs/finish-notice.ts';
import { nextRunId, run } from '../runs/run.ts';
import { ABORTED, endOf, keepWithin, tellEnd } from '../runs/run-end.ts';
import { openDisplay } from '../runs/run-listeners.ts';
import type { RunOptions } from '../runs/run-start.ts';
import { hearStop } from '../runs/stop.ts';
import { planFor } from '../session/named-tasks.ts';
import { jobsFor } from '../session/own-settings.ts';
import { artifactsFolder, placesOf } from '../session/places.ts';
import {
  stderrColors as c,
  reportDiagnostics,
  writeStderr,
  writeStdout,
} from '../session/printing.ts';
import { checkRunName } from '../session/run-selection.ts';
import { EXIT, loadFor, type Session, storeAt } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { UsageError } from '../session/usage-error.ts';
import {
  COMMON,
  type CommandDeclaration,
  JOBS,
  RUNNING,
  TARGETS,
} from '../terminal/declaration.ts';
import type { Display } from '../terminal/display.ts';
import { count, drawDiagnostic } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'watch',
  group: 'Make',
  about: 'build targets, and build them again whenever something that they need changes',
  arguments: [TARGETS],
  options: [JOBS, ...RUNNING, { flags: '--name <name>', about: 'a name for its runs' }, ...COMMON],
  examples: ['watch', 'watch report', 'watch report -j 2 --set seeds=[0]'],
};
export { watch as run };

/** Changes that follow each other within this time are one. */
const SETTLES_MS = 100;

/** Makes targets, and makes them again whenever something changes that they rest on. */
async function watch(targets: readonly string[], options: RunOptions): Promise<number> {
  if (options.name !== undefined) checkRunName(options.name, '--name');
  return new Watch(targets, options).all();
}

/** One run, which the next may take the place of. */
interface Cycle {
  readonly id: string;
  readonly display: Display;
  readonly supersession: Supersession;
  /** What runs, and what was said when it began. */
  readonly running: Map<Key, Extract<Event, { event: 'started' }>>;
  ended: Promise<void>;
}

class Watch {
  private readonly targets: readonly string[];
  private readonly options: RunOptions;
  private readonly place: WatchedPlace;
  private readonly stop = hearStop();
  private readonly active = new Set<Cycle>();
  private readonly own = new Set<string>();
  private readonly notices = new Set<Promise<void>>();
  private current: Cycle | undefined;
  private watcher: Watcher | undefined;
  private list: Watchlist | undefined;
  private store: Store | undefined;
  private pool: (OpenPool & { readonly totals: string }) | undefined;
  private print: Digest | undefined;
  private change: Change | undefined = 'sure';
  /** Whether what came of the last change has been told to its end. */
  private told = false;
  private broken: { readonly error: unknown } | undefined;
  private rung = false;
  private ring: () => void = () => undefined;

  constructor(targets: readonly string[], options: RunOptions) {
    const places = placesOf(options);
    this.targets = targets;
    this.options = options;
    const paramsFiles = options.params.map((path) => resolve(path));
    const artifacts = artifactsFolder(places.root);
    this.place = { ...places, file: options.file, paramsFiles, artifacts };
  }

  async all(): Promise<number> {
    const { signal } = this.stop;
    signal.addEventListener('abort', this.wake, { once: true });
    // Who reads its lines is gone: nobody would ever end it.
    const endWithReader = (): void => void process.kill(process.pid, 'SIGTERM');
    if (this.options.json) process.stdout.once('error', endWithReader);
    try {
      for (let settle = false; !signal.aborted && !this.broken; settle = true) {
        if (this.change === undefined) {
          if (this.active.size === 0) await this.rest();
          await this.woken();
        } else {
          if (settle) await this.settled();
          const { change } = this;
          this.change = undefined;
          await this.renew(change);
        }
      }
      const interrupted = this.active.size > 0;
      await this.allEnded();
      await Promise.all(this.notices);
      if (this.broken) throw this.broken.error;
      return interrupted ? EXIT.interrupted : EXIT.success;
    } finally {
      this.stop.release();
      await this.pool?.close();
      await this.watcher?.close();
      await this.store?.close();
    }
  }

  private readonly wake = (): void => {
    this.rung = true;
    this.ring();
  };

  private readonly changed = (change: Change): void => {
    this.change = change === 'sure' ? change : (this.change ?? change);
    this.wake();
  };

  private async woken(): Promise<void> {
    if (!this.rung) {
      await new Promise<void>((resolve) => {
        this.ring = resolve;
      });
    }
    this.rung = false;
  }

  /** Waits until nothing has changed for a moment. */
  private async settled(): Promise<void> {
    do {
      this.rung = false;
      await pause(SETTLES_MS);
    } while (this.rung && !this.stop.signal.aborted);
  }

  private async allEnded(): Promise<void> {
    while (this.active.size > 0) await Promise.all([...this.active].map(({ ended }) => ended));
  }

  /** Loads the pipeline anew and runs it, if anything is other than before. */
  private async renew(change: Change | undefined): Promise<void> {
    let loaded: Loaded;
    let plan: Plan;
    try {
      loaded = await loadFor(this.options);
      plan = planFor(loaded.plan, this.targets);
    } catch (error) {
      // Ctrl-C ends what bundles the stages, too.
      if (this.stop.signal.aborted) return;
      if (!(error instanceof UsageError)) throw error;
      await this.tellBroken(error);
      return;
    }
    await this.look(watchlistOf(this.place, loaded));
    // What has changed before anybody looked is heard of by no watcher.
    if (this.list && isOutdated(this.list)) this.changed('sure');
    const print = planPrint(plan);
    if (print === this.print && (change === 'maybe' || this.active.size > 0)) return;
    this.print = print;
    await this.begin(loaded, plan).catch(async (error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      await this.tellBroken(error);
    });
  }

  /** Shows what is wrong with the pipeline. What runs goes on: nothing says yet that it is not wanted. */
  private async tellBroken({ diagnostics }: UsageError): Promise<void> {
    const { file, preset: presets, params, set: sets, json = false } = this.options;
    this.print = undefined;
    this.told = false;
    if (this.active.size > 0 && !json) {
      const drawn = diagnostics.map((diagnostic) => drawDiagnostic(diagnostic, c));
      const message = ['running tasks continue, but the pipeline has errors:', ...drawn].join('\n');
      this.current?.display.listener({ event: 'warning', message });
    } else reportDiagnostics(diagnostics, json);
    const bytes = await readFile(join(this.place.root, file)).catch(() => Buffer.of());
    const text = decodeSource(bytes, file);
    const given = readParamsFiles(params);
    const paramsFiles = given.ok ? given.value.files : [];
    const read = text.ok
      ? readPipelineParts({ text: text.value, file, presets, paramsFiles, sets })
      : text;
    const whole = read.ok ? withReport(read.value) : undefined;
    const pipeline = whole?.problems.length === 0 ? whole.pipeline : undefined;
    await this.look(await watchlistOfBroken(this.place, pipeline, diagnostics, this.list));
  }

  private async look(list: Watchlist): Promise<void> {
    this.list = list;
    if (this.watcher?.covers(list)) return;
    const before = this.watcher;
    this.watcher = await openWatcher(this.place, list, this.changed, (error) => {
      const text = error instanceof Error ? error.message : String(error);
      const enough = /ENOSPC|EMFILE/.test(text);
      const hint = enough
        ? ' (the system cannot watch more files: see `fs.inotify` in sysctl)'
        : '';
      writeStderr(`${c.yellow('warning')}: some changes may not be noticed: ${text}${hint}`);
    });
    await before?.close();
  }

  /** Starts a run, in the place of one that may still go on. */
  private async begin(loaded: Loaded, plan: Plan): Promise<void> {
    const { options, targets, stop } = this;
    this.store ??= storeAt(this.place.cache, 'write');
    const { store } = this;
    const session: Session = { ...loaded, root: this.place.root, cache: this.place.cache, store };
    const here = resourcesHere(loaded.pipeline, process.env);
    const lacking = await lackingResources({ ...session, plan }, here, process.env);
    if (lacking.length > 0) throw new UsageError(lacking);
    const opened = await openDisplay(plan, options);
    const totals = JSON.stringify([[...here.totals], [...here.units]]);
    const going = this.supersede(await wantedKeys(plan, store));
    if (this.pool?.totals !== totals) {
      // What runs under the totals of before would not be counted.
      await this.allEnded();
      await this.pool?.close();
      const listener = (event: Event) => opened.listener(event);
      const slots = jobsFor(options.jobs);
      const { cache } = this.place;
      this.pool = {
        ...openPool({ here, slots, cache, owner: nextRunId(), identity, listener }),
        totals,
      };
    }
    const { pool } = this.pool;
    const cycle: Cycle = {
      id: nextRunId(),
      display: opened,
      supersession: new Supersession(),
      running: new Map(),
      ended: Promise.resolve(),
    };
    this.current = cycle;
    this.told = false;
    this.own.add(cycle.id);
    this.active.add(cycle);
    if (!options.json) for (const event of going) cycle.display.listener(event);
    const { id, supersession } = cycle;
    const notice = finishNotice({ id, name: options.name, targets, root: this.place.root });
    if (notice) stop.atEnd.add(notice.tellAtOnce);
    const tell = (end: RunEnd | undefined): void => {
      if (notice) stop.atEnd.delete(notice.tellAtOnce);
      if (notice && end && !supersession.isSuperseded) this.notify(tellEnd(notice, end, options));
    };
    const display = {
      listener: (event: Event) => this.show(cycle, event),
      close: () => cycle.display.close(),
    };
    const hear = (event: Event): void => noteRunning(cycle, event);
    const forced = new Set<never>();
    const request = { id, session, plan, targets, forced, options, pool, stop, display, hear };
    cycle.ended = run({ ...request, supersession })
      .then(async (result) => {
        const { tally } = result;
        tell(endOf(result, stop.signal));
        const alone = this.active.size === 1 && !stop.signal.aborted;
        if (tally.built > 0 && alone) await keepWithin(session, options.json ?? false);
      })
      .catch((error: unknown) => {
        tell(ABORTED);
        this.broken ??= { error };
      })
      .finally(() => {
        this.active.delete(cycle);
        this.wake();
      });
  }

  /** Runs `on-finish` beside the next run; only the end of the watch waits for it. */
  private notify(told: Promise<void>): void {
    this.notices.add(told);
    void told.finally(() => this.notices.delete(told));
  }

  /** Lets what runs end, but for what is wanted, too. Gives what was said when that began. */
  private supersede(wanted: ReadonlySet<Key>): readonly Event[] {
    return [...this.active].flatMap((cycle) => {
      cycle.display.close();
      cycle.supersession.supersede(wanted);
      return [...cycle.running].flatMap(([key, started]) => (wanted.has(key) ? [started] : []));
    });
  }

  /** Passes on what a run says: of one whose place was taken, what is told of tasks that were running. */
  private show(cycle: Cycle, event: Event): void {
    if (cycle === this.current) {
      // It waits for what runs beside it, which says enough itself.
      if (event.event !== 'waiting' || !this.own.has(event.for)) cycle.display.listener(event);
    } else if (TOLD_BY_SUPERSEDED_RUNS.has(event.event)) this.current?.display.listener(event);
  }

  /** Says that all is done. Nobody else is kept from the store meanwhile. */
  private async rest(): Promise<void> {
    await this.store?.close();
    this.store = undefined;
    if (this.told || this.change !== undefined || this.stop.signal.aborted) return;
    this.told = true;
    const files = [...(this.list?.files ?? [])].filter(([, stamp]) => stamp !== null).length;
    if (this.options.json) writeStdout(JSON.stringify({ event: 'watching', files }));
    else if (!this.options.quiet)
      writeStderr(c.dim(`watching ${count(files, 'file')}; change something, or press Ctrl-C`));
  }
}

const TOLD_BY_SUPERSEDED_RUNS: ReadonlySet<string> = new Set([
  'progress',
  'metrics',
  'log',
  'built',
  'interrupted',
  'warning',
] satisfies Event['event'][]);

function noteRunning({ running }: Cycle, event: Event): void {
  if (event.event === 'started') running.set(event.key, event);
  else if (['built', 'failed', 'interrupted', 'infeasible', 'waiting'].includes(event.event)) {
    for (const [key, { task }] of running) {
      if ('task' in event && task === event.task) running.delete(key);
    }
  }
}
