// environment-mark.ts — what tells a state of the environment from others, variable by variable
import { canonicalJson, digestOf } from '../model/key.ts';

/** Stands for the names of all variables, for a module that lists them. It can be the name of none. */
export const ALL_NAMES = '=';

/** A variable, or `ALL_NAMES`, and what tells its value from others without holding it. */
export type EnvironmentMark = readonly [name: string, mark: string];

export const markOf = (name: string, environment: NodeJS.ProcessEnv): string => {
  const value = name === ALL_NAMES ? Object.keys(environment).sort() : environment[name];
  return digestOf(canonicalJson([name, value ?? null])).slice(0, 32);
};

/** Whether variables have the values that they had. */
export const marksHold = (
  marks: readonly EnvironmentMark[],
  environment: NodeJS.ProcessEnv,
): boolean => marks.every(([name, mark]) => markOf(name, environment) === mark);
