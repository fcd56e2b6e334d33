// this-process.ts — what this process is: its name among runs, its host, its build, and how it starts workers
import { randomBytes } from 'node:crypto';
import { cpus, hostname, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Identity } from '../../engine/model/process-identity.ts';
import type { WorkerCommand } from '../../engine/worker/launch.ts';

/** Digest of what this program was built from: filled in by the build. */
declare const BUILD: string;

/** Starts a worker process: its script lies beside this bundle. */
export const workerCommand: WorkerCommand = [
  process.execPath,
  '--enable-source-maps',
  fileURLToPath(new URL('./worker.js', import.meta.url)),
];

/** The same for a process that only answers questions of a plan: it shows no stacks, and source maps take time to load. */
export const askedCommand: WorkerCommand = [
  process.execPath,
  fileURLToPath(new URL('./worker.js', import.meta.url)),
];

/** Tells this build, and the Node under it, from any other. */
export const PROGRAM = `${BUILD} ${process.version} ${process.platform} ${process.arch}`;

/** A name for this run that sorts by time: 20260412T101502-3fa9c1. */
export function newRunId(now: Date): string {
  const time = now.toISOString().replace(/[-:]|\.\d+Z$/g, '');
  // Runs of one second sort by when they began, too: milliseconds first, then chance.
  const milliseconds = now.getUTCMilliseconds().toString(16).padStart(3, '0');
  return `${time}-${milliseconds}${randomBytes(2).toString('hex').slice(1)}`;
}

export const host = hostname();

/** This process, and how it tells others apart. */
export const identity: Identity = {
  host,
  pid: process.pid,
  onExit: (action) => void process.once('exit', action),
  exists(pid) {
    try {
      return process.kill(pid, 0);
    } catch (error) {
      // Somebody else's.
      return (error as NodeJS.ErrnoException).code === 'EPERM';
    }
  },
};

/** On what tasks are made: nothing that names the machine. */
export const machine = (): { readonly [fact: string]: string } => ({
  os: `${process.platform} ${release()}`,
  arch: process.arch,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
});
