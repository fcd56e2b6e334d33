// command-variables.ts — the variables of a command: PATH, what pipeline.yaml names, and what makes tools say the same everywhere
import type { Named } from '../model/key.ts';
import type { EnvironmentPlace } from './environment.ts';

/** What a plan says of the variables of a command. */
export interface CommandVariables {
  /** Variables and their values, null where one is not set. */
  readonly env: Named<string | null>;
  /** Where programs are looked for. */
  readonly path: string;
}

/** Where programs are looked for, those of an environment first. */
export const withPrograms = (place: EnvironmentPlace | undefined, path: string): string =>
  place ? `${place.programs}:${path}` : path;

/** The variables that a command is passed. One that is not set is not set for it either. */
export const passedOn = (names: readonly string[], environment: NodeJS.ProcessEnv): Named<string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** Where programs of commands are looked for. */
export const searchPath = ({ PATH }: { readonly PATH?: string | undefined }): string =>
  PATH ?? '/usr/local/bin:/usr/bin:/bin';

/**
 * The environment of a command: PATH, folders of its own, what makes tools say the same everywhere, and the variables
 * that pipeline.yaml names.
 */
export function environmentOf(
  { env, path }: CommandVariables,
  home: string,
  temporary: string,
): Named<string> {
  const named = Object.entries(env).filter(([, value]) => value !== null) as [string, string][];
  return {
    PATH: path,
    HOME: home,
    TMPDIR: temporary,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    SOURCE_DATE_EPOCH: '0',
    PYTHONHASHSEED: '0',
    ...Object.fromEntries(named),
  };
}
