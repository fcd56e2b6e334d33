// causes.ts — what makes two runs differ: params, source files, input files, tools

import { canonicalJson, type Json, type Key, type Named } from '../engine/model/key.ts';
import type { ActionRecord } from '../engine/model/record.ts';
import { type Difference, differences } from '../engine/store/compare.ts';
import type { ActionCache } from '../engine/store/store.ts';
import { entryOf } from '../present.ts';

/** What two runs are told apart by: runs of the history, or the pipeline as it is now. */
export interface RunFacts {
  readonly params: Named<Json>;
  /** Digest of each source file. Absent for runs of older versions. */
  readonly sources?: Named<string> | undefined;
  /** Key of every task that was made or reused. */
  readonly tasks: Named<Key>;
}

/** A file that differs. */
export interface FileChange {
  readonly file: string;
  readonly change: 'added' | 'removed' | 'changed';
}

/** What differs between two runs before anything is computed. */
export interface Causes {
  readonly params: readonly Difference[];
  /** Source files by name; empty where one of the runs did not note them. */
  readonly sources: readonly FileChange[];
  /** Stages whose code differs. */
  readonly code: readonly string[];
  /** Files that tasks read: declared data files, and files of the project. */
  readonly inputs: readonly FileChange[];
  /** Versions of what runs beside the stages. */
  readonly tools: readonly Difference[];
}

/** Finds what differs between two runs, by what they noted and by the records of the tasks that both have. */
export async function causesBetween(
  actions: Pick<ActionCache, 'get'>,
  before: RunFacts,
  after: RunFacts,
): Promise<Causes> {
  const parts = new PartChanges();
  const pairs = new Set<string>();
  for (const [task, to] of Object.entries(after.tasks)) {
    if (!Object.hasOwn(before.tasks, task)) continue;
    const from = entryOf(before.tasks, task);
    const pair = `${from} ${to}`;
    if (from === to || pairs.has(pair)) continue;
    pairs.add(pair);
    const [a, b] = [await actions.get(from), await actions.get(to)];
    if (a && b) parts.compare(task.replace(/\[.*/s, ''), a, b);
  }
  return {
    params: differences('', before.params, after.params),
    sources: before.sources && after.sources ? filesBetween(before.sources, after.sources) : [],
    code: [...parts.code].sort(),
    inputs: [...parts.inputs].map(([file, change]) => ({ file, change })),
    tools: [...parts.tools.values()],
  };
}

/** Whether nothing that is known differs. */
export const isSame = ({ params, sources, code, inputs, tools }: Causes): boolean =>
  [params, sources, code, inputs, tools].every(({ length }) => length === 0);

/** Files by digest, before and after. */
export function filesBetween(before: Named<string>, after: Named<string>): readonly FileChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((file): readonly FileChange[] => {
    if (!Object.hasOwn(before, file)) return [{ file, change: 'added' }];
    if (!Object.hasOwn(after, file)) return [{ file, change: 'removed' }];
    return before[file] === after[file] ? [] : [{ file, change: 'changed' }];
  });
}

/** What differs between the keys of tasks, told once for all of them. */
class PartChanges {
  readonly code = new Set<string>();
  readonly inputs = new Map<string, FileChange['change']>();
  readonly tools = new Map<string, Difference>();

  compare(stage: string, { parts: a }: ActionRecord, { parts: b }: ActionRecord): void {
    const [codeA, codeB] = [a, b].map(({ code, command }) =>
      canonicalJson([code, command ?? null]),
    );
    if (codeA !== codeB) this.code.add(stage);
    for (const { file, change } of filesBetween(filesOf(a), filesOf(b)))
      this.inputs.set(file, change);
    for (const found of differences('', a.tools ?? {}, b.tools ?? {}))
      this.tools.set(found.path, found);
  }
}

/** The files that a task reads, by name: those that it declares, and those of the project. */
function filesOf({ source, inputs }: ActionRecord['parts']): Named<string> {
  const files: Record<string, string> = Object.assign(Object.create(null), source ?? {});
  for (const input of Object.values(inputs)) {
    if (!Array.isArray(input)) continue;
    for (const item of input as readonly (readonly unknown[])[]) {
      // A file has a name and a digest; what another task gave has its place as well.
      if (item.length === 2) files[String(item[0])] = String(item[1]);
    }
  }
  return files;
}
