// submit.ts — pipeline make --submit: runs the head as a job, with what is made already copied to the depot
import type { Batch, JobId, SubmitEnd } from '../../cluster/batch.ts';
import { type Depot, openDepot } from '../../cluster/depot.ts';
import {
  DepotError,
  type DepotLayout,
  depotFolder,
  openLayout,
  projectId,
} from '../../cluster/layout.ts';
import { packResult } from '../../cluster/records/packed-result.ts';
import { type Noted, RecordLogWriter, readRecordLogs } from '../../cluster/records/record-log.ts';
import {
  headJobName,
  headLog,
  isOpen,
  type Submission,
  type SubmissionState,
  submissionStates,
  submissionsIn,
  writeSubmission,
} from '../../cluster/records/submission.ts';
import { noteSubmitted } from '../../cluster/records/submitted-notes.ts';
import { newId } from '../../cluster/sets.ts';
import { type ExecutorConfig, headClass } from '../../engine/config/executors.ts';
import type { JobClass } from '../../engine/config/job-class.ts';
import { isSystemError, systemSentence } from '../../engine/files/system-error.ts';
import type { Digest, Json, Key, Named, TaskId } from '../../engine/model/key.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { type Forecasts, forecast } from '../../engine/rebuilder/forecast.ts';
import type { Store } from '../../engine/store/store.ts';
import { isMoving } from '../session/forecast.ts';
import { writeStderr, writeStdout } from '../session/printing.ts';
import { EXIT, type Session } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { count, duration, shownPath } from '../terminal/format.ts';
import { followHead } from './follow-head.ts';
import { batchFor, jobProgram } from './open-batch.ts';
import { executorsHere, placementsFor } from './placements.ts';

/** What is submitted. */
export interface SubmitRequest {
  readonly session: Session;
  readonly plan: Plan;
  readonly targets: readonly string[];
  readonly forced: ReadonlySet<TaskId>;
  /** Options of `make`, as the head is to have them. */
  readonly options: Named<Json>;
  readonly on: string | undefined;
  /** Whether to show what the head prints until it ends. */
  readonly follow: boolean;
  readonly json: boolean;
}

/** Where a head is to run. */
interface Place {
  readonly config: ExecutorConfig;
  readonly cls: JobClass;
  readonly layout: DepotLayout;
  readonly project: string;
  readonly batch: Batch;
}

/** Submits a head. Gives the exit code. @throws UsageError */
export async function submitHead(request: SubmitRequest): Promise<number> {
  const { session, plan, forced, json, follow } = request;
  const place = placeFor(request);
  const open = await openHeads(place);
  if (open && !follow) throw new UsageError([alreadyThere(open, place)]);
  const executor = place.config.name;
  if (open) return followHead({ ...place, id: open.id, executor, json });
  const forecasts = await forecast(plan, session.store, forced);
  const toRun = [...forecasts.values()].filter(isMoving).length;
  if (toRun === 0) {
    writeStderr(
      'nothing to submit: everything is made (`pipeline make` writes artifacts that lack)',
    );
    return EXIT.success;
  }
  const submission = await worded(place, () => submissionFor(request, place, forecasts));
  const { id, name } = submission;
  const { config, cls, layout, project, batch } = place;
  const end = await batch.submit({
    name,
    comment: `pipeline make ${request.targets.join(' ')}`.trim(),
    cls,
    count: 1,
    argv: [config.node ?? process.execPath, jobProgram, 'head', layout.folder, project, id],
    logs: layout.logsOf(project),
    env: {},
  });
  const job = acceptedJob(end, config.name, cls);
  const { type } = config;
  const note = { id, executor: config.name, type, job, depot: layout.folder, project };
  await noteSubmitted(session.cache, { form: 'submitted/1', ...note });
  const log = headLog(layout, project, name);
  if (json) {
    const told = { event: 'submitted', job, executor: config.name, tasks: toRun, log };
    writeStdout(JSON.stringify(told));
  } else {
    writeStdout(`job ${job} makes up to ${count(toRun, 'task')} (${config.name}, ${sizeOf(cls)})`);
    if (!follow) {
      writeStderr('`pipeline status` tells how it is, and `pipeline make` takes up what it made');
      writeStderr(`what it prints: ${shownPath(log)}`);
    }
  }
  return follow ? followHead({ ...place, id, job, executor, json }) : EXIT.success;
}

const sizeOf = ({ cpus, time_ms }: JobClass): string =>
  `${count(cpus, 'processor')} for up to ${duration(time_ms / 1000)}`;

/** Where the head is to run. @throws UsageError where that cannot be told */
function placeFor({ session, plan, on }: SubmitRequest): Place {
  const config = executorFor(session, plan, on);
  const project = projectId(session.root);
  const cls = headClass(config);
  if (cls === undefined) throw new UsageError([{ message: `${config.name} has no class` }]);
  try {
    const layout = openLayout(depotFolder(config.depot), project);
    return { config, cls, layout, project, batch: batchFor(config, layout.logsOf(project)) };
  } catch (error) {
    if (!(error instanceof DepotError)) throw error;
    const { message, hint } = error;
    throw new UsageError([{ message, hint }]);
  }
}

function executorFor({ pipeline }: Session, plan: Plan, on: string | undefined): ExecutorConfig {
  const executors = executorsHere(pipeline);
  if (executors.size === 0) {
    const message = '--submit: no executor is declared that starts jobs';
    const hint =
      'declare one under `executors:` in pipeline.yaml or a settings file (docs/cluster.md)';
    throw new UsageError([{ message, hint }]);
  }
  const { byStage } = placementsFor(pipeline, plan, on);
  const stages = new Set([...plan.tasks.values()].map(({ stage }) => stage));
  const used = new Set(
    [...stages].flatMap((stage) => {
      const placement = byStage.get(stage);
      return placement && 'classes' in placement ? [placement.executor] : [];
    }),
  );
  const names = used.size > 0 ? [...used] : [...executors.keys()];
  const [name = ''] = names;
  const config = executors.get(name);
  if (config !== undefined && names.length === 1) return config;
  const message = `--submit: the head may run on ${names.join(' or ')}`;
  throw new UsageError([{ message, hint: `\`--on ${name}\` tells where tasks and head run` }]);
}

interface OpenHead {
  readonly id: string;
  readonly state: SubmissionState;
}

/** A head of this study that waits or runs as a job. */
async function openHeads({ layout, project, batch }: Place): Promise<OpenHead | undefined> {
  const ids = submissionsIn(layout, project);
  const states = await submissionStates(layout, project, ids, batch);
  for (const [id, state] of states) if ('sight' in state) return { id, state };
  const unknown = [...states].find(([, state]) => isOpen(state));
  return unknown && { id: unknown[0], state: unknown[1] };
}

function alreadyThere({ state }: OpenHead, { batch }: Place): { message: string; hint: string } {
  if (!('sight' in state)) {
    const message = 'the batch system does not answer: a head of this study may still run as a job';
    return { message, hint: 'try again when it answers' };
  }
  const { id, node } = state.sight;
  const where = node ? `runs on ${node}` : 'waits in the queue';
  const message = `a head of this study is a job already: ${id}, which ${where}`;
  const end = batch.name === 'slurm' ? 'scancel' : 'kill';
  return { message, hint: `--follow shows what it prints; \`${end} ${id}\` ends it` };
}

/** Brings what is made into the depot, and writes down what the head is to do. */
async function submissionFor(
  { session, plan, targets, options }: SubmitRequest,
  { config, cls, layout, project }: Place,
  forecasts: Forecasts,
): Promise<Submission> {
  const { store, root } = session;
  const depot = openDepot(layout);
  const id = newId();
  const known = await readRecordLogs(layout, project);
  const keys = [...forecasts.values()].flatMap((one) =>
    'trace' in one && one.trace && !known.records.has(one.trace.key) ? [one.trace.key] : [],
  );
  await publish(new Set(keys), { store, depot }, new RecordLogWriter(layout, project, id, failing));
  const submission: Submission = {
    form: 'submission/1',
    ...{ id, name: headJobName(project, id), executor: config.name },
    ...{ cls: cls.name, cpus: cls.cpus, time_ms: cls.time_ms },
    ...{ root, from: process.cwd(), targets, options },
    files: await declaredFiles(plan, store, depot),
    asked: Date.now(),
  };
  await writeSubmission(layout, project, submission);
  return submission;
}

/** A person is waiting: a depot that refuses writes is reported at once. */
const failing = (error: Error): never => {
  throw error;
};

/** So many results are written together. */
const TOGETHER = 64;

/** Results that are made here, as the head finds them. One that is not whole is left out: it is made again. */
async function publish(
  keys: ReadonlySet<Key>,
  { store, depot }: { readonly store: Store; readonly depot: Depot },
  log: RecordLogWriter,
): Promise<void> {
  let notes: Noted[] = [];
  for (const key of keys) {
    const record = await store.actions.get(key);
    const noted =
      record && (await packResult({ record, outputs: [] }, { depot, blobs: store.blobs }));
    if (noted) notes.push(noted);
    if (notes.length < TOGETHER) continue;
    await log.write(notes);
    notes = [];
  }
  await log.write(notes);
  log.close();
}

/** Files that were fetched here need not be fetched by the head: nodes may have no network. */
async function declaredFiles(plan: Plan, store: Store, depot: Depot): Promise<Submission['files']> {
  const wanted = new Set<Digest>();
  for (const { files } of plan.tasks.values()) {
    for (const { sha256 } of files ?? []) wanted.add(sha256 as Digest);
  }
  const lacking = new Set(await store.blobs.missing(wanted));
  const files: Submission['files'][number][] = [];
  for (const digest of wanted) {
    const content = lacking.has(digest) ? undefined : await store.blobs.get(digest);
    if (content) files.push(await depot.put(content));
  }
  return files;
}

/** @throws UsageError where the depot takes nothing */
async function worded<T>({ layout }: Place, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const message = `the depot ${layout.folder} takes nothing: ${systemSentence(error)}`;
    throw new UsageError([{ message, hint: '`pipeline cluster gc` makes room in it' }]);
  }
}

/** @throws UsageError where there is no job, or its state is unknown */
function acceptedJob(end: SubmitEnd, executor: string, { name }: JobClass): JobId {
  if (end.end === 'accepted') {
    const [job = '' as JobId] = end.jobs;
    return job;
  }
  const message = `${executor}/${name}: ${end.message}`;
  if (end.end === 'refused') throw new UsageError([{ message, hint: end.hint }]);
  const hint =
    end.end === 'limited'
      ? 'try again when fewer jobs of yours are there'
      : 'the queue tells whether there is a job now: `squeue --me`';
  throw new UsageError([{ message, hint }]);
}
