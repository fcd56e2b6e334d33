// registry.ts — the executors that there are, and which of them runs an action
import { commandExecutor } from './command-executor.ts';
import type { ActionSpec, Executor } from './executor.ts';
import type { ExecutorProvider, LocalMachine } from './machine.ts';
import { moduleExecutor } from './module-executor.ts';

/** The kinds of executors, the first that accepts an action runs it. A new one is added here. */
export const EXECUTORS: readonly ExecutorProvider[] = [
  {
    name: 'command',
    accepts: ({ parts }) => parts.command !== undefined,
    open: commandExecutor,
  },
  { name: 'module', accepts: () => true, open: moduleExecutor },
];

/** Joins executors to one, which gives each action to the first that accepts it. Each is opened when it is first needed. @param providersNow asked for each action */
export function openExecutors(
  machine: LocalMachine,
  providersNow: () => readonly ExecutorProvider[],
): Executor {
  const open = new Map<ExecutorProvider, Executor>();
  const executorFor = (action: ActionSpec): Executor => {
    const provider = providersNow().find(({ accepts }) => accepts(action));
    if (provider === undefined) throw new Error(`no executor accepts ${action.task}`);
    const known = open.get(provider) ?? provider.open(machine);
    open.set(provider, known);
    return known;
  };
  return {
    name: 'executors',
    execute: (action, hooks, signal) => executorFor(action).execute(action, hooks, signal),
    checkpointNow() {
      for (const executor of open.values()) executor.checkpointNow();
    },
    async close() {
      await Promise.all([...open.values()].map((executor) => executor.close()));
    },
  };
}
