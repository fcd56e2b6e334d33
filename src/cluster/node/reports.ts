// reports.ts — what orders say while they run: gathered, and written a few times a second
import type { Key, Named } from '../../engine/model/key.ts';
import type { Ended, Said, WorkerSays } from '../messages.ts';
import type { Order } from '../order.ts';

/** What is said is written this long after it was said. */
const GATHER_MS = 100;
/** So many lines wait at most; what a task prints beyond that is left out. */
const LINES_MAX = 20_000;

type Mutable<T> = {
  -readonly [K in keyof T]: T[K] extends readonly (infer U)[] | undefined ? U[] : T[K];
};

/** Gathers what orders say. */
export class Reports {
  private said = nothing();
  private taken: (readonly [string, Key])[] = [];
  private readonly progressed = new Map<string, readonly [number, number, string]>();
  private timer: NodeJS.Timeout | undefined;
  private readonly write: (frame: WorkerSays) => void;

  constructor(write: (frame: WorkerSays) => void) {
    this.write = write;
  }

  took({ id, action }: Order): void {
    this.taken.push([id, action.key]);
    this.soon();
  }

  begun(order: string): void {
    this.said.begun.push(order);
    this.soon();
  }

  line(order: string, line: string): void {
    if (this.said.lines.length >= LINES_MAX) return;
    this.said.lines.push([order, line]);
    this.soon();
  }

  warning(order: string, message: string): void {
    this.said.warnings.push([order, message]);
    this.soon();
  }

  metrics(order: string, step: number, values: Named<number>): void {
    this.said.metrics.push([order, step, values]);
    this.soon();
  }

  progress(order: string, done: number, of: number, note: string): void {
    this.progressed.set(order, [done, of, note]);
    this.soon();
  }

  /** An order is given back: it never began. */
  neverBegan({ id, action }: Order, write: (frame: Ended) => void): void {
    this.flush();
    const end = { status: 'stopped', saved: false } as const;
    write({ say: 'ended', order: id, key: action.key, seconds: 0, end });
  }

  /** An order is done, and that is written next: what it said comes before, and that it was taken and begun says nothing now. */
  done(order: string): void {
    this.taken = this.taken.filter(([id]) => id !== order);
    this.said.begun = this.said.begun.filter((id) => id !== order);
    this.progressed.delete(order);
    const { lines, warnings, metrics } = this.said;
    if (lines.length + warnings.length + metrics.length > 0) this.flush();
  }

  /** Writes what was said, before anything that follows from it. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.taken.length > 0) this.write({ say: 'took', orders: this.taken });
    this.taken = [];
    const progress = [...this.progressed].map(([order, told]) => [order, ...told] as const);
    const said: Said = { ...this.said, say: 'said', progress };
    this.progressed.clear();
    this.said = nothing();
    const parts = [said.begun, said.lines, said.warnings, said.metrics, progress];
    if (parts.some((part) => part !== undefined && part.length > 0)) this.write(said);
  }

  private soon(): void {
    this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }
}

const nothing = (): Mutable<Required<Pick<Said, 'begun' | 'lines' | 'warnings' | 'metrics'>>> => ({
  begun: [],
  lines: [],
  warnings: [],
  metrics: [],
});
