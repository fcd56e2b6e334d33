// outside-executors.ts — executors that a user brings: modules named by the environment
import { delimiter, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExecutorProvider } from '../../engine/executors/machine.ts';
import { UsageError } from './session.ts';

/** The variable that names modules, each of which exports an `ExecutorProvider` as its default. */
export const EXECUTORS_VARIABLE = 'PIPELINE_EXECUTORS';

/** The executors of the modules that the environment names. @throws UsageError when one is none */
export async function outsideExecutors(
  environment: NodeJS.ProcessEnv,
): Promise<readonly ExecutorProvider[]> {
  const paths = environment[EXECUTORS_VARIABLE]?.split(delimiter).filter((path) => path !== '');
  return Promise.all((paths ?? []).map(load));
}

async function load(path: string): Promise<ExecutorProvider> {
  const fail = (why: string): never => {
    const message = `${path}, which ${EXECUTORS_VARIABLE} names, ${why}`;
    const hint = 'export default { name, accepts(action), open(machine) }';
    throw new UsageError([{ message, hint }]);
  };
  const module = await import(pathToFileURL(resolve(path)).href).catch((error: unknown) =>
    fail(`cannot be loaded: ${error instanceof Error ? error.message : String(error)}`),
  );
  const provider: unknown = module.default;
  return isProvider(provider) ? provider : fail('exports no executor');
}

const isProvider = (value: unknown): value is ExecutorProvider => {
  if (typeof value !== 'object' || value === null) return false;
  const { name, accepts, open } = value as { readonly [name: string]: unknown };
  return typeof name === 'string' && typeof accepts === 'function' && typeof open === 'function';
};
