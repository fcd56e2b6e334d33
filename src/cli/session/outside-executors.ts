// outside-executors.ts — executors that a user brings: modules named by the environment or a settings file
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExecutorProvider } from '../../engine/executors/machine.ts';
import { importModule } from '../../engine/files/import-module.ts';
import { executorsSetting } from '../settings/settings.ts';
import { ownSettings } from './own-settings.ts';
import { UsageError } from './usage-error.ts';

/** The variable that names modules, each of which exports an `ExecutorProvider` as its default. */
export const EXECUTORS_VARIABLE = 'PIPELINE_EXECUTORS';

/** The executors of the modules that are set. @throws UsageError when one is none */
export async function outsideExecutors(): Promise<readonly ExecutorProvider[]> {
  const { value, origin } = executorsSetting(EXECUTORS_VARIABLE, ownSettings());
  const by = 'file' in origin ? origin.file : EXECUTORS_VARIABLE;
  return Promise.all(value.map((path) => load(path, by)));
}

async function load(path: string, by: string): Promise<ExecutorProvider> {
  const fail = (why: string): never => {
    const message = `${path}, which ${by} names, ${why}`;
    const hint = 'export default { name, accepts(action), open(machine) }';
    throw new UsageError([{ message, hint }]);
  };
  const module = await importModule(pathToFileURL(resolve(path)).href).catch((error: unknown) =>
    fail(`cannot be loaded: ${error instanceof Error ? error.message : String(error)}`),
  );
  const { default: provider } = module as { readonly default?: unknown };
  return isProvider(provider) ? provider : fail('exports no executor');
}

const isProvider = (value: unknown): value is ExecutorProvider => {
  if (typeof value !== 'object' || value === null) return false;
  const { name, accepts, open } = value as { readonly [name: string]: unknown };
  return typeof name === 'string' && typeof accepts === 'function' && typeof open === 'function';
};
