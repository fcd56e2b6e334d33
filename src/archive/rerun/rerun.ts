// rerun.ts — tasks of an archive, run again from its own code, and compared bit by bit
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifiedCode } from '../../engine/bundler/bundle-digest.ts';
import type { ActionSpec, Executor } from '../../engine/executors/executor.ts';
import type { ActionResult } from '../../engine/model/action-result.ts';
import type { Digest, Json, Key, Named, TaskId } from '../../engine/model/key.ts';
import { formatFailure } from '../../engine/process/failure-message.ts';
import { ResourcePool } from '../../engine/scheduler/resource-pool.ts';
import type { GivenBundle } from '../../engine/worker/protocol.ts';
import { type Choice, chooseTasks } from '../checking/choice.ts';
import { type CitedClaims, citedTasks } from '../checking/cited.ts';
import type { TaskVerdict } from '../checking/verdict.ts';
import { PAYLOAD } from '../form/bag.ts';
import { type Contents, isCommandCode } from '../form/contents.ts';
import { printable } from '../form/finding.ts';
import { contentOf } from '../form/opened.ts';
import { type ArchivedTrace, PLACES, partsOf, type StudyTask } from '../form/study.ts';
import { compareOutputs, worstOf } from './comparison.ts';
import { formatCommand, Programs } from './programs.ts';
import { RerunInputs } from './rerun-inputs.ts';
import { contentsOf, SILENT, sandboxExecutor } from './sandbox-executor.ts';
import type { Launcher } from './sandboxed-run.ts';

/** How tasks are to be run again. */
export interface RerunOptions {
  readonly contents: Contents;
  readonly claims: CitedClaims;
  readonly launcher: Launcher;
  /** An empty folder of our own, by its real path. */
  readonly scratch: string;
  readonly budget_s: number;
  readonly jobs: number;
  readonly seed: number;
  readonly mirrors: readonly string[];
  /** Folder with node_modules for stages that use packages; null when there is none. */
  readonly packages: string | null;
  /** Where programs of commands are looked for, and whose home they do not see; null when commands are not to be run. */
  readonly programs: { readonly path: string; readonly home: string | undefined } | null;
  /** Reads the words of fingerprints from pipeline.yaml and invocation.json, which archives without them have. */
  readonly fingerprintsIn?: (pipeline: string, invocation: string) => FingerprintWords;
  readonly clock: () => number;
  readonly hear: (said: RerunEvent) => void;
  /** Aborted: nothing more is run, and what was found is told. */
  readonly signal: AbortSignal;
}

/** The words of fingerprint commands, by those words joined by blanks. */
export type FingerprintWords = ReadonlyMap<string, readonly string[]>;

/** What is told while tasks run. */
export type RerunEvent =
  | { readonly say: 'chosen'; readonly choice: Choice }
  | {
      readonly say: 'judged';
      readonly verdict: TaskVerdict;
      readonly done: number;
      readonly of: number;
    }
  | { readonly say: 'warning'; readonly message: string };

/** What was run again. */
export interface Rerun {
  readonly choice: Choice;
  /** By key: tasks that share one share its verdict. */
  readonly verdicts: ReadonlyMap<string, TaskVerdict>;
  /** What the claims' task gave this time; undefined when it did not run. */
  readonly claims: Uint8Array | undefined;
}

/** An action may give so many times the bytes that it gave before. */
const OUTPUT_SLACK = 4;
const OUTPUT_BYTES_MIN = 64 * 2 ** 20;
/** Processes take a while to start, and machines differ: not all of the budget is planned for. */
const BUDGET_SHARE = 0.8;
const BUNDLE_BYTES_MAX = 2 ** 28;
const TEXT_BYTES_MAX = 2 ** 24;
/** Why a task was not run again to its end. */
export const BUDGET_SPENT = 'the budget was used up';
/** The same, when somebody stopped it. */
export const INTERRUPTED = 'it was interrupted';

/** Why what failed is not run again. */
const FAILED_THERE = 'it failed in the study';

/** Runs tasks again, as many as the budget allows. */
export async function rerun(options: RerunOptions): Promise<Rerun> {
  const work = new Work(options);
  await work.prepare();
  const choice = work.choose();
  options.hear({ say: 'chosen', choice });
  await work.run(choice.tasks);
  return { choice, verdicts: work.verdicts, claims: work.claims };
}

class Work {
  readonly verdicts = new Map<string, TaskVerdict>();
  claims: Uint8Array | undefined;
  private readonly tasks: ReadonlyMap<string, StudyTask>;
  private readonly running = new Map<string, Promise<void>>();
  private readonly stop = new AbortController();
  private readonly inputs: RerunInputs;
  private readonly bundles = new Map<string, Required<GivenBundle>>();
  private programs: Programs | undefined;
  /** Why commands cannot be run here, by key. */
  private readonly unfit = new Map<string, string>();
  private readonly options: RerunOptions;

  constructor(options: RerunOptions) {
    this.options = options;
    const { contents, scratch, mirrors, hear, signal } = options;
    this.tasks = new Map(contents.study.tasks.map((task) => [task.task, task]));
    const stopped = this.stop.signal;
    signal.addEventListener('abort', () => this.stop.abort(), { once: true });
    if (signal.aborted) this.stop.abort();
    this.inputs = new RerunInputs({
      contents,
      tasks: this.tasks,
      folder: join(scratch, 'blobs'),
      mirrors,
      signal: stopped,
      warn: (message) => hear({ say: 'warning', message }),
    });
  }

  /** Bundles go into the scratch folder, as they were verified; tools are asked for their versions. */
  async prepare(): Promise<void> {
    const { contents, scratch, programs } = this.options;
    if (programs !== null) {
      const words = await this.fingerprintWords();
      const { walls } = this.options.launcher;
      this.programs = new Programs({
        scratch,
        ...programs,
        walls,
        signal: this.stop.signal,
        words,
      });
    }
    for (const folder of ['bundles', 'blobs', 'work']) {
      await mkdir(join(scratch, folder), { recursive: true });
    }
    for (const code of new Set(Object.values(contents.study.stages))) {
      const name = `${PAYLOAD}${PLACES.bundles}${code}.mjs`;
      if (!contents.opened.files.has(name)) continue;
      const bytes = await contentOf(contents.opened, name, BUNDLE_BYTES_MAX, () => undefined);
      // Read once more, where the archive is a folder that others may write.
      if (verifiedCode(bytes, code as Digest) === undefined) continue;
      const file = join(scratch, 'bundles', `${code}.mjs`);
      await writeFile(file, bytes);
      this.bundles.set(code, { digest: code as Digest, file, bytes });
    }
    for (const task of contents.study.tasks) {
      const trace = this.traceOf(task);
      if (trace === undefined || !isCommandCode(trace.parts.code)) continue;
      const why = await this.programs?.obstacle(task, trace);
      if (why !== undefined) this.unfit.set(trace.key, why);
    }
  }

  /** What the archive's pipeline.yaml says about fingerprints, where it is needed and can be read. */
  private async fingerprintWords(): Promise<FingerprintWords> {
    const { contents, fingerprintsIn } = this.options;
    const asked = [...contents.traces.values()].some(
      ({ parts, fingerprints }) => isCommandCode(parts.code) && parts.tools && !fingerprints,
    );
    if (!asked || fingerprintsIn === undefined) return new Map();
    const text = async (place: string): Promise<string> => {
      const bytes = await contentOf(contents.opened, PAYLOAD + place, TEXT_BYTES_MAX, () => {});
      return new TextDecoder().decode(bytes);
    };
    try {
      return fingerprintsIn(await text('pipeline.yaml'), await text(PLACES.invocation));
    } catch {
      return new Map();
    }
  }

  private traceOf({ key }: StudyTask): ArchivedTrace | undefined {
    return key === null ? undefined : this.options.contents.traces.get(key);
  }

  choose(): Choice {
    const { contents, claims, budget_s, jobs, seed } = this.options;
    const { study, traces } = contents;
    const drawing = study.artifacts.map(({ task }) => task);
    for (const task of study.tasks) {
      const why = task.key === null ? undefined : this.obstacle(task);
      if (why)
        this.verdicts.set(task.key as string, { task: task.task, verdict: 'not tested', why });
    }
    return chooseTasks({
      tasks: this.tasks,
      traces,
      must: [...new Set(study.claims ? [study.claims.task, ...drawing] : drawing)],
      cited: claims.map(citedTasks),
      obstacle: (task) => this.obstacle(task),
      isThere: (digest) => this.isThere(digest),
      seconds: budget_s * jobs * BUDGET_SHARE,
      seed,
    });
  }

  /** Why a task cannot be run again, as far as that is known beforehand. */
  private obstacle(task: StudyTask): string | undefined {
    const trace = this.traceOf(task);
    if (trace === undefined) return 'it was not run in the study';
    if (trace.failed !== undefined) return FAILED_THERE;
    const { code, tools } = trace.parts;
    if (isCommandCode(code)) {
      if (this.programs) return this.unfit.get(trace.key);
      return `it is the command ${formatCommand(trace)}: --commands runs it, with all your rights`;
    }
    if (tools && this.options.packages === null) {
      const named = Object.entries(tools).map(([name, version]) => `${name} ${version}`);
      return `it needs packages that are not in the archive (${named.join(', ')}): name a folder that has them with --packages`;
    }
    return undefined;
  }

  /** Runs tasks, each after those of them that it needs, until the time is up. */
  async run(chosen: readonly string[]): Promise<void> {
    const { budget_s, jobs, hear } = this.options;
    const timer = setTimeout(() => this.stop.abort(), budget_s * 1000);
    const pool = new ResourcePool(jobs, new Map());
    let done = 0;
    try {
      for (const id of chosen) {
        const task = this.tasks.get(id) as StudyTask;
        const needs = this.upstreamOf(task).flatMap((key) => this.running.get(key) ?? []);
        const ran = Promise.all(needs)
          .then(() => pool.withSlot(ANY, () => this.judge(task)))
          .then((verdict) => {
            this.verdicts.set(task.key as string, verdict);
            done += 1;
            hear({ say: 'judged', verdict, done, of: chosen.length });
          });
        this.running.set(task.key as string, ran);
      }
      await Promise.all(this.running.values());
    } finally {
      clearTimeout(timer);
    }
  }

  /** Keys of the tasks that must run before: what they gave is not in the archive. */
  private upstreamOf({ inputs }: StudyTask): readonly string[] {
    return Object.values(inputs).flatMap((input) =>
      'files' in input
        ? []
        : input.links.flatMap(([id, output]) => {
            const upstream = this.tasks.get(id);
            const digest = upstream?.outputs[output]?.digest;
            return digest && this.isThere(digest) ? [] : (upstream?.key ?? []);
          }),
    );
  }

  /** Whether the archive has a blob, and all files of it where it is the list of a folder. */
  private isThere(digest: string): boolean {
    const { opened, folders } = this.options.contents;
    const has = (one: string): boolean => opened.files.has(`${PAYLOAD}${PLACES.blobs}${one}`);
    return has(digest) && (folders.get(digest) ?? []).every((file) => has(file.digest));
  }

  private async judge(task: StudyTask): Promise<TaskVerdict> {
    const { clock, contents } = this.options;
    const trace = this.traceOf(task) as ArchivedTrace;
    const common = { task: task.task, recorded_s: trace.cost.seconds };
    const untested = (why: string): TaskVerdict => ({ ...common, verdict: 'not tested', why });
    if (this.stop.signal.aborted) return untested(this.whyStopped);
    const start = clock();
    let result: ActionResult;
    try {
      const action = await this.actionOf(task, trace);
      const executor = this.executorFor(task, trace);
      result = await executor.execute(action, SILENT, this.stop.signal);
    } catch (error) {
      if (this.stop.signal.aborted) return untested(this.whyStopped);
      return untested(error instanceof Error ? error.message : String(error));
    }
    const timed = { ...common, seconds: (clock() - start) / 1000 };
    if (result.status === 'stopped') return untested(this.whyStopped);
    if (result.status === 'lost-inputs') return untested('its inputs are missing');
    const isCommand = isCommandCode(trace.parts.code);
    if (result.status === 'failed') {
      const { failure } = result;
      const message = formatFailure(failure);
      const isInfeasible = 'infeasible' in failure && failure.infeasible === true;
      if (isInfeasible && message === task.infeasible) return { ...timed, verdict: 'identical' };
      const why = `it fails: ${isCommand ? printable(message.split('\n', 1).join()) : message}`;
      // What runs beside the archive's own code may be another here.
      const isOwn = !trace.parts.tools && !isCommand;
      return isOwn ? { ...timed, verdict: 'different', why } : untested(why);
    }
    const made = contentsOf(result.outputs);
    const outputs = await compareOutputs(task, made, contents);
    await this.keep(task, made, outputs);
    const told = outputs.filter((output) => output.verdict !== 'identical');
    return { ...timed, verdict: worstOf(outputs), outputs: told };
  }

  private get whyStopped(): string {
    return this.options.signal.aborted ? INTERRUPTED : BUDGET_SPENT;
  }

  /** Keeps what was given again as it was for the tasks that read it, and the claims as they were judged now. */
  private async keep(
    task: StudyTask,
    made: ReadonlyMap<string, Uint8Array>,
    verdicts: Awaited<ReturnType<typeof compareOutputs>>,
  ): Promise<void> {
    const cited = this.options.contents.study.claims;
    if (cited?.task === task.task) this.claims = made.get(cited.output);
    for (const { output, verdict } of verdicts) {
      const bytes = made.get(output);
      const stored = task.outputs[output];
      if (verdict === 'identical' && bytes && stored) await this.inputs.keep(stored.digest, bytes);
    }
  }

  private async actionOf(task: StudyTask, trace: ArchivedTrace): Promise<ActionSpec> {
    return {
      key: trace.key as Key,
      parts: { ...partsOf(trace), params: task.params as Named<Json> },
      // Names of an archive do not become names of folders.
      task: 'task' as TaskId,
      stage: 'task',
      inputs: await this.inputs.inputs(task, trace),
      files: (trace.parts.source ?? {}) as Named<Digest>,
      isolate: true,
      timeout_ms: null,
      notes: [],
    };
  }

  /** What runs a task: a sandbox, or what runs commands. */
  private executorFor(task: StudyTask, { parts }: ArchivedTrace): Executor {
    const { launcher, scratch, packages } = this.options;
    if (this.programs && isCommandCode(parts.code)) {
      return this.programs.executor({
        read: (digest) => this.inputs.bytesOf(digest),
        keep: (digest, bytes) => this.inputs.keep(digest, bytes),
      });
    }
    const expected = Object.values(task.outputs).reduce((sum, { bytes }) => sum + bytes, 0);
    return sandboxExecutor({
      launcher,
      root: packages ?? scratch,
      cwd: join(scratch, 'work'),
      bundle: async (code) => {
        const bundle = this.bundles.get(code);
        if (bundle === undefined) throw new Error('its code is no longer what was verified');
        return bundle;
      },
      file: (digest, name) => this.inputs.file(digest, name),
      projectFile: ({ digest }) => this.inputs.bytesOf(digest),
      outputBytesMax: () => expected * OUTPUT_SLACK + OUTPUT_BYTES_MIN,
    });
  }
}

/** Tasks of an archive wait in the order in which they were chosen, and for nothing but a slot. */
const ANY = { resources: {}, urgency: () => 0 };
