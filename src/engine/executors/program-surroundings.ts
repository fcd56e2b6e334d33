// program-surroundings.ts — what a command of the form command/2 is given: variables, a checkpoint folder, files for events and names
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EVENTS_PLACE } from '../config/outputs.ts';
import { CPUS, GPU, handsOut, UNITS } from '../config/resources.ts';
import { passedOn } from '../environments/command-variables.ts';
import { canonicalJson, type Json, type Named } from '../model/key.ts';
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
    | 'checkpoint'
    | 'events'
    | 'pass'
    | 'taskFile'
    | 'inputs'
    | 'outputs'
    | 'units'
    | 'shows'
    | 'threads'
    | 'isSecondForm'
  >;
  /** Which units of resources it has, where these were handed out. */
  readonly units?: Named<readonly string[]> | undefined;
  /** The paths of each input in the scratch folder, by port. */
  readonly places: Named<readonly string[]>;
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
  const order = Object.hasOwn(command.shows, GPU) ? passedOn([DEVICE_ORDER], environment) : {};
  return { ...order, ...Object.fromEntries(filled) };
}

/** Makes what a command asks for. @throws Error when a folder or file cannot be made */
export async function surround(parts: SurroundingsParts): Promise<Surroundings> {
  const { command, folder, environment, listener } = parts;
  if (!command.isSecondForm) return { variables: {}, resumes: false, events: undefined };
  const variables: Record<string, string> = {
    ...PYTHON,
    ...threadVariables(command.threads),
    ...passedOn(command.pass, environment),
    ...unitVariables(parts),
  };
  if (command.taskFile) {
    variables.PIPELINE_TASK_FILE = join(folder, 'task.json');
    await writeFile(variables.PIPELINE_TASK_FILE, taskFileOf(parts));
  }
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

/**
 * Where inputs and outputs are, by the names that pipeline.yaml gives them: paths in the scratch folder. An input is a file,
 * a folder (`runs/`), or the list of its files where they are files of the project. Nothing in it is new to the key.
 */
function taskFileOf({ command, places }: SurroundingsParts): string {
  const inputs = Object.entries(command.inputs).map(([port, place]): [string, Json] => {
    const paths = places[port] ?? [];
    if (place === null) return [port, paths];
    return [port, place.endsWith('/') ? `${paths[0]}/` : (paths[0] ?? null)];
  });
  const outputs = Object.entries(command.outputs).flatMap(([name, { file }]) =>
    file === EVENTS_PLACE ? [] : [[name, file] as const],
  );
  const told = { inputs: Object.fromEntries(inputs), outputs: Object.fromEntries(outputs) };
  return `${canonicalJson(told)}\n`;
}

async function folderIn(folder: string): Promise<CheckpointFolder> {
  const path = join(folder, 'checkpoint');
  await mkdir(path);
  return { path, events: join(folder, 'events.jsonl') };
}
