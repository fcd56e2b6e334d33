// results.ts — keeps what actions gave
import { entryOf } from '../../present.ts';
import type { Named } from '../model/key.ts';
import type { ActionRecord, Cost, KeptOutput, Maker, Output } from '../model/record.ts';
import { type Action, latestRecord } from '../rebuilder/action.ts';
import type { Commits } from '../store/commits.ts';
import type { RunContext } from './run-context.ts';

/** Keeps the results of one run. */
export class Results {
  private readonly context: RunContext;
  private readonly commits: Commits;
  private readonly maker: Omit<Maker, 'at'>;

  constructor(context: RunContext, commits: Commits, maker: Omit<Maker, 'at'>) {
    this.context = context;
    this.commits = commits;
    this.maker = maker;
  }

  /** Keeps what a stage gave: blobs and record in one transaction, durable before anybody hears of it. */
  async keep(
    action: Action,
    outputs: Named<KeptOutput>,
    cost: Omit<Cost, 'work'>,
    node?: Pick<Maker, 'host' | 'machine'>,
  ): Promise<ActionRecord> {
    const { store, listener } = this.context;
    const { task, key, parts } = action;
    const described = Object.entries(outputs).map(([name, { digest, bytes }]): [string, Output] => [
      name,
      { digest, bytes, kind: entryOf(parts.outputs, name) },
    ]);
    const trace = this.recordOf(action, Object.fromEntries(described), cost, node);
    const before = (await latestRecord(store.actions, task.id))?.outputs;
    const unchanged = described.every(([name, { digest }]) => before?.[name]?.digest === digest);
    this.compare(await store.actions.get(key), trace);
    await this.commits.keep({ record: trace, outputs: Object.values(outputs) });
    this.context.shared?.made(trace);
    listener({ event: 'built', task: task.id, key, ...cost, outputs: trace.outputs, unchanged });
    return trace;
  }

  /** Remembers that an action cannot be done, so that it is not tried again. */
  async keepInfeasible(action: Action, message: string, seconds: number): Promise<ActionRecord> {
    const trace: ActionRecord = { ...this.recordOf(action, {}, { seconds }), infeasible: message };
    await this.commits.keep({ record: trace, outputs: [] });
    this.context.shared?.made(trace);
    return trace;
  }

  /** An action that ran before and gave other bits is no pure function: nothing that is built on it can be repeated. */
  private compare(before: ActionRecord | undefined, now: ActionRecord): void {
    if (before?.outputs === undefined || now.tolerance !== undefined) return;
    for (const [name, { digest }] of Object.entries(now.outputs)) {
      const old = before.outputs[name]?.digest;
      if (old === undefined || old === digest) continue;
      const { origin, made } = before;
      const whose = origin ? `than ${origin.by} got on ${made.host} at ${made.at}` : 'than before';
      const message =
        `output ${name} came out with other bits ${whose} (${old.slice(0, 12)} → ${digest.slice(0, 12)}) ` +
        'from the same code, params and inputs: the stage is not deterministic (a clock, a random number, a file?)';
      this.context.listener({ event: 'warning', message, task: now.task });
    }
  }

  private recordOf(
    { task, key, parts }: Action,
    outputs: Named<Output>,
    cost: Omit<Cost, 'work'>,
    node?: Pick<Maker, 'host' | 'machine'>,
  ): ActionRecord {
    return {
      key,
      task: task.id,
      parts,
      outputs,
      cost: { ...cost, work: task.work },
      made: { ...this.maker, ...node, at: new Date(this.context.clock()).toISOString() },
      ...(task.tools && { tolerance: task.tools.tolerance }),
    };
  }
}
