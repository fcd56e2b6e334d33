// collected.ts — what a report was given, by stage: results to be shown in tables and plots, and JSON as it is
import type { Result } from '../analysis/results.ts';
import { type Values, valuesOf } from '../analysis/values.ts';
import type { Json, Named, TaskId } from '../engine/model/key.ts';
import type { Collected, Gathered, GraphStage } from '../engine/stage.ts';

/** Outputs that a report reads. */
export class ReportResults {
  private readonly byStage = new Map<string, Map<TaskId, Map<string, Collected<Json>>>>();
  private readonly known = new Map<string, Values>();
  readonly missing: Gathered<Json>['missing'];

  /**
   * @param reads what the report reads, `stage.output` by code unit: the outputs of a task come in this order
   */
  constructor({ items, missing }: Gathered<Json>, reads: GraphStage['reads']) {
    this.missing = missing;
    const outputs = new Map<string, string[]>();
    for (const one of reads) {
      const [stage = '', output = ''] = [
        one.slice(0, one.lastIndexOf('.')),
        one.slice(one.lastIndexOf('.') + 1),
      ];
      outputs.set(stage, [...(outputs.get(stage) ?? []), output]);
    }
    for (const item of items) {
      const stage = stageOf(item.task);
      const tasks = this.byStage.get(stage) ?? new Map<TaskId, Map<string, Collected<Json>>>();
      this.byStage.set(stage, tasks);
      const own = tasks.get(item.task) ?? new Map<string, Collected<Json>>();
      const name = outputs.get(stage)?.[own.size] ?? 'output';
      tasks.set(item.task, own.set(name, item));
    }
  }

  /** The results of a stage; of one output of it, where that is named. */
  of(stage: string, output?: string): readonly Result[] {
    return [...(this.byStage.get(stage) ?? [])].map(([task, outputs]) => {
      const chosen = [...outputs].filter(([name]) => output === undefined || name === output);
      const at: Named<string> = chosen[0]?.[1].at ?? {};
      const values = chosen.map(([name, item]) => [name, this.valuesOf(item)] as const);
      return { task, at, outputs: new Map(values) };
    });
  }

  /** The outputs of a stage as they are. */
  jsonOf(stage: string, output?: string): readonly Json[] {
    return [...(this.byStage.get(stage) ?? [])].flatMap(([, outputs]) =>
      [...outputs].flatMap(([name, { value }]) =>
        output === undefined || name === output ? [value] : [],
      ),
    );
  }

  private valuesOf({ digest, value }: Collected<Json>): Values {
    const values = this.known.get(digest) ?? valuesOf(value);
    this.known.set(digest, values);
    return values;
  }
}

/** The stage of a task: what stands before its labels. */
export const stageOf = (task: string): string => task.replace(/\[.*$/s, '');
