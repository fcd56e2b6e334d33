// folder-lock.ts — one process at a time in a folder, first come, first served
import { randomUUID } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  type Identity,
  instanceOf,
  type LeaseHolder,
  livenessFor,
} from '../model/process-identity.ts';

/** Where the tickets of a folder lie, within it. */
const TICKETS = '.lock';
/** How often one that waits looks again. */
const POLL_MS = 10;
/** A ticket is touched in this interval; one whose process cannot be seen from here counts for so long after that. */
const BEAT_MS = 1000;
const UNSEEN_LEASE_MS = 30_000;

/**
 * Runs work while no other process does so in the same folder. This is Lamport's bakery with files: nobody needs locks of
 * the file system, and tickets of processes that are gone count for nothing.
 */
export async function withFolderLock<T>(
  folder: string,
  identity: Identity,
  work: () => Promise<T>,
): Promise<T> {
  const ticket = new Ticket(join(folder, TICKETS), identity);
  try {
    ticket.draw();
    while (!ticket.isFirst()) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    return await work();
  } finally {
    ticket.tear();
  }
}

const CHOOSING = 'choosing-';

class Ticket {
  private readonly id = randomUUID();
  private readonly folder: string;
  private readonly text: string;
  private readonly isGone: (holder: LeaseHolder, touched: number) => boolean;
  /** What is written on tickets never changes. */
  private readonly seen = new Map<string, LeaseHolder>();
  private name = '';
  private beat: NodeJS.Timeout | undefined;

  constructor(folder: string, identity: Identity) {
    const { host, pid } = identity;
    const life = instanceOf(pid);
    const liveness = livenessFor(identity);
    this.folder = folder;
    this.text = JSON.stringify({ task: '', host, pid, ...(life && { life }) });
    this.isGone = (holder, touched) => {
      const found = liveness(holder);
      return found === 'dead' || (found === 'unknown' && Date.now() - touched > UNSEEN_LEASE_MS);
    };
  }

  /** Takes the number after the highest; whoever looks meanwhile waits until it is drawn. */
  draw(): void {
    this.put(`${CHOOSING}${this.id}`);
    const numbers = this.others().map(numberOf);
    this.name = `${String(Math.max(0, ...numbers) + 1).padStart(9, '0')}-${this.id}`;
    this.put(this.name);
    this.drop(`${CHOOSING}${this.id}`);
    this.beat = setInterval(() => this.touch(), BEAT_MS);
    this.beat.unref();
  }

  isFirst(): boolean {
    return this.others().every((other) => !other.startsWith(CHOOSING) && other > this.name);
  }

  tear(): void {
    clearInterval(this.beat);
    this.drop(`${CHOOSING}${this.id}`);
    if (this.name !== '') this.drop(this.name);
  }

  /** The tickets of other processes that may live. */
  private others(): readonly string[] {
    return readdirSync(this.folder).filter((name) => {
      if (name.endsWith('.tmp')) this.dropOldDraft(name);
      return !name.endsWith('.tmp') && !name.endsWith(this.id) && this.counts(name);
    });
  }

  /** What is not renamed by now is of a process that was killed. */
  private dropOldDraft(name: string): void {
    const found = statSync(join(this.folder, name), { throwIfNoEntry: false });
    if (found && Date.now() - found.mtimeMs > UNSEEN_LEASE_MS) this.drop(name);
  }

  private counts(name: string): boolean {
    try {
      const path = join(this.folder, name);
      const holder = this.seen.get(name) ?? (JSON.parse(readFileSync(path, 'utf8')) as LeaseHolder);
      this.seen.set(name, holder);
      if (!this.isGone(holder, statSync(path).mtimeMs)) return true;
    } catch (error) {
      // Torn since it was listed; what is no ticket counts for nothing.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    }
    this.drop(name);
    return false;
  }

  /** A ticket is there whole or not at all. */
  private put(name: string): void {
    const draft = join(this.folder, `${name}.tmp`);
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(draft, this.text);
    renameSync(draft, join(this.folder, name));
  }

  private touch(): void {
    try {
      const now = Date.now() / 1000;
      utimesSync(join(this.folder, this.name), now, now);
    } catch {
      // It was taken for one of a dead process: the next look tells.
    }
  }

  private drop(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }
}

const numberOf = (name: string): number =>
  name.startsWith(CHOOSING) ? 0 : Number.parseInt(name, 10) || 0;
