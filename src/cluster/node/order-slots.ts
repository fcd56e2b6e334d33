// order-slots.ts — the orders of a worker: waiting, running, and being written
import type { Named } from '../../engine/model/key.ts';
import type { Order } from '../order.ts';
import type { OrderRun } from './order-run.ts';

/** What a worker does with its orders. */
export interface OrderSlotsParts {
  /** Names of the accelerators that this job has. */
  readonly units: readonly string[];
  start(order: Order, units: Named<readonly string[]>): OrderRun;
  neverBegan(order: Order): void;
  /** Something has ended. */
  ended(): void;
}

/** So many results may be on their way to the disk before nothing more is begun. */
const SETTLING_MAX = 256;

/** Orders in the order in which they came, begun as they fit. */
export class OrderSlots {
  private readonly waiting: Order[] = [];
  private readonly running = new Map<string, OrderRun>();
  /** They have ended, and their ends are being written. */
  private readonly settling = new Set<OrderRun>();
  private readonly freeUnits: string[];
  private isLeaving = false;
  private readonly parts: OrderSlotsParts;

  constructor(parts: OrderSlotsParts) {
    this.parts = parts;
    this.freeUnits = [...parts.units];
  }

  get isBusy(): boolean {
    return this.running.size + this.waiting.length + this.settling.size > 0;
  }

  /** Whether more could be begun than there is. */
  get isHungry(): boolean {
    return this.waiting.length === 0;
  }

  add(order: Order): void {
    this.waiting.push(order);
    this.begin();
  }

  /** Stops some orders; those that wait never begin. */
  stop(orders: Iterable<string>, grace_ms: number): void {
    const stopped = new Set(orders);
    for (const id of stopped) this.running.get(id)?.stop(grace_ms);
    for (const order of this.waiting.filter(({ id }) => stopped.has(id))) {
      this.waiting.splice(this.waiting.indexOf(order), 1);
      this.parts.neverBegan(order);
    }
  }

  /** Stops all of them, and any that come. */
  leave(grace_ms: number): void {
    this.isLeaving = true;
    this.stop([...this.waiting.map(({ id }) => id), ...this.running.keys()], grace_ms);
  }

  /** Resolves when the ends of all orders that run are written. */
  async settled(): Promise<void> {
    const runs = [...this.running.values(), ...this.settling];
    await Promise.all(runs.map(({ ended }) => ended));
  }

  private begin(): void {
    for (;;) {
      const order = this.waiting[0];
      if (order === undefined || !this.fits(order)) return;
      this.waiting.shift();
      const run = this.parts.start(order, this.isLeaving ? {} : this.unitsFor(order));
      this.running.set(order.id, run);
      if (this.isLeaving) run.stop(0);
      void run.finished.then(() => {
        this.running.delete(order.id);
        this.settling.add(run);
        for (const unit of run.units.gpu ?? []) this.freeUnits.push(unit);
        this.begin();
      });
      void run.ended.then(() => {
        this.settling.delete(run);
        this.begin();
        this.parts.ended();
      });
    }
  }

  private fits({ share }: Order): boolean {
    if (this.isLeaving) return true;
    if (this.settling.size >= SETTLING_MAX) return false;
    const taken = [...this.running.values()].reduce((sum, { order }) => sum + order.share, 0);
    return this.running.size === 0 || taken + share <= 1 + 1e-9;
  }

  private unitsFor({ action }: Order): Named<readonly string[]> {
    const second = action.parts.command as { readonly shows?: Named<number> } | undefined;
    const wanted = Math.ceil(second?.shows?.gpu ?? 0);
    return wanted > 0 ? { gpu: this.freeUnits.splice(0, wanted) } : {};
  }
}

/** The devices that the batch system has left to this job. */
export function unitsOf(
  { CUDA_VISIBLE_DEVICES: visible }: NodeJS.ProcessEnv,
  gpus: number,
): readonly string[] {
  const named = visible
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return named ?? Array.from({ length: gpus }, (_, unit) => String(unit));
}
