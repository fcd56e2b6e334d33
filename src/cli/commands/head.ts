// head.ts — pipeline head (internal): a make that runs as a job, with its store on the node's own disk
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { openDepot } from '../../cluster/depot.ts';
import { warnAt, warningTime } from '../../cluster/head/end-warning.ts';
import { type DepotLayout, openLayout, projectId } from '../../cluster/layout.ts';
import { headStore } from '../../cluster/records/head-store.ts';
import { RecordLogWriter } from '../../cluster/records/record-log.ts';
import {
  headFolder,
  readSubmission,
  type Submission,
  writeSubmissionEnd,
} from '../../cluster/records/submission.ts';
import { isSystemError, systemSentence } from '../../engine/files/system-error.ts';
import { awaitSilentHeads } from '../cluster/earlier-heads.ts';
import { openNodeFolder } from '../cluster/node-folder.ts';
import { stderrColors as c, writeStderr } from '../session/printing.ts';
import { EXIT, type Session } from '../session/session.ts';
import { identity } from '../session/this-process.ts';
import { UsageError } from '../session/usage-error.ts';
import type { CommandDeclaration } from '../terminal/declaration.ts';
import { type MakeOptions, run as make } from './make.ts';

export const command: CommandDeclaration = {
  name: 'head',
  group: 'Set up',
  about: 'run a make as a job of a cluster',
  hidden: true,
  arguments: [{ name: '<depot>' }, { name: '<project>' }, { name: '<id>' }, { name: '<element>' }],
  options: [],
  examples: [],
};
export { head as run };

/** Makes what a submission says, and says in the depot how that ended. */
async function head(depot: string, project: string, id: string): Promise<number> {
  const isName = [project, id].every((name) => /^[0-9a-z]{8,32}$/.test(name));
  const isThere = isName && (await stat(depot).catch(() => undefined)) !== undefined;
  const layout = isThere ? openLayout(depot, project) : undefined;
  const submission = layout && readSubmission(layout, project, id);
  if (layout === undefined || submission === undefined) {
    const what = isThere
      ? `no head ${id} in the depot ${depot}`
      : `the depot ${depot} cannot be seen`;
    writeStderr(`${identity.host}: ${what}`);
    return EXIT.usage;
  }
  let code: number = EXIT.usage;
  try {
    code = await makeAs(submission, layout, project);
    return code;
  } finally {
    await writeSubmissionEnd(layout, project, id, { code, at: Date.now(), host: identity.host });
  }
}

async function makeAs(
  submission: Submission,
  layout: DepotLayout,
  project: string,
): Promise<number> {
  const { id, root, from, targets, options, cpus } = submission;
  checkFolder(root, project);
  // Other paths than that of the study are relative to where it was submitted.
  process.chdir(existsSync(from) ? from : root);
  stopInTime(submission);
  const folder = openNodeFolder('pipeline-head-', process.env, identity);
  const trouble = troubleTeller();
  // What was made when it was submitted stands in a log of its id.
  const log = new RecordLogWriter(layout, project, `${id}h`, trouble);
  const depot = openDepot(layout);
  const journals = headFolder(layout, project, id);
  try {
    await awaitSilentHeads(layout, project, (words) => writeStderr(words));
    const given = options as unknown as Omit<MakeOptions, 'directory' | 'cache'>;
    return await make(targets, {
      ...{ jobs: cpus, ...given, directory: root, cache: folder.cache },
      async submitted(session: Session) {
        const store = headStore(session.store, { depot, log, journals, trouble });
        for (const file of submission.files) await depot.give(file, session.store.blobs);
        return { ...session, store };
      },
    });
  } finally {
    await log.flushed();
    log.close();
    folder.close();
  }
}

/**
 * Stops the make before the time of its job is over: the workers go on, and the next head takes up what they make. Slurm tells
 * that in time to jobs of 10 minutes and more; the clock of this process does to every job.
 */
function stopInTime({ time_ms }: Submission): void {
  let isTold = false;
  const stop = (): void => {
    if (isTold) return;
    isTold = true;
    const next = '`pipeline make --submit` or `pipeline make` takes up what they make';
    writeStderr(`the time of this job is nearly over: running tasks go on in their jobs; ${next}`);
    process.kill(process.pid, 'SIGHUP');
  };
  process.on('SIGUSR1', stop);
  if (time_ms === undefined) return;
  const end_s = process.env.SLURM_JOB_END_TIME;
  warnAt(warningTime({ limit_ms: time_ms, began: performance.timeOrigin, end_s }), stop);
}

/** @throws UsageError */
function checkFolder(root: string, project: string): void {
  const hint = 'put the study on a file system that the nodes see';
  let seen: string;
  try {
    seen = projectId(root);
  } catch {
    const message = `${identity.host}: the folder of the study cannot be seen: ${root}`;
    throw new UsageError([{ message, hint }]);
  }
  if (seen === project) return;
  const message = `${identity.host}: ${root} is another folder here than where it was submitted`;
  throw new UsageError([{ message, hint }]);
}

/** Tells each trouble once in a row. */
function troubleTeller(): (error: Error) => void {
  let before = '';
  return (error) => {
    const words = isSystemError(error) ? systemSentence(error) : error.message;
    if (words === before) return;
    before = words;
    writeStderr(`${c.yellow('warning')}: the depot takes nothing: ${words}; trying again`);
  };
}
