// run-context.ts — what everything in a run draws on
import type { Policy } from '../config/policy.ts';
import type { Listener } from '../model/event.ts';
import type { Plan } from '../planning/plan.ts';
import type { SharedResults } from '../store/shared-results.ts';
import type { Store } from '../store/store.ts';

/** What everything in a run draws on. */
export interface RunContext {
  readonly plan: Plan;
  readonly store: Store;
  readonly listener: Listener;
  /** How the tasks of each stage are run. */
  readonly policies: { get(stage: string): Policy | undefined };
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Results of others. Absent where there is no remote. */
  readonly shared?: SharedResults;
}
