// fleet.ts — the workers of a cluster: asked for as there is work, watched, and missed when they are gone
import type { JobClass } from '../../engine/config/job-class.ts';
import type { Batch, DeathCause } from '../batch.ts';
import { type DepotLayout, removeSet, SetLayout, setsIn } from '../layout.ts';
import {
  type HeadNote,
  newId,
  readHead,
  readSet,
  type WorkerSet,
  writeHead,
  writeSet,
} from '../sets.ts';
import { fileSize } from '../small-files.ts';
import { Deaths } from './deaths.ts';
import { QueueWatch } from './queue-watch.ts';
import { WorkerView, type WorkerViewListener } from './worker-view.ts';

/** What a fleet works with. */
export interface FleetParts {
  readonly executor: string;
  readonly batch: Batch;
  readonly layout: DepotLayout;
  readonly project: string;
  readonly classes: ReadonlyMap<string, JobClass>;
  /** Starts a worker of a set: without its element. */
  argvOf(set: string): readonly string[];
  /** What all workers are told. */
  readonly terms: Pick<WorkerSet, 'maxIdle_ms' | 'orphan_ms' | 'mayConnect' | 'root'>;
  readonly env: { readonly [name: string]: string };
  /** What stands in the queue for people. */
  comment(): string;
  note(): HeadNote;
  readonly listener: FleetListener;
}

/** What becomes of workers. */
export interface FleetListener extends Omit<WorkerViewListener, 'disconnected'> {
  /** A worker is over, with all of its outbox read. */
  gone(worker: WorkerView, cause: DeathCause | undefined): void;
  /** No more workers of a class are asked for. */
  closed(cls: string, message: string): void;
  warn(message: string): void;
  changed(): void;
}

/** After a refusal for now, nothing is asked for so long. */
const LIMITED_MS = 30_000;
/** What an outbox still shows after its job is over is waited for. */
const LAST_LOOK_MS = 1000;

/** The workers of one executor. */
export class Fleet {
  readonly workers = new Set<WorkerView>();
  private readonly closed = new Map<string, string>();
  private readonly sets = new Map<string, { readonly set: WorkerSet; readonly files: SetLayout }>();
  private readonly deaths: Deaths;
  private readonly told = new Set<string>();
  /** Names of jobs of which one was ended by somebody else: it may wait in the queue again. */
  private readonly endedByOthers = new Set<string>();
  private asking = 0;
  private asked: Promise<void> = Promise.resolve();
  private limitedUntil = 0;
  private readonly queue: QueueWatch;
  private readonly burying = new Set<WorkerView>();
  private readonly parts: FleetParts;

  constructor(parts: FleetParts) {
    this.parts = parts;
    this.deaths = new Deaths({
      batch: parts.batch,
      logs: parts.layout.logsOf(parts.project),
      close: (cls, message, hint) => this.close(cls, message, hint),
      warn: (cls, message) => this.tellOnce(`${parts.executor}/${cls}: ${message}`),
    });
    this.queue = new QueueWatch({
      ...{ batch: parts.batch, workers: this.workers, names: () => this.names },
      over: (worker) => this.bury(worker),
      close: (cls, message, hint) => this.close(cls, message, hint),
      warn: (message) => this.tellOnce(message),
      changed: () => parts.listener.changed(),
    });
  }

  get isAsking(): boolean {
    return this.asking > 0;
  }

  /** The names of all jobs that were asked for. */
  get names(): readonly string[] {
    return [...this.sets.values()].map(({ set }) => set.name);
  }

  /** Workers of a class that take orders, or will. */
  open(cls: string): readonly WorkerView[] {
    return [...this.workers].filter(
      (one) => one.cls.name === cls && one.state !== 'over' && !one.isLeaving,
    );
  }

  find(set: string, element: number): WorkerView | undefined {
    return [...this.workers].find((one) => one.set.id === set && one.element === element);
  }

  /** Takes over what an earlier head of this project has left; every outbox is read. */
  async recover(isGone: (head: HeadNote) => boolean): Promise<void> {
    const { layout, project, executor, batch } = this.parts;
    for (const id of setsIn(layout, project)) {
      const files = new SetLayout(layout, project, id);
      const head = readHead(files);
      if (head && !isGone(head)) continue;
      const set = readSet(files, id);
      if (set === undefined) {
        // Nothing was asked for before it was written.
        removeSet(files);
        continue;
      }
      if (set.executor !== executor) continue;
      await writeHead(files, this.parts.note());
      this.adopt(set, files);
    }
    if (this.sets.size === 0) return;
    const sights = await batch.look(this.names);
    await Promise.all([...this.workers].map((worker) => worker.look()));
    if (sights !== 'unknown') this.queue.see(sights);
    const dead = [...this.workers].filter((worker) => {
      worker.follow();
      const isSeen = worker.sight !== undefined && worker.sight.state !== 'over';
      return (sights !== 'unknown' && !isSeen) || worker.state === 'over';
    });
    await Promise.all(dead.map((worker) => this.bury(worker)));
    this.deaths.forget();
    this.closed.clear();
    this.queue.submitted();
  }

  private adopt(set: WorkerSet, files: SetLayout): void {
    const cls = this.parts.classes.get(set.cls) ?? [...this.parts.classes.values()][0];
    if (cls === undefined) return;
    this.sets.set(set.id, { set, files });
    for (let element = 0; element < set.count; element += 1) {
      // What the earlier head has not written whole is written over with what is whole by itself.
      const inboxBytes = fileSize(files.inbox(element));
      this.add(set, element, { ...cls, slots: set.slots }, files, inboxBytes);
    }
  }

  private add(
    set: WorkerSet,
    element: number,
    cls: JobClass,
    files: SetLayout,
    inboxBytes: number,
  ): WorkerView {
    const { listener } = this.parts;
    const heard: WorkerViewListener = {
      heard: listener.heard,
      trouble: listener.trouble,
      // Its node may be gone, or only the network.
      disconnected: () => this.queue.soon(),
    };
    const worker = new WorkerView(set, element, cls, files, heard, inboxBytes);
    this.workers.add(worker);
    return worker;
  }

  /** Asks for workers of a class until there are so many. */
  want(cls: JobClass, count: number): void {
    const have = this.open(cls.name).length;
    const isShut = this.closed.has(cls.name) || performance.now() < this.limitedUntil;
    if (isShut || this.asking > 0 || have >= count) return;
    this.asking += 1;
    this.asked = this.ask(cls, count - have).finally(() => {
      this.asking -= 1;
      this.parts.listener.changed();
    });
  }

  private async ask(cls: JobClass, wanted: number): Promise<void> {
    const { layout, project, executor, batch, listener } = this.parts;
    const count = Math.min(wanted, (await batch.most?.()) ?? wanted);
    const id = newId();
    const name = `pl.${project}.${cls.name}.${id}`;
    const { slots, time_ms, gpus } = cls;
    const about = { form: 'set/1', id, name, executor, cls: cls.name, count, slots } as const;
    const terms = { ...this.parts.terms, time_ms, gpus: gpus.count, asked: Date.now() };
    const set: WorkerSet = { ...about, ...terms };
    try {
      const files = await writeSet(layout, project, set, this.parts.note());
      this.sets.set(id, { set, files });
    } catch (error) {
      listener.trouble(error as Error);
      this.limitedUntil = performance.now() + LIMITED_MS;
      return;
    }
    const end = await batch.submit({
      ...{ name, cls, count, comment: this.parts.comment(), env: this.parts.env },
      argv: this.parts.argvOf(id),
      logs: layout.logsOf(project),
    });
    if (end.end === 'refused' || end.end === 'limited') {
      this.drop(id);
      if (end.end === 'refused') return this.close(cls.name, end.message, end.hint);
      this.tellOnce(`${this.parts.executor}: ${end.message}; asking again later`);
      this.limitedUntil = performance.now() + LIMITED_MS;
      return;
    }
    if (end.end === 'unknown') this.tellOnce(`${this.parts.executor}: ${end.message}`);
    const files = this.sets.get(id)?.files as SetLayout;
    for (let element = 0; element < count; element += 1) {
      const worker = this.add(set, element, cls, files, 0);
      worker.job = end.end === 'accepted' ? end.jobs[element] : undefined;
      worker.follow();
    }
    this.queue.submitted();
  }

  /** No more workers of a class are asked for. */
  close(cls: string, message: string, hint: string | undefined): void {
    if (this.closed.has(cls)) return;
    const told = `${message}${hint ? ` (${hint})` : ''}`;
    this.closed.set(cls, told);
    this.parts.listener.closed(cls, told);
  }

  /** Why nobody will run what waits for a class; undefined where somebody may. */
  hopeless(cls: string): string | undefined {
    const message = this.closed.get(cls);
    return this.open(cls).some(({ state }) => state === 'here') ? undefined : message;
  }

  private tellOnce(message: string): void {
    if (this.told.has(message)) return;
    this.told.add(message);
    this.parts.listener.warn(message);
  }

  private drop(id: string): void {
    const known = this.sets.get(id);
    if (known) removeSet(known.files);
    this.sets.delete(id);
  }

  /** To be called again and again: looks at the queue when it is time, or when somebody has gone silent. */
  watch(): void {
    this.queue.watch();
  }

  /** A worker has said that it left, or its job is over: what it wrote last is read, then it is missed. */
  async bury(worker: WorkerView): Promise<void> {
    if (this.burying.has(worker) || !this.workers.has(worker)) return;
    this.burying.add(worker);
    const hasLeft = worker.state === 'over';
    const wasHere = worker.state !== 'asked';
    while (await worker.look()) worker.heardAt = performance.now();
    if (!hasLeft && wasHere) {
      await new Promise((resolve) => setTimeout(resolve, LAST_LOOK_MS));
      await worker.look();
    }
    const left = (worker.state as string) === 'over';
    worker.state = 'over';
    const cause = left ? undefined : await this.deaths.causeOf(worker);
    worker.close();
    this.workers.delete(worker);
    this.burying.delete(worker);
    const tasks = worker.held.size;
    this.parts.listener.gone(worker, cause);
    // A request that Slurm did not confirm may never have made a job.
    const wasMade = wasHere || worker.job !== undefined;
    if (!left && wasMade && !this.closed.has(worker.cls.name)) {
      this.deaths.note(worker, { wasHere, tasks, cause });
    }
    this.parts.listener.changed();
  }

  /** Tells all sets that this head lives. */
  async beat(): Promise<void> {
    const note = this.parts.note();
    await Promise.all([...this.sets.values()].map(({ files }) => writeHead(files, note)));
  }

  /** Ends all jobs, those that are being asked for, too. */
  async endAll(): Promise<void> {
    await this.asked;
    if (this.names.length > 0) await this.parts.batch.end(this.names);
  }

  /** The job of a worker was ended, not by us. */
  noteEnded({ set }: WorkerView): void {
    this.endedByOthers.add(set.name);
  }

  /** Ends jobs that somebody put back into the queue after their workers had left. */
  async endRequeued(): Promise<void> {
    if (this.endedByOthers.size > 0) await this.parts.batch.end([...this.endedByOthers]);
  }

  /** Removes what is not needed any more. @param isNeeded whether something in a set still counts */
  tidy(isNeeded: (set: string) => boolean): void {
    const busy = new Set([...this.workers].map(({ set }) => set.id));
    for (const id of [...this.sets.keys()]) if (!busy.has(id) && !isNeeded(id)) this.drop(id);
  }

  /** Lets go of all workers; they go on. */
  release(): void {
    for (const worker of this.workers) worker.close();
  }
}
