// worker-reports.ts — what workers say to their head: that they are there, what they took, how orders go, that they leave
import type { Hooks } from '../../engine/executors/executor.ts';
import type { Frame } from '../frames.ts';
import { type Here, LEFT_BY_SIGNAL, readWorkerSays, type Said } from '../messages.ts';
import type { Fleet } from './fleet.ts';
import type { OrderDesk } from './order-desk.ts';
import type { Orders } from './orders.ts';
import type { WorkerView } from './worker-view.ts';

/** Who is told. */
export interface WorkerReportsParts {
  readonly fleet: Fleet;
  readonly desk: OrderDesk;
  readonly orders: Orders;
  /** What a worker must say of its versions; undefined where it may work. */
  misfit(here: Here): string | undefined;
  trouble(error: Error): void;
  /** Jobs are otherwise than before. */
  changed(): void;
}

/** Reads what workers say. */
export class WorkerReports {
  private readonly parts: WorkerReportsParts;

  constructor(parts: WorkerReportsParts) {
    this.parts = parts;
  }

  hear(worker: WorkerView, { header, body }: Frame): void {
    const said = readWorkerSays(header);
    if (said === undefined) return;
    if (said.say !== 'trouble') worker.isTroubled = false;
    this.parts.desk.hear(worker);
    switch (said.say) {
      case 'here':
        this.welcome(worker, said);
        return;
      case 'took':
        for (const [id, key] of said.orders) {
          if (worker.held.has(id)) continue;
          worker.held.set(id, { id, key, work: undefined, hasBegun: false });
        }
        return;
      case 'said':
        this.tell(worker, said);
        return;
      case 'ended':
        this.parts.orders.ended(worker, said, body);
        return;
      case 'trouble':
        worker.isTroubled = true;
        this.parts.trouble(new Error(`${worker.host} waits for the depot: ${said.message}`));
        return;
      case 'left':
        worker.state = 'over';
        if (said.why === LEFT_BY_SIGNAL) this.parts.fleet.noteEnded(worker);
        this.parts.desk.leave(worker);
        void this.parts.fleet.bury(worker);
        return;
      default:
    }
  }

  private welcome(worker: WorkerView, here: Here): void {
    worker.state = 'here';
    Object.assign(worker, { host: here.host, machine: here.machine, job: here.job ?? worker.job });
    const misfit = this.parts.misfit(here);
    if (misfit !== undefined) {
      worker.isLeaving = true;
      worker.send({ say: 'leave', grace_ms: 0 });
      this.parts.fleet.close(worker.cls.name, misfit, undefined);
    }
    worker.ends_ms = Math.min(Date.now(), here.at) + worker.cls.time_ms;
    if (misfit === undefined) this.parts.desk.arrive(worker);
    this.parts.changed();
    this.parts.desk.giveSoon();
  }

  private tell(worker: WorkerView, said: Said): void {
    const hooksOf = (id: string): Hooks | undefined => {
      const work = worker.held.get(id)?.work;
      return work?.isOver ? undefined : work?.hooks;
    };
    for (const id of said.begun ?? []) this.parts.orders.begun(worker, id);
    for (const [id, line] of said.lines ?? []) hooksOf(id)?.log(line);
    for (const [id, message] of said.warnings ?? []) hooksOf(id)?.warn(message);
    for (const [id, step, values] of said.metrics ?? []) hooksOf(id)?.metrics(step, values);
    for (const [id, ...told] of said.progress ?? []) hooksOf(id)?.progress(...told);
  }
}
