// work.ts — an action that is to run on a cluster, as the head sees it: what it needs, who has it, how it ends

import type { JobClass } from '../../engine/config/job-class.ts';
import type { Needs } from '../../engine/config/needs.ts';
import type { ActionSpec, Hooks } from '../../engine/executors/executor.ts';
import type { ActionResult } from '../../engine/model/action-result.ts';
import {
  classFor,
  type Demand,
  demandOf,
  type Growth,
  grownBy,
  NO_GROWTH,
} from '../../engine/pipeline/placement.ts';
import type { HeadSays } from '../messages.ts';
import type { Order } from '../order.ts';

/** A worker, as far as an action knows it. */
export interface Holder {
  readonly held: ReadonlyMap<string, { readonly id: string; readonly work: unknown }>;
  send(says: HeadSays): void;
}

/** Where the tasks of a stage may run, and what they need. */
export interface StagePlace {
  /** Smallest first. */
  readonly classes: readonly JobClass[];
  readonly needs: Needs;
}

/** An order without what differs from one giving to the next. */
export type PreparedOrder = Omit<Order, 'id' | 'share'>;

/** An action that is to run. */
export class Work {
  readonly action: ActionSpec;
  readonly hooks: Hooks;
  readonly signal: AbortSignal;
  readonly place: StagePlace;
  /** Absent while it is being prepared, or where another head has given it. */
  prepared: PreparedOrder | undefined;
  growth: Growth = NO_GROWTH;
  /** Who has it: two where one of them has not been heard of for long. */
  readonly holders = new Set<Holder>();
  hasBegun = false;
  isOver = false;
  /** By which name it waits, or was given. */
  order: string | undefined;
  wasGiven = false;
  readonly result: Promise<ActionResult>;
  private settle: (result: ActionResult) => void = () => undefined;
  private refuse: (error: unknown) => void = () => undefined;

  constructor(action: ActionSpec, hooks: Hooks, signal: AbortSignal, place: StagePlace) {
    this.action = action;
    this.hooks = hooks;
    this.signal = signal;
    this.place = place;
    this.result = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.refuse = reject;
    });
  }

  /** What it needs by now. */
  get demand(): Demand {
    return demandOf(this.place.needs, this.growth);
  }

  /** The class of jobs that it runs in; undefined where none has what it needs by now. */
  get cls(): JobClass | undefined {
    return classFor(this.place.classes, this.demand);
  }

  /** Whether it may go on from a checkpoint: only commands say so. */
  get isResumable(): boolean {
    return this.action.parts.command === undefined || !this.mayCopy;
  }

  /** Whether two may run at once: not where both would write into one folder. */
  get mayCopy(): boolean {
    const second = this.action.parts.command as { readonly checkpoint?: boolean } | undefined;
    return second?.checkpoint !== true;
  }

  begin(on: { readonly on: string; readonly node: string }): void {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.hooks.begun(on);
  }

  /** Gives it more of what it lacked. False where there is no more to give. */
  grow(lack: 'memory' | 'time'): boolean {
    const grown = grownBy(this.place.needs, this.growth, lack);
    if (grown === undefined) return false;
    const before = this.growth;
    this.growth = grown;
    if (this.cls !== undefined) return true;
    this.growth = before;
    return false;
  }

  end(result: ActionResult): void {
    this.isOver = true;
    this.settle(result);
  }

  fail(error: unknown): void {
    this.isOver = true;
    this.refuse(error);
  }
}
