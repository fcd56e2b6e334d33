// order-ends.ts — maps how an order ended on a worker to how the attempt ended, or to a retry with more resources
import type { JobClass } from '../../engine/config/job-class.ts';
import { type ActionResult, failed } from '../../engine/model/action-result.ts';
import type { Failure } from '../../engine/model/failure.ts';
import type { Key, Named } from '../../engine/model/key.ts';
import { demandOf, grownBy, tasksPerJob } from '../../engine/pipeline/placement.ts';
import type { Depot } from '../depot.ts';
import type { Ended } from '../messages.ts';
import type { DepotPatience } from './depot-patience.ts';
import type { Done, Intake, NodeFacts } from './intake.ts';
import type { Work } from './work.ts';
import type { WorkerView } from './worker-view.ts';

/** What ends are taken with. */
export interface OrderEndsParts {
  /** Of the executor. */
  readonly name: string;
  readonly intake: Intake;
  readonly depot: Depot;
  readonly patience: DepotPatience;
  warn(message: string): void;
}

/** Ends of orders. */
export class OrderEnds {
  /** Outputs of what ended here, to compare with a copy that ends later. */
  private readonly outputs = new Map<Key, string>();
  /** Keys of which results lie in a set. */
  private readonly keys = new Map<string, Set<Key>>();
  private readonly parts: OrderEndsParts;

  constructor(parts: OrderEndsParts) {
    this.parts = parts;
  }

  /** Whether a result of a key was taken. */
  isKnown(key: Key): boolean {
    return this.outputs.has(key);
  }

  /** Sets in which results lie that the store does not have. */
  async unkeptSets(isKept: (key: Key) => Promise<boolean>): Promise<ReadonlySet<string>> {
    const unkept = new Set<string>();
    for (const [set, keys] of this.keys) {
      for (const key of keys) if (!(await isKept(key))) unkept.add(set);
    }
    return unkept;
  }

  /** Remembers where results lie, and tells when two copies gave other bits. */
  note(worker: WorkerView, { key, end }: Ended): void {
    if (end.status !== 'done') return;
    const keys = this.keys.get(worker.set.id);
    if (keys) keys.add(key);
    else this.keys.set(worker.set.id, new Set([key]));
    const before = this.outputs.get(key);
    if (before !== undefined && before !== formatOutputs(end.outputs)) {
      const short = key.slice(0, 12);
      this.parts.warn(
        `action ${short} ran twice and gave other bits: its stage is not deterministic`,
      );
    }
  }

  /** How the attempt ended; undefined where it is to be tried again. */
  async resultOf(
    work: Work,
    worker: WorkerView,
    ended: Ended,
    body: Buffer,
  ): Promise<ActionResult | undefined> {
    const { end, seconds } = ended;
    const { host, machine } = worker;
    switch (end.status) {
      case 'done':
        return this.take(work, { ...ended, end }, body, { host, machine });
      case 'stopped': {
        if (work.signal.aborted) {
          await this.parts.intake.stopped(work.action, work.hooks);
          return { status: 'stopped' };
        }
        return end.saved || seconds < 1 ? undefined : this.lacking(work, 'time', worker);
      }
      case 'lost-inputs':
        for (const digest of end.digests) this.parts.depot.forget(digest);
        return { status: 'lost-inputs', digests: end.digests };
      case 'mismatch': {
        const message = `${host} has other tools than this machine: ${end.message}`;
        return failed({ cause: 'infrastructure', message });
      }
      case 'failed':
        if (end.failure.cause !== 'memory') return failed(end.failure);
        return (
          this.lacking(work, 'memory', worker) && failed(this.withHint(work, worker, end.failure))
        );
      default:
        return undefined;
    }
  }

  /** Gives an action more of what it lacked; undefined where that is possible. */
  lacking(work: Work, lack: 'memory' | 'time', { cls }: WorkerView): ActionResult | undefined {
    const what = lack === 'memory' ? 'ran out of memory' : 'did not end in the time of its job';
    if (work.grow(lack)) {
      work.hooks.warn(`it ${what} in ${this.parts.name}/${cls.name}, and is given more`);
      return undefined;
    }
    const hint = formatMore(work, lack, { executor: this.parts.name, cls });
    const message = `it ${what} in ${this.parts.name}/${cls.name}: ${hint}`;
    return failed({ cause: lack === 'memory' ? 'memory' : 'infrastructure', message });
  }

  private withHint(work: Work, { cls }: WorkerView, failure: Failure): Failure {
    const hint = formatMore(work, 'memory', { executor: this.parts.name, cls });
    return { ...failure, notes: [...(failure.notes ?? []), hint] };
  }

  private async take(
    work: Work,
    ended: Ended & { readonly end: Done },
    body: Buffer,
    node: NodeFacts,
  ): Promise<ActionResult | undefined> {
    const { patience, intake } = this.parts;
    const result = await patience.during(
      () => intake.done(work.action, ended, body, node),
      () => work.isOver,
    );
    if (result?.status === 'done') this.outputs.set(ended.key, formatOutputs(result.outputs));
    return result;
  }
}

/** How an action could be given more of what it lacked in a class. */
function formatMore(
  { place, growth, action }: Work,
  lack: 'memory' | 'time',
  { executor, cls }: { readonly executor: string; readonly cls: JobClass },
): string {
  const amountOf = ({ memory_bytes, time_ms }: JobClass): number =>
    (lack === 'memory' ? memory_bytes : time_ms) ?? Number.POSITIVE_INFINITY;
  const together = tasksPerJob(cls, demandOf(place.needs, growth));
  if (lack === 'memory' && place.needs.memory_bytes === null && together > 1) {
    return `up to ${together} tasks share the memory of a job: \`needs: { memory: … }\` of stage ${action.stage} says how much one takes, and fewer run at once`;
  }
  const mayGrow = grownBy(place.needs, growth, lack) !== undefined;
  const isLargest = place.classes.every((job) => amountOf(job) <= amountOf(cls));
  const larger = `a class of ${executor} with more \`${lack}\` than ${cls.name}`;
  if (mayGrow) return `it could be given more in ${larger}`;
  const needs = `\`needs: { ${lack}: { start: …, limit: … } }\` of stage ${action.stage} lets it have more`;
  return isLargest ? `${needs}, in ${larger}` : needs;
}

const formatOutputs = (outputs: Named<{ readonly digest: string }>): string =>
  Object.entries(outputs)
    .sort()
    .map(([name, { digest }]) => `${name} ${digest}`)
    .join();
