// worker.ts — pipeline worker: what a job of a cluster runs; nobody types it
import { stat } from 'node:fs/promises';
import type { JobId } from '../../cluster/batch.ts';
import { DepotLayout, SetLayout } from '../../cluster/layout.ts';
import { runNodeWorker } from '../../cluster/node/node-worker.ts';
import { readSet } from '../../cluster/sets.ts';
import { fileSize } from '../../cluster/small-files.ts';
import { killProgramsNow } from '../../engine/process/shell.ts';
import { writeStderr } from '../session/printing.ts';
import { EXIT } from '../session/session.ts';
import { identity, machine, workerCommand } from '../session/this-process.ts';
import type { CommandDeclaration } from '../terminal/declaration.ts';

/** Filled in by the build. */
declare const VERSION: string;
declare const BUILD: string;

export const command: CommandDeclaration = {
  name: 'worker',
  group: 'Set up',
  about: 'run tasks inside a cluster job',
  hidden: true,
  arguments: [{ name: '<depot>' }, { name: '<project>' }, { name: '<set>' }, { name: '<element>' }],
  options: [],
  examples: [],
};
export { work as run };

async function work(depot: string, project: string, id: string, element: string): Promise<number> {
  const layout = new DepotLayout(depot);
  const isName = [project, id].every((name) => /^[0-9a-z]{8,32}$/.test(name));
  const found = isName ? await stat(depot).catch(() => undefined) : undefined;
  const set = found && readSet(new SetLayout(layout, project, id), id);
  if (set === undefined || !/^\d{1,6}$/.test(element)) {
    const what = found
      ? `the depot ${depot} is another folder here (it has no set ${id})`
      : `the depot ${depot} cannot be seen here`;
    writeStderr(`${identity.host}: ${what}: put it on a file system that all nodes share`);
    return EXIT.usage;
  }
  const note = (text: string): void =>
    writeStderr(`${new Date().toISOString()} ${identity.host}: ${text}`);
  if (fileSize(new SetLayout(layout, project, id).outbox(Number(element))) > 0) {
    // Its outbox has what the first one made.
    note('this job ran before and was put back into the queue: another one takes its place');
    return EXIT.success;
  }
  const { env } = process;
  const array = env.SLURM_ARRAY_JOB_ID;
  const job = array === undefined ? env.SLURM_JOB_ID : `${array}_${env.SLURM_ARRAY_TASK_ID}`;
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => ending.abort());
  }
  await runNodeWorker({
    ...{ layout, project, set: id, element: Number(element), identity, worker: workerCommand },
    ...set,
    set: id,
    job: (job ?? null) as JobId | null,
    environment: env,
    versions: { node: process.version, pipeline: VERSION, build: BUILD },
    facts: machine(),
    ending: ending.signal,
    note,
    abandon(why) {
      note(`what it made cannot be written to the depot; it ends (${why})`);
      killProgramsNow();
      process.exit(EXIT.failed);
    },
  });
  return EXIT.success;
}
