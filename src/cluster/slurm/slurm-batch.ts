// slurm-batch.ts — Slurm as a batch system: arrays, one question for all jobs, and its answers in words
import { spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Batch, DeathCause, JobId, JobSight, SubmitAsk, SubmitEnd } from '../batch.ts';

import { jobScript } from './job-script.ts';
import { logTail } from './log-tail.ts';
import {
  type EndLine,
  isOver,
  QUEUE_FORMAT,
  readAccounting,
  readQueue,
  readShownJobs,
  readSiteLimits,
  type SiteLimits,
} from './slurm-text.ts';
import { type SlurmTool, slurmEnvironment, slurmTools } from './slurm-tools.ts';
import { causeByLog, causeOf, obstacleOf, readRefusal } from './slurm-words.ts';

/** No more than a look in 5 s; ever fewer while nothing happens. */
const PACE = { least_ms: 5000, first_ms: 5000, most_ms: 60_000 };
/** Each time Slurm does not answer, the next question waits twice as long, up to this. */
const SILENCE_MS_MAX = 300_000;
/** The database of accounts learns of an end some time after the controller. */
const LAGS_MS = [1000, 5000];
/** Where the site does not say. */
const ARRAY_MAX = 1000;
/** Jobs are asked about by so many names and ids in one command line. */
const WORDS_MAX = 500;

/** What a batch system of Slurm works with. */
export interface SlurmOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** The folder with what jobs print. */
  readonly logs: string;
  /** For tests: what runs the programs. */
  readonly tool?: SlurmTool;
  readonly lags_ms?: readonly number[];
}

export function slurmBatch(options: SlurmOptions): Batch {
  return new SlurmBatch(options);
}

class SlurmBatch implements Batch {
  readonly name = 'slurm';
  readonly pace = PACE;
  private readonly options: SlurmOptions;
  private readonly tool: SlurmTool;
  private readonly user = userInfo().username;
  private site: Promise<SiteLimits | undefined> | undefined;
  private silentUntil = 0;
  private silence_ms = PACE.least_ms;
  /** Jobs that we ended ourselves: that they were cancelled is nobody's wish. */
  private readonly ended = new Set<string>();

  constructor(options: SlurmOptions) {
    this.options = options;
    this.tool = options.tool ?? slurmTools(options.environment);
  }

  async submit(ask: SubmitAsk): Promise<SubmitEnd> {
    const end = await this.tool('sbatch', submitWords(ask), jobScript(ask));
    if (end.end === 'missing') {
      return {
        end: 'refused',
        message: end.message,
        hint: 'run pipeline where sbatch works, on a login node',
      };
    }
    if (end.end === 'silent')
      return { end: 'unknown', message: `Slurm does not answer: ${end.message}` };
    if (end.end === 'failed') {
      const { isForNow, message, hint } = readRefusal(end.stderr, ask.cls);
      if (isForNow) return { end: 'limited', message };
      return { end: 'refused', message, ...(hint !== undefined && { hint }) };
    }
    const id = /^(\d+)(?:;.*)?$/m.exec(end.stdout)?.[1];
    if (id === undefined) {
      return {
        end: 'unknown',
        message: `sbatch gave no id, but \`${end.stdout.trim().slice(0, 80)}\``,
      };
    }
    const jobs = Array.from({ length: ask.count }, (_, element) => `${id}_${element}` as JobId);
    return { end: 'accepted', jobs };
  }

  async most(): Promise<number> {
    const arrayMax = (await this.limits())?.arrayMax ?? 0;
    return arrayMax > 0 ? arrayMax : ARRAY_MAX;
  }

  /** What the site allows: asked once, and again where it was silent. */
  private limits(): Promise<SiteLimits | undefined> {
    this.site ??= this.tool('scontrol', ['show', 'config']).then((end) => {
      if (end.end === 'ok') return readSiteLimits(end.stdout);
      this.site = undefined;
      return undefined;
    });
    return this.site;
  }

  async look(names: readonly string[]): Promise<readonly JobSight[] | 'unknown'> {
    if (names.length === 0) return [];
    if (performance.now() < this.silentUntil) return 'unknown';
    const sights: JobSight[] = [];
    const wanted = new Set(names);
    // Beyond so many names all jobs of ours are asked for: still one question.
    const only = names.length <= WORDS_MAX ? [`--name=${names.join(',')}`] : [];
    const words = ['-h', '-r', '-t', 'all', `--user=${this.user}`, ...only, '-o', QUEUE_FORMAT];
    const end = await this.tool('squeue', words);
    if (end.end !== 'ok') {
      this.silentUntil = performance.now() + this.silence_ms;
      this.silence_ms = Math.min(2 * this.silence_ms, SILENCE_MS_MAX);
      return 'unknown';
    }
    this.silence_ms = PACE.least_ms;
    for (const line of readQueue(end.stdout)) {
      const { id, element, name, state, ends_ms, node, reason } = line;
      if (!wanted.has(name)) continue;
      const sightState = sightStateOf(state);
      const isPending = sightState === 'pending';
      const obstacle = isPending ? obstacleOf(reason) : undefined;
      sights.push({
        ...{ id: `${id}_${element}` as JobId, name, element, node, state: sightState },
        reason: isPending ? reason : null,
        ends_ms: isPending ? null : ends_ms,
        ...(obstacle && { obstacle }),
      });
    }
    return sights;
  }

  async causes(jobs: Parameters<Batch['causes']>[0]): Promise<ReadonlyMap<JobId, DeathCause>> {
    const lines = await this.ends([...new Set(jobs.map(({ id }) => id as string))]);
    const causes = new Map<JobId, DeathCause>();
    for (const { id, name, element } of jobs) {
      const log = logTail(join(this.options.logs, `${name}.${element}.log`));
      const line = lines.get(id);
      const found = line && isOver(line.states[0] ?? '') ? causeOf(line, log) : causeByLog(log);
      if (found === undefined) continue;
      const isOurs = found.kind === 'cancelled' && this.isEnded(name, element);
      causes.set(id, isOurs ? { kind: 'ended', detail: found.detail } : found);
    }
    return causes;
  }

  private isEnded(name: string, element: number): boolean {
    return this.ended.has(name) || this.ended.has(`${name} ${element}`);
  }

  /** How jobs ended: by the accounts, in one question, again where these lag; else by the controller, for as long as it knows. */
  private async ends(ids: readonly string[]): Promise<ReadonlyMap<string, EndLine>> {
    const found = new Map<string, EndLine>();
    const isKnown = (id: string): boolean => isOver(found.get(id)?.states[0] ?? '');
    const hasAccounting = (await this.limits())?.hasAccounting ?? false;
    for (const lag_ms of hasAccounting ? [0, ...(this.options.lags_ms ?? LAGS_MS)] : []) {
      const left = ids.filter((id) => !isKnown(id)).slice(0, WORDS_MAX);
      if (left.length === 0) return found;
      if (lag_ms > 0) await pause(lag_ms);
      const words = ['-n', '-P', `--jobs=${left.join(',')}`, '-o', 'JobID,State,ExitCode,NodeList'];
      const end = await this.tool('sacct', words);
      if (end.end !== 'ok') break;
      for (const line of readAccounting(end.stdout)) found.set(line.id, line);
    }
    const left = ids.filter((id) => !isKnown(id));
    for (const set of new Set(left.map((id) => id.split('_')[0] ?? id))) {
      const end = await this.tool('scontrol', ['-o', 'show', 'job', set]);
      if (end.end !== 'ok') continue;
      for (const line of readShownJobs(end.stdout)) if (!isKnown(line.id)) found.set(line.id, line);
    }
    return found;
  }

  async end(names: readonly string[], elements?: readonly number[]): Promise<void> {
    for (const name of names) {
      for (const element of elements ?? []) this.ended.add(`${name} ${element}`);
      if (elements === undefined) this.ended.add(name);
    }
    if (elements === undefined) {
      // Those that wait first: none of them is to start because others end.
      await this.cancel(names.map((name) => [`--name=${name}`, '--state=PENDING']));
      await this.cancel(names.map((name) => [`--name=${name}`]));
      return;
    }
    const sights = await this.look(names);
    if (sights === 'unknown') return;
    const living = sights.filter(({ state }) => state !== 'over');
    const ids = living.filter(({ element }) => elements.includes(element)).map(({ id }) => id);
    if (ids.length > 0) await this.cancel([ids]);
  }

  private async cancel(commands: readonly (readonly string[])[]): Promise<void> {
    // Ours alone, whoever else uses the name; root could end those of others.
    for (const words of commands) await this.tool('scancel', [`--user=${this.user}`, ...words]);
  }

  endNow(names: readonly string[]): void {
    const env = slurmEnvironment(this.options.environment);
    for (const name of names) {
      const words = [`--user=${this.user}`, `--name=${name}`];
      spawn('scancel', words, { env, detached: true, stdio: 'ignore' })
        .on('error', () => undefined)
        .unref();
    }
  }

  async close(): Promise<void> {}
}

function sightStateOf(state: string): JobSight['state'] {
  if (isOver(state)) return 'over';
  // What was preempted or lost its node may wait for another one.
  if (/^(?:PENDING|CONFIGURING|REQUEUE|SPECIAL_EXIT|RESV_DEL_HOLD)/.test(state)) return 'pending';
  return /^(?:COMPLETING|STAGE_OUT|SIGNALING|STOPPED)/.test(state) ? 'ending' : 'running';
}

const MINUTE_MS = 60_000;
const MIB = 2 ** 20;
/**
 * So long before its end a job is warned, beside the worker's own clock, which knows nothing of a long prologue. Slurm may be a
 * minute early: short jobs do without.
 */
const WARNING_S = 90;
const WARNED_MS_MIN = 600_000;

/** The words of sbatch. */
export function submitWords({ name, comment, cls, count, logs }: SubmitAsk): readonly string[] {
  const { cpus, memory_bytes, time_ms, gpus, extra } = cls;
  const asked = (['partition', 'account', 'qos', 'constraint'] as const).flatMap((key) =>
    cls[key] === undefined ? [] : [`--${key}=${cls[key]}`],
  );
  const type = gpus.type === undefined ? '' : `${gpus.type}:`;
  // In names of files Slurm fills in what follows a %.
  const folder = logs.replaceAll('%', '%%');
  return [
    ...['--parsable', '--no-requeue', `--job-name=${name}`, `--comment=${comment}`],
    ...[`--array=0-${count - 1}`, `--output=${folder}/${name}.%a.log`, '--open-mode=append'],
    ...[`--chdir=${logs}`, '--nodes=1', '--ntasks=1', `--cpus-per-task=${cpus}`],
    `--time=${Math.ceil(time_ms / MINUTE_MS)}`,
    ...(time_ms < WARNED_MS_MIN ? [] : [`--signal=B:USR1@${WARNING_S}`]),
    ...(memory_bytes === null ? [] : [`--mem=${Math.ceil(memory_bytes / MIB)}M`]),
    ...(gpus.count > 0 ? [`--gpus=${type}${gpus.count}`] : []),
    ...asked,
    ...extra,
  ];
}
