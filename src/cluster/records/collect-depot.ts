// collect-depot.ts — garbage collection of a depot: what no head and no job needs and nothing recent names
import { randomUUID } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type DepotLayout, SetLayout, setsIn } from '../layout.ts';
import { readSet } from '../sets.ts';
import { readRecordLogs, recordLogsIn } from './record-log.ts';
import { headFolder, headJobName, submissionsIn } from './submission.ts';

/** What kinds of things lie in a depot. */
export const DEPOT_KINDS = ['blobs', 'checkpoints', 'sets', 'heads', 'records', 'logs'] as const;
export type DepotKind = (typeof DEPOT_KINDS)[number];

/** Something that may go. */
export interface DepotItem {
  readonly kind: DepotKind;
  readonly path: string;
  readonly bytes: number;
  /** The newest date in it: one that is used meanwhile stays. */
  readonly changed_ms: number;
}

/** What may go from a depot. */
export interface DepotGarbage {
  readonly items: readonly DepotItem[];
  /** What stays. */
  readonly kept_bytes: number;
  /** Projects whose jobs are unknown because the batch system does not answer: everything that a job might need is kept. */
  readonly unanswered: readonly string[];
}

export interface CollectDepotOptions {
  readonly layout: DepotLayout;
  /** What was not used for this time may be deleted. */
  readonly keep_ms: number;
  /** Which jobs of these names wait or run. */
  jobsThere(project: string, names: readonly string[]): Promise<ReadonlySet<string> | 'unknown'>;
}

const DAY_MS = 86_400_000;
/** Contents are there before what names them. */
const SETTLES_MS = DAY_MS;
const PROJECT = /^[0-9a-f]{8}$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** Finds what may go. It deletes nothing. Ages are told by the clock of the file system: those of machines differ. */
export async function findDepotGarbage(options: CollectDepotOptions): Promise<DepotGarbage> {
  const search = new Search(options, clockOf(options.layout));
  for (const project of namesIn(join(options.layout.folder, 'projects'))) {
    if (PROJECT.test(project)) await search.project(project);
  }
  search.blobs();
  search.checkpoints();
  const { items, kept_bytes, unanswered } = search;
  return { items, kept_bytes, unanswered };
}

/**
 * Deletes what was found, unless it was used since. What names contents goes before them: nobody is to find a result whose
 * contents are gone. Gives what went. @throws the system's error
 */
export function dropDepotGarbage({ items }: DepotGarbage): readonly DepotItem[] {
  const inTurn = [...items].sort((a, b) => Number(a.kind === 'blobs') - Number(b.kind === 'blobs'));
  return inTurn.filter((item) => {
    if (measured(item.path)?.changed_ms !== item.changed_ms) return false;
    rmSync(item.path, { recursive: true, force: true });
    return true;
  });
}

class Search {
  readonly items: DepotItem[] = [];
  readonly unanswered: string[] = [];
  kept_bytes = 0;
  /** Digests and keys that are named by what stays. */
  private readonly named = new Set<string>();
  private readonly options: CollectDepotOptions;
  private readonly now: number;

  constructor(options: CollectDepotOptions, now: number) {
    this.options = options;
    this.now = now;
  }

  async project(project: string): Promise<void> {
    const { layout, jobsThere } = this.options;
    const sets = setsIn(layout, project);
    const nameOf = (id: string): string | undefined =>
      readSet(new SetLayout(layout, project, id), id)?.name;
    const heads = submissionsIn(layout, project);
    const names = [
      ...sets.flatMap((id) => nameOf(id) ?? []),
      ...heads.map((id) => headJobName(project, id)),
      ...namesIn(layout.logsOf(project)).flatMap((name) => jobOfLog(name) ?? []),
    ];
    const isOld = (path: string): boolean => this.isOld(path);
    const areAllYoung = [layout.logsOf(project), layout.setsOf(project), layout.headsOf(project)]
      .flatMap((folder) => namesIn(folder).map((name) => join(folder, name)))
      .every((path) => !isOld(path));
    // Whoever has nothing old need not be asked about.
    const there = areAllYoung ? new Set(names) : await jobsThere(project, [...new Set(names)]);
    if (there === 'unknown') this.unanswered.push(project);
    const isThere = (name: string | undefined): boolean =>
      there === 'unknown' || (name !== undefined && there.has(name));
    for (const id of sets) {
      const { folder } = new SetLayout(layout, project, id);
      if (!isThere(nameOf(id)) && this.take('sets', folder)) continue;
      for (const file of namesIn(folder)) this.nameAll(join(folder, file));
    }
    const kept = new Set<string>();
    for (const id of heads) {
      const folder = headFolder(layout, project, id);
      const isOver = !isThere(headJobName(project, id));
      if (!(isOver && this.take('heads', folder))) kept.add(id);
    }
    for (const name of recordLogsIn(layout, project)) {
      // A head may make nothing for long.
      if (isThere(headJobName(project, name.slice(0, 16))))
        this.keep(join(layout.recordsOf(project), name));
      else this.take('records', join(layout.recordsOf(project), name));
    }
    const going = new Set(this.items.map(({ path }) => path));
    const logs = await readRecordLogs(layout, project, (path) => !going.has(path));
    for (const digest of logs.further) this.named.add(digest);
    for (const name of namesIn(layout.logsOf(project))) {
      const path = join(layout.logsOf(project), name);
      const job = jobOfLog(name);
      if (job !== undefined && !isThere(job)) this.take('logs', path);
      else if (job !== undefined) this.keep(path);
    }
    for (const name of namesIn(join(layout.logsOf(project), 'jobs'))) {
      const job = /^(pl\..+)\.\d+\.job$/.exec(name)?.[1];
      if (job !== undefined && !isThere(job)) {
        this.take('logs', join(layout.logsOf(project), 'jobs', name));
      }
    }
  }

  blobs(): void {
    const { blobs } = this.options.layout;
    for (const shard of namesIn(blobs)) {
      for (const name of /^[0-9a-f]{2}$/.test(shard) ? namesIn(join(blobs, shard)) : []) {
        const path = join(blobs, shard, name);
        if (!DIGEST.test(name)) continue;
        if (this.named.has(name)) this.keep(path);
        else this.take('blobs', path, SETTLES_MS);
      }
    }
    for (const name of namesIn(join(blobs, 'tmp'))) {
      this.take('blobs', join(blobs, 'tmp', name), SETTLES_MS);
    }
  }

  checkpoints(): void {
    const { saves, programs } = this.options.layout;
    const below = namesIn(saves).flatMap((shard) =>
      namesIn(join(saves, shard)).map((key) => [key, join(saves, shard, key)] as const),
    );
    const folder = join(programs, 'checkpoints');
    const folders = namesIn(folder).map((key) => [key, join(folder, key)] as const);
    for (const [key, path] of [...below, ...folders]) {
      if (this.named.has(key)) this.keep(path);
      else this.take('checkpoints', path, SETTLES_MS);
    }
  }

  /** Everything in a file that looks like a digest or a key: too much is kept rather than too little. */
  private nameAll(path: string): void {
    try {
      const found = readFileSync(path, 'latin1').match(/[0-9a-f]{64}/g) ?? [];
      for (const name of found) this.named.add(name);
      this.keep(path);
    } catch {
      // It is gone: its set has ended.
    }
  }

  private isOld(path: string): boolean {
    const found = measured(path);
    return found !== undefined && this.now - found.changed_ms > this.options.keep_ms;
  }

  /** Takes what is old. False where it stays. @param least_ms it is no younger, whatever is asked for */
  private take(kind: DepotKind, path: string, least_ms = 0): boolean {
    const found = measured(path);
    if (found === undefined) return true;
    if (this.now - found.changed_ms <= Math.max(this.options.keep_ms, least_ms)) {
      this.kept_bytes += found.bytes;
      return false;
    }
    this.items.push({ kind, path, ...found });
    return true;
  }

  private keep(path: string): void {
    this.kept_bytes += measured(path)?.bytes ?? 0;
  }
}

/** The job that printed a log. */
const jobOfLog = (name: string): string | undefined => /^(pl\..+)\.\d+\.log$/.exec(name)?.[1];

/** How large something is with all that is in it, and when any of that changed last; undefined where it is not there. */
function measured(path: string): Pick<DepotItem, 'bytes' | 'changed_ms'> | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  let [bytes, changed_ms] = [found.isFile() ? found.size : 0, found.mtimeMs];
  for (const name of found.isDirectory() ? namesIn(path) : []) {
    const within = measured(join(path, name));
    bytes += within?.bytes ?? 0;
    changed_ms = Math.max(changed_ms, within?.changed_ms ?? 0);
  }
  return { bytes, changed_ms };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What time it is where the depot lies. @throws the system's error where nothing can be written there */
function clockOf({ blobs }: DepotLayout): number {
  const probe = join(dirname(blobs), `.${randomUUID()}.tmp`);
  try {
    writeFileSync(probe, '', { mode: 0o600, flag: 'wx' });
    return statSync(probe).mtimeMs;
  } finally {
    rmSync(probe, { force: true });
  }
}
