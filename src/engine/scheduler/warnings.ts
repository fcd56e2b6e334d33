// warnings.ts — what stops nothing and should be known, told once a run
import type { Listener } from '../model/event.ts';
import type { TaskId } from '../model/key.ts';
import { StoreError } from '../store/store.ts';

/** Warnings of one run. */
export class Warnings {
  private readonly told = new Set<string>();
  private readonly listener: Listener;

  constructor(listener: Listener) {
    this.listener = listener;
  }

  /** Tells a warning, unless one about the same thing was told. */
  once(about: string, warning: { readonly message: string; readonly task?: TaskId }): void {
    if (this.told.has(about)) return;
    this.told.add(about);
    this.listener({ event: 'warning', ...warning });
  }

  /** A write whose failure loses no result: it is told, and the run goes on to a write that matters. */
  async tryWrite(task: TaskId | undefined, write: () => void | Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const { message } = error;
      this.once(`write ${task}`, { message, ...(task && { task }) });
    }
  }
}
