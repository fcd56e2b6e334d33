// program-surroundings.ts — what a command of the form command/2 is given: variables, a checkpoint folder, a file for events
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CPUS, GPU, handsOut, UNITS } from '../config/resources.ts';
import type { Named } from '../model/key.ts';
import { DEVICE_ORDER, visibleDevices } from '../process/devices.ts';
import type { CheckpointFolder } from '../store/checkpoint-folders.ts';
import type { CommandSpec } from './command-spec.ts';
import { followEvents, type ProgramEvents, type ProgramListener } from './program-events.ts';

/** What surrounds one attempt. */
export interface Surroundings {
  /** Variables beside those that every command has. */
  readonly variables: Named<string>;
  /** Whether the program finds a checkpoint. */
  readonly resumes: boolean;
  /** What it reports; undefined where it declares no events. */
  readonly events: ProgramEvents | undefined;
}

/** What they are made from. */
export interface SurroundingsParts {
  readonly command: Pick<
    CommandSpec,
    'checkpoint' | 'events' | 'pass' | 'units' | 'shows' | 'threads' | 'isSecondForm'
  >;
  /** Which units of resources it has, where these were handed out. */
  readonly units?: Named<readonly string[]> | undefined;
  /** Folder of the attempt, for what need not outlive it. */
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly listener: ProgramListener;
  /** The folder that outlives the attempt; undefined where none does. */
  checkpointFolder(): Promise<CheckpointFolder | undefined>;
}

/** What every command of the second form has: Python writes no caches beside scripts, and prints lines when it says them. */
const PYTHON = { PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1' };

/** By which libraries are told how many threads to start, and programs how many processors there are. */
const THREADS: readonly string[] = [
  'OMP_NUM_THREADS',
  'MKL_NUM_THREADS',
  'OPENBLAS_NUM_THREADS',
  'GOTO_NUM_THREADS',
  'BLIS_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
  'NUMEXPR_NUM_THREADS',
  'NUMEXPR_MAX_THREADS',
  'NUMBA_NUM_THREADS',
  'TF_NUM_INTRAOP_THREADS',
  'RAYON_NUM_THREADS',
  'POLARS_MAX_THREADS',
  'JULIA_NUM_THREADS',
  'GOMAXPROCS',
  'LOKY_MAX_CPU_COUNT',
  'PYTHON_CPU_COUNT',
];

const threadVariables = (threads: number | null): Named<string> =>
  threads === null ? {} : Object.fromEntries(THREADS.map((name) => [name, String(threads)]));

/** The variables that name units. Where none were handed out, as in a shell, they are the first that there are. */
function unitVariables({ command, units, environment }: SurroundingsParts): Named<string> {
  const held = (resource: string): string => {
    if (resource === CPUS) return String(command.threads);
    const shown = Object.hasOwn(command.shows, resource) ? command.shows[resource] : undefined;
    if (!handsOut(resource)) return String(shown);
    const handed = units && Object.hasOwn(units, resource) ? units[resource] : undefined;
    const visible = resource === GPU ? visibleDevices(environment) : undefined;
    const first = (visible ?? [...Array(shown ?? 0).keys()]).slice(0, shown);
    return (handed ?? first).join(',');
  };
  const filled = Object.entries(command.units).map(([name, template]) => [
    name,
    template.replace(UNITS, (_, resource: string) => held(resource)),
  ]);
  const order = Object.hasOwn(command.shows, GPU) ? passed([DEVICE_ORDER], environment) : {};
  return { ...order, ...Object.fromEntries(filled) };
}

/** Makes what a command asks for. @throws Error when a folder or file cannot be made */
export async function surround(parts: SurroundingsParts): Promise<Surroundings> {
  const { command, folder, environment, listener } = parts;
  if (!command.isSecondForm) return { variables: {}, resumes: false, events: undefined };
  const variables: Record<string, string> = {
    ...PYTHON,
    ...threadVariables(command.threads),
    ...passed(command.pass, environment),
    ...unitVariables(parts),
  };
  let resumes = false;
  let file = join(folder, 'events.jsonl');
  if (command.checkpoint) {
    const kept = (await parts.checkpointFolder()) ?? (await folderIn(folder));
    variables.PIPELINE_CHECKPOINT = kept.path;
    resumes = (await readdir(kept.path)).length > 0;
    file = kept.events;
  }
  if (!command.events) return { variables, resumes, events: undefined };
  // A program that starts anew reports anew.
  if (!resumes) await writeFile(file, '');
  const known = (await stat(file).catch(() => undefined))?.size ?? 0;
  if (known === 0) await writeFile(file, '');
  variables.PIPELINE_EVENTS = file;
  return { variables, resumes, events: await followEvents(file, known, listener) };
}

/** The variables that a command is passed. One that is not set is not set for it either. */
export const passed = (names: readonly string[], environment: NodeJS.ProcessEnv): Named<string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

async function folderIn(folder: string): Promise<CheckpointFolder> {
  const path = join(folder, 'checkpoint');
  await mkdir(path);
  return { path, events: join(folder, 'events.jsonl') };
}
