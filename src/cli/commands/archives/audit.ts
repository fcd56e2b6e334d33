// audit.ts — pipeline audit: a task run twice, in surroundings that have little in common; or a sample of what others made

import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuditError,
  type AuditOptions,
  auditAction,
  rerunModule,
  SURROUNDINGS,
} from '../../../archive/rerun/audit.ts';
import {
  auditCommand,
  type CommandAudit,
  type CommandAuditOptions,
  rerunCommand,
} from '../../../archive/rerun/command-audit.ts';
import { searchPath } from '../../../engine/environments/command-variables.ts';
import { writeAtomically } from '../../../engine/files/files.ts';
import type { TaskId } from '../../../engine/model/key.ts';
import type { ActionRecord } from '../../../engine/model/record.ts';
import type { Plan } from '../../../engine/planning/plan.ts';
import { type Forecast, forecast } from '../../../engine/rebuilder/forecast.ts';
import type { StageModule } from '../../../engine/worker/declaration.ts';
import { plainName } from '../../../plain-text.ts';
import { withRemoteBlobs } from '../../remote/far-blobs.ts';
import { auditSample } from '../../remote/remote-audit.ts';
import { currentTask, planFor, resolveTargets } from '../../session/named-tasks.ts';
import { stderrColors as c, writeStderr, writeStdout } from '../../session/printing.ts';
import { type CommonOptions, EXIT, openSession, type Session } from '../../session/session.ts';
import { UsageError } from '../../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../../terminal/declaration.ts';
import { count } from '../../terminal/format.ts';
import { checkerFile } from './archive.ts';

export const command: CommandDeclaration = {
  name: 'audit',
  group: 'Archives',
  about: 'run a task twice, in different environments, and compare the bits',
  arguments: [
    {
      name: '[task]',
      about: 'STAGE/LABEL/LABEL; with --remote: a target to sample from (default: all)',
    },
  ],
  options: [
    {
      flags: '--remote <share>',
      about: 'run a share of the results of others again, such as 1%, and list differences',
    },
    { flags: '--seed <n>', about: 'seed of the --remote sample', value: 'not-negative' },
    ...COMMON,
  ],
  examples: [
    'audit report',
    'audit static/synth-digits/128-64/0.9/erk/uniform/0',
    'audit --remote 1%',
  ],
};
export { audit as run };

interface AuditCommandOptions extends CommonOptions {
  readonly remote?: string;
  readonly seed?: number;
}

/** Runs a task twice and tells whether its bits are the same; or a sample of what others made once. */
async function audit(word: string | undefined, options: AuditCommandOptions): Promise<number> {
  if (word === undefined && options.remote === undefined) {
    const hint = 'pipeline audit TASK, or pipeline audit --remote 1% for what others made';
    throw new UsageError([{ message: 'which task?', hint }]);
  }
  if (options.seed !== undefined && options.remote === undefined) {
    throw new UsageError([{ message: '--seed is for --remote', hint: 'audit --remote 1%' }]);
  }
  const opened = await openSession(options);
  const session = { ...opened, store: withRemoteBlobs(opened.store, opened) };
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'pipeline-audit-')));
  const place = { scratch, signal: stop.signal };
  try {
    return options.remote === undefined
      ? await auditTask(session, word as string, options, place)
      : await auditRemote(session, word, options, place);
  } catch (error) {
    if (stop.signal.aborted) return EXIT.interrupted;
    if (error instanceof AuditError) throw new UsageError([{ message: error.message }]);
    throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    await session.store.close();
  }
}

/** Where runs happen, and what stops them. */
type Place = Pick<AuditParts, 'scratch' | 'signal'>;

/** Runs a task twice. */
async function auditTask(
  session: Session,
  word: string,
  { json }: CommonOptions,
  place: Place,
): Promise<number> {
  const { store, root } = session;
  const id = currentTask(session, word);
  const plan = planFor(session.plan, [id]);
  const forecasts = await forecast(plan, store, new Set());
  const predicted = forecasts.get(id);
  if (predicted === undefined || !('action' in predicted)) {
    throw new UsageError([
      { message: `the inputs of ${id} have not been made`, hint: `pipeline make ${word}` },
    ]);
  }
  const { action } = predicted;
  const parts: AuditParts = { action, store, traces: recordsIn(forecasts), root, ...place };
  const isCommand = action.task.command !== null;
  const found = isCommand ? await auditOfCommand(parts) : await auditOfModule(parts, plan);
  const record = { ...found, node: process.version };
  const path = join(session.cache, 'audits', `${found.key}.json`);
  await writeAtomically(path, `${JSON.stringify(keptOf(record), null, 1)}\n`);
  if (json) writeStdout(JSON.stringify(record));
  else {
    const paint =
      found.verdict === 'bit-exact' ? c.green : found.verdict === 'different' ? c.red : c.yellow;
    writeStdout(`${paint(found.verdict)}  ${found.task}`);
    for (const { output, words } of found.outputs) writeStdout(`  ${output}: ${words}`);
    if (found.asStored === false)
      writeStdout('  the store holds other bits than the first run gave');
    if ('unseen' in found) tellCommand(found);
  }
  return found.verdict === 'different' ? EXIT.failed : EXIT.success;
}

/** Runs a sample of what others made again. */
async function auditRemote(
  session: Session,
  word: string | undefined,
  { remote: share = '', seed, json = false }: AuditCommandOptions,
  { scratch, signal }: Place,
): Promise<number> {
  const { store, root } = session;
  const targets = word === undefined ? [] : [word];
  const plan = planFor(session.plan, targets);
  const forecasts = await forecast(plan, store, new Set());
  const chosen = new Set(resolveTargets(session.plan, targets));
  const traces = recordsIn(forecasts);
  return auditSample(
    { share, seed, json },
    {
      ...{ store, scratch, signal },
      forecasts: [...forecasts.values()].filter(({ task }) => chosen.has(task)),
      rerun(action, index, folder) {
        const parts = { action, store, traces, root, scratch: folder, signal };
        return action.task.command !== null
          ? rerunCommand(commandParts(parts), index)
          : rerunModule(moduleParts(parts, plan), index);
      },
    },
  );
}

/** The records of what is made, by task. */
function recordsIn(forecasts: ReadonlyMap<TaskId, Forecast>): ReadonlyMap<TaskId, ActionRecord> {
  const records = new Map<TaskId, ActionRecord>();
  for (const [task, one] of forecasts) {
    if ('trace' in one && one.trace) records.set(task, one.trace);
  }
  return records;
}

type AuditParts = Omit<CommandAuditOptions, 'path' | 'environment' | 'home' | 'platform'>;

/** Runs a module twice. */
async function auditOfModule(parts: AuditParts, plan: Plan) {
  const about = SURROUNDINGS.map(
    ({ TZ, LANG, OMP_NUM_THREADS }) => `${TZ}, ${LANG}, ${OMP_NUM_THREADS} threads`,
  );
  writeStderr(c.dim(`running ${parts.action.task.id} twice: ${about.join('; then ')}`));
  return { ...(await auditAction(moduleParts(parts, plan))), surroundings: SURROUNDINGS };
}

/** What running a module takes. */
const moduleParts = (parts: AuditParts, { stages }: Plan): AuditOptions => ({
  ...parts,
  module: stages.get(parts.action.task.stage) as StageModule,
  node: process.execPath,
  script: checkerFile,
  environment: process.env.PATH ? { PATH: process.env.PATH } : {},
});

/** Runs a command twice. */
function auditOfCommand(parts: AuditParts): Promise<CommandAudit> {
  const { id } = parts.action.task;
  writeStderr(c.dim(`running ${id} twice: as a make does; then in other surroundings`));
  return auditCommand(commandParts(parts));
}

/** What running a command takes. */
function commandParts(parts: AuditParts): CommandAuditOptions {
  const { env: environment, platform } = process;
  const path = searchPath(environment);
  return { ...parts, path, environment, home: environment.HOME, platform };
}

/** What is kept of an audit, and goes into archives: nothing of the home folder. */
function keptOf<T extends object>(record: T): object {
  if (!('undeclared' in record) || !record.undeclared) return record;
  const { files, ...rest } = record.undeclared as NonNullable<CommandAudit['undeclared']>;
  return { ...record, undeclared: { ...rest, files: files.filter(({ path }) => !isHome(path)) } };
}

const isHome = (path: string): boolean => path.startsWith('~/');

/** So many files are named; with --json all are. */
const FILES_SHOWN = 20;
const VERBS = { read: 'read', listed: 'listed', run: 'ran', written: 'wrote' } as const;

/** Tells why outputs of a command differ, and what it touched and was not given. */
function tellCommand({ cause, undeclared, unseen, surroundings }: CommandAudit): void {
  if (cause === 'pinned') {
    writeStdout(
      '  with the time zone, language and hash seed of a make they are the same: they depend on one of these',
    );
  } else if (cause === 'other') {
    writeStdout('  also with the time zone, language and hash seed of a make: they depend on the');
    writeStdout('  time, random numbers, the folder, the processors, or what the command reads');
  }
  writeStdout(c.dim(`  the second run had ${surroundings.join(', ')}`));
  const files = undeclared?.files ?? [];
  if (undeclared && files.length === 0) {
    writeStdout('  it read no file of the project or the home folder that is no input');
  }
  if (files.length > 0) writeStdout('  it was not given, and');
  for (const { path, touch } of files.slice(0, FILES_SHOWN)) {
    writeStdout(`    ${c.yellow(VERBS[touch].padEnd(6))} ${plainName(path)}`);
  }
  if (files.length > FILES_SHOWN) {
    writeStdout(`    … and ${files.length - FILES_SHOWN} more: --json has them all`);
  }
  if (files.some(({ path, touch }) => touch !== 'written' && !isHome(path))) {
    writeStdout('  what it needs is declared by inputs: { NAME: { file: PATH } }');
  }
  if (undeclared && undeclared.installed > 0) {
    writeStdout(
      c.dim(`  not counted: ${count(undeclared.installed, 'file')} of installed programs`),
    );
  }
  if (unseen !== null) writeStdout(`  ${plainName(unseen)}`);
}
