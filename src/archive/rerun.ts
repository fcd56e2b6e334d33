// rerun.ts — tasks of an archive, run again from its own code, and compared bit by bit
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GivenBlob, InputBlobs } from '../pipeline/assignment.ts';
import { fetchFiles } from '../pipeline/fetch.ts';
import {
  type AbsentReason,
  type Coordinates,
  type Digest,
  digestOf,
  type Json,
  type Named,
  type TaskId,
} from '../pipeline/key.ts';
import type { Absent, SourceFile } from '../pipeline/stage.ts';
import type { Store } from '../pipeline/store.ts';
import { PAYLOAD } from './bag.ts';
import { type Choice, chooseTasks } from './choice.ts';
import { type CitedClaims, citedTasks } from './cited.ts';
import { differenceOf } from './difference.ts';
import { COMMAND_CODE, type Contents } from './integrity.ts';
import { contentOf } from './opened.ts';
import { type ErrandEnd, type Launcher, runErrand } from './runner.ts';
import { type ArchivedTrace, PLACES, type StudyTask } from './study.ts';
import type { OutputVerdict, TaskVerdict } from './verdict.ts';

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
  readonly clock: () => number;
  readonly hear: (said: RerunEvent) => void;
}

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
/** Why a task was not run again to its end. */
export const BUDGET_SPENT = 'the budget was used up';
const FETCH_PACE = { retryAfter_ms: 1000, stall_ms: 30_000 };

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
  private readonly options: RerunOptions;

  constructor(options: RerunOptions) {
    this.options = options;
    this.tasks = new Map(options.contents.study.tasks.map((task) => [task.task, task]));
  }

  /** Bundles go into the scratch folder, as they were verified. */
  async prepare(): Promise<void> {
    const { contents, scratch } = this.options;
    await mkdir(join(scratch, 'bundles'), { recursive: true });
    await mkdir(join(scratch, 'blobs'), { recursive: true });
    await mkdir(join(scratch, 'work'), { recursive: true });
    for (const code of new Set(Object.values(contents.study.stages))) {
      const name = `${PAYLOAD}${PLACES.bundles}${code}.mjs`;
      if (!contents.opened.files.has(name)) continue;
      const bytes = await contentOf(contents.opened, name, 2 ** 28, () => undefined);
      await writeFile(join(scratch, 'bundles', `${code}.mjs`), bytes);
    }
  }

  choose(): Choice {
    const { contents, claims, budget_s, jobs, seed } = this.options;
    const { study, traces, opened } = contents;
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
      isThere: (digest) => opened.files.has(`${PAYLOAD}${PLACES.blobs}${digest}`),
      seconds: budget_s * jobs * BUDGET_SHARE,
      seed,
    });
  }

  /** Why a task cannot be run again, as far as that is known beforehand. */
  obstacle(task: StudyTask): string | undefined {
    const { contents, packages } = this.options;
    const trace = task.key === null ? undefined : contents.traces.get(task.key);
    if (trace === undefined) return 'it cannot be done, and was not run';
    if (trace.parts.code === COMMAND_CODE) return 'it is a command: only modules are run again';
    if (trace.parts.tools && packages === null) {
      const tools = Object.entries(trace.parts.tools).map(
        ([name, version]) => `${name} ${version}`,
      );
      return `it needs packages that are not in the archive (${tools.join(', ')}): name a folder that has them with --packages`;
    }
    return undefined;
  }

  /** Runs tasks, each after those of them that it needs, until the time is up. */
  async run(chosen: readonly string[]): Promise<void> {
    const { budget_s, jobs, hear } = this.options;
    const timer = setTimeout(() => this.stop.abort(), budget_s * 1000);
    const slots = new Slots(jobs);
    let done = 0;
    try {
      for (const id of chosen) {
        const task = this.tasks.get(id) as StudyTask;
        const needs = this.upstreamOf(task).flatMap((key) => this.running.get(key) ?? []);
        const ran = Promise.all(needs)
          .then(() => slots.use(() => this.judge(task)))
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
    const { opened } = this.options.contents;
    return Object.values(inputs).flatMap((input) =>
      'files' in input
        ? []
        : input.links.flatMap(([id, output]) => {
            const upstream = this.tasks.get(id);
            const digest = upstream?.outputs[output]?.digest;
            const isHere = opened.files.has(`${PAYLOAD}${PLACES.blobs}${digest}`);
            return isHere ? [] : (upstream?.key ?? []);
          }),
    );
  }

  private async judge(task: StudyTask): Promise<TaskVerdict> {
    const { clock } = this.options;
    const trace = this.options.contents.traces.get(task.key as string) as ArchivedTrace;
    const common = { task: task.task, recorded_s: trace.cost.seconds };
    const untested = (why: string): TaskVerdict => ({ ...common, verdict: 'not tested', why });
    if (this.stop.signal.aborted) return untested(BUDGET_SPENT);
    const start = clock();
    let end: ErrandEnd;
    try {
      end = await this.errand(task, trace);
    } catch (error) {
      return untested(error instanceof Error ? error.message : String(error));
    }
    const timed = { ...common, seconds: (clock() - start) / 1000 };
    if (end.end === 'stopped') return untested(BUDGET_SPENT);
    if (end.end === 'failed') {
      if (end.infeasible && end.message === task.infeasible)
        return { ...timed, verdict: 'identical' };
      const why = `it fails: ${end.message}`;
      return trace.parts.tools ? untested(why) : { ...timed, verdict: 'different', why };
    }
    const outputs = await this.compare(task, end.outputs);
    const worst = (verdict: OutputVerdict['verdict']): boolean =>
      outputs.some((output) => output.verdict === verdict);
    const verdict = worst('different')
      ? 'different'
      : worst('within tolerance')
        ? 'within tolerance'
        : 'identical';
    return {
      ...timed,
      verdict,
      outputs: outputs.filter((output) => output.verdict !== 'identical'),
    };
  }

  private async errand(task: StudyTask, trace: ArchivedTrace): Promise<ErrandEnd> {
    const { launcher, scratch, packages } = this.options;
    const bundle = join(scratch, 'bundles', `${trace.parts.code}.mjs`);
    const expected = Object.values(task.outputs).reduce((sum, { bytes }) => sum + bytes, 0);
    const tools = trace.parts.tools ?? null;
    const root = packages ?? scratch;
    return runErrand(launcher, {
      assignment: {
        bundle,
        root,
        params: task.params as Named<Json>,
        tools,
        inputs: await this.inputs(task, trace),
        files: await this.files(trace),
      },
      readable: tools ? [bundle, `${root}/*`] : [bundle],
      addons: tools !== null,
      cwd: join(scratch, 'work'),
      outputBytesMax: expected * OUTPUT_SLACK + OUTPUT_BYTES_MIN,
      signal: this.stop.signal,
    });
  }

  /** What a task reads, from the archive or as an earlier task made it again. */
  private async inputs(task: StudyTask, trace: ArchivedTrace): Promise<Named<InputBlobs>> {
    const inputs: Record<string, InputBlobs> = {};
    const given = async (digest: string): Promise<GivenBlob> => ({
      digest: digest as Digest,
      bytes: await this.bytesOf(digest),
    });
    for (const [port, input] of Object.entries(task.inputs)) {
      const items: InputBlobs['items'][number][] = [];
      const missing: Absent[] = [];
      if ('files' in input) {
        for (const [name, digest] of input.files) {
          items.push({ task: name as TaskId, at: { file: name }, ...(await given(digest)) });
        }
        inputs[port] = { arity: 'many', items };
        continue;
      }
      const { arity, links } = input;
      const reasons = trace.parts.inputs[port];
      for (const [index, [id, output]] of links.entries()) {
        const upstream = this.tasks.get(id) as StudyTask;
        const at = upstream.at as Coordinates;
        const made = upstream.outputs[output];
        if (made) items.push({ task: id as TaskId, at, ...(await given(made.digest)) });
        else {
          const reason = (reasons as [string, Coordinates, null, AbsentReason][])[index][3];
          missing.push({ task: id as TaskId, at, reason });
        }
      }
      inputs[port] = { arity, items, ...(arity === 'partial' && { missing }) };
    }
    return inputs;
  }

  private async bytesOf(digest: string): Promise<Uint8Array> {
    const kept = await this.options.contents.blob(digest);
    if (kept) return kept;
    const made = await readFile(join(this.options.scratch, 'blobs', digest)).catch(() => undefined);
    if (made && digestOf(made) === digest) return made;
    throw new Error(
      `what it reads is neither in the archive nor could it be made again (${digest.slice(0, 12)})`,
    );
  }

  /** Files from outside: from the archive, mirrors, or where they are published; always by digest. */
  private async files(trace: ArchivedTrace): Promise<Named<GivenBlob>> {
    const { contents } = this.options;
    const files: Record<string, GivenBlob> = {};
    for (const [name, sha256] of Object.entries(trace.parts.source ?? {})) {
      const source = contents.sources.find((one) => one.sha256 === sha256);
      if (source === undefined) throw new Error(`${name} is not listed in ${PLACES.sources}`);
      files[name] = { digest: sha256 as Digest, bytes: await this.fetched({ ...source, name }) };
    }
    return files;
  }

  private async fetched(source: SourceFile & { readonly sha256: string }): Promise<Uint8Array> {
    const { contents, mirrors, hear, scratch } = this.options;
    const name = `${PAYLOAD}${PLACES.data}${source.sha256}`;
    if (contents.opened.files.has(name)) {
      const bytes = await contentOf(contents.opened, name, 2 ** 31 - 1, () => undefined);
      if (digestOf(bytes) === source.sha256) return bytes;
    }
    const place = (digest: string): string => join(scratch, 'blobs', digest);
    let content = await readFile(place(source.sha256)).catch(() => undefined);
    const shelf = {
      hasBlob: () => content !== undefined,
      putBlob(bytes: Uint8Array) {
        content = Buffer.from(bytes);
        return digestOf(bytes);
      },
      blob: () => content,
    };
    await fetchFiles([source], {
      store: shelf as unknown as Store,
      mirrors,
      progress: () => undefined,
      warn: (message) => hear({ say: 'warning', message }),
      signal: this.stop.signal,
      ...FETCH_PACE,
    });
    if (content === undefined || digestOf(content) !== source.sha256)
      throw new Error(`${source.name} cannot be had`);
    await writeFile(place(source.sha256), content);
    return content;
  }

  private async compare(
    task: StudyTask,
    outputs: ReadonlyMap<string, Uint8Array>,
  ): Promise<readonly OutputVerdict[]> {
    const { contents, scratch } = this.options;
    const verdicts: OutputVerdict[] = [];
    for (const [output, { digest, kind }] of Object.entries(task.outputs)) {
      const made = outputs.get(output);
      if (made === undefined) {
        verdicts.push({ output, verdict: 'different', words: 'it was not given this time' });
        continue;
      }
      const cited = contents.study.claims;
      if (cited?.task === task.task && cited.output === output) this.claims = made;
      if (digestOf(made) === digest) {
        verdicts.push({ output, verdict: 'identical' });
        const isHere = contents.opened.files.has(`${PAYLOAD}${PLACES.blobs}${digest}`);
        if (!isHere) await writeFile(join(scratch, 'blobs', digest), made);
        continue;
      }
      const before = await contents.blob(digest);
      const difference = before && differenceOf(kind, before, made);
      const words = difference?.words ?? 'other bytes (its own are not in the archive)';
      const near =
        task.tolerance !== undefined && (difference?.relative ?? Infinity) <= task.tolerance;
      const verdict = near ? 'within tolerance' : 'different';
      verdicts.push({ output, verdict, words, ...(near && { tolerance: task.tolerance }) });
    }
    return verdicts;
  }
}

/** Lets so many work at once. */
class Slots {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.free -= 1;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}
