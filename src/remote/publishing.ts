// publishing.ts — own results on their way to a remote: blobs first, then the signed record; in the background

import { holdsIn, type Surroundings } from '../archive/packing/release-checks.ts';
import { kindByName } from '../engine/config/codecs.ts';
import { FOLDER } from '../engine/model/folder-manifest.ts';
import type { Key } from '../engine/model/key.ts';
import { digestOf } from '../engine/model/key.ts';
import type { ActionRecord, Output } from '../engine/model/record.ts';
import type { Signer } from '../engine/signing/signature.ts';
import { folderIn } from '../engine/store/folder-blobs.ts';
import { type BlobStore, LostBlob } from '../engine/store/store.ts';
import { encodeEntry, entryName, signRecord } from './entry.ts';
import { once } from './http-cache.ts';
import { type Found, Lookups } from './lookups.ts';
import type { PublishQueue } from './publish-queue.ts';
import { type EntryName, RemoteError, type SizedBlob } from './remote-cache.ts';
import { briefly, type RemoteTerms } from './remote-terms.ts';
import { Strikes, twice } from './strikes.ts';

/** What became of a result that was to be published. */
export type Published =
  | 'published'
  /** The remote has it already. */
  | 'known'
  /** The remote holds other outputs of the same key, of somebody who is trusted. */
  | 'conflict'
  /** It holds what should not leave this machine. */
  | 'held'
  /** It is no result of ours, or the store has lost it. */
  | 'not ours'
  /** The remote did not take it: it stays in the queue. */
  | 'failed';

const UPLOADS_MAX = 4;
/** Text outputs up to this size are looked through for what should not leave this machine. */
const CHECKED_BYTES_MAX = 8 * 2 ** 20;

/** Publishes results, a few at a time. */
export class Publishing {
  private readonly waiting = new Set<Key>();
  private readonly working = new Set<Promise<void>>();
  private readonly strikes: Strikes;
  private readonly lookups: Lookups;
  private readonly terms: RemoteTerms;
  private readonly signer: Signer;
  private readonly queue: PublishQueue;
  private readonly around: Surroundings;
  private isBegun = false;
  private isClosing = false;

  constructor(
    terms: RemoteTerms,
    { signer, queue, around }: { signer: Signer; queue: PublishQueue; around: Surroundings },
  ) {
    this.terms = terms;
    this.signer = signer;
    this.queue = queue;
    this.around = around;
    this.strikes = new Strikes((error) => {
      const message = `results are not published to ${terms.remote.name} now: ${error.message} (${error.hint})`;
      terms.listener.warn(message);
    });
    this.lookups = new Lookups(terms, this.strikes);
  }

  add(key: Key): void {
    this.queue.add(key);
    this.waiting.add(key);
    this.goOn();
    this.fill();
  }

  /** Goes on with what earlier runs left. */
  goOn(): void {
    if (this.isBegun) return;
    this.isBegun = true;
    for (const key of this.queue.all()) this.waiting.add(key);
    this.fill();
  }

  /** The remote is not asked any more: what is left stays in the queue. */
  leaveAlone(): void {
    this.strikes.end();
  }

  /** Waits until all is published, or some time has gone by. Gives how much is left in the queue. */
  async close(limit_ms: number): Promise<number> {
    const late = setTimeout(() => this.strikes.end(), limit_ms);
    while (this.working.size > 0 && !this.strikes.isOut) await Promise.race(this.working);
    this.isClosing = true;
    this.strikes.end();
    await Promise.all(this.working);
    clearTimeout(late);
    return this.isBegun ? this.queue.all().length : 0;
  }

  private fill(): void {
    for (const key of this.waiting) {
      if (this.working.size >= UPLOADS_MAX || this.strikes.isOut || this.isClosing) return;
      this.waiting.delete(key);
      const work: Promise<void> = this.take(key).finally(() => {
        this.working.delete(work);
        this.fill();
      });
      this.working.add(work);
    }
  }

  private async take(key: Key): Promise<void> {
    try {
      if ((await this.publish(key)) !== 'failed') this.queue.remove(key);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.terms.listener.note(`${key.slice(0, 12)} was not published: ${message}`);
    }
  }

  /** Publishes one result. */
  async publish(key: Key): Promise<Published> {
    const { store, listener } = this.terms;
    const record = await store.actions.get(key);
    if (record === undefined || record.origin !== undefined) return 'not ours';
    const held = await this.heldIn(record);
    if (held !== undefined) {
      listener.warn(`${briefly(record.task, key)} is not published: it holds ${held}`);
      return 'held';
    }
    try {
      const end = await this.publishNow(record);
      this.strikes.succeeded();
      return end;
    } catch (error) {
      if (error instanceof LostBlob) return 'not ours';
      if (!(error instanceof RemoteError)) throw error;
      if (!this.strikes.isOut) listener.note(`${briefly(record.task, key)}: ${error.message}`);
      this.strikes.failed(error, error.fault === 'refused' || error.fault === 'full');
      return 'failed';
    }
  }

  private async publishNow(record: ActionRecord): Promise<Published> {
    const { space, listener } = this.terms;
    const { key } = record;
    const found = await this.lookups.find(key);
    if (found === undefined) return 'failed';
    const isDifferent = this.differs(record, found);
    if (isDifferent) return 'conflict';
    if (found.kind === 'stranger') {
      listener.note(`${briefly(record.task, key)} is not published: ${found.why} has published it`);
      return 'known';
    }
    const blobs = await blobsOf(record, this.terms.store.blobs);
    for (const blob of blobs) await this.upload(blob, () => this.stream(blob));
    if (found.kind === 'trusted') return 'known';
    const { content, envelope } = encodeEntry(signRecord(record, this.signer), blobs);
    if (envelope) {
      const blob = { digest: digestOf(envelope), bytes: envelope.length };
      await this.upload(blob, () => once(envelope));
    }
    const how = found.kind === 'absent' ? 'create' : 'replace';
    const written = await this.write(entryName(space, key), content, how);
    if (written === 'written') return 'published';
    // Somebody was faster.
    const theirs = await this.lookups.find(key);
    return theirs && this.differs(record, theirs) ? 'conflict' : 'known';
  }

  /** Whether a trusted record gives other outputs. That is a finding, which both makers have to hear of. */
  private differs(ours: ActionRecord, found: Found): boolean {
    if (found.kind !== 'trusted') return false;
    const { record: theirs, by } = found;
    // Of an inexact action the first result stays: others may differ.
    if (ours.tolerance !== undefined || theirs.tolerance !== undefined) return false;
    const names = new Set([...Object.keys(ours.outputs), ...Object.keys(theirs.outputs)]);
    const other = [...names].filter(
      (name) => ours.outputs[name]?.digest !== theirs.outputs[name]?.digest,
    );
    if (other.length === 0) return false;
    const madeBy = ({ made }: ActionRecord): string => `on ${made.host} at ${made.at}`;
    this.terms.listener.warn(
      `${briefly(ours.task, ours.key)} gives other results than the remote has: ${other.join(', ')} ` +
        `made ${madeBy(ours)} differs from what ${by} made ${madeBy(theirs)} of the same code, params and inputs. ` +
        'Nothing was overwritten or taken: one of the two is wrong, or the stage is not deterministic',
    );
    return true;
  }

  private stream({ digest }: SizedBlob): AsyncIterable<Uint8Array> {
    return this.terms.store.blobs.stream(digest);
  }

  /** Sends a blob, unless the remote has one of its size. */
  private async upload(blob: SizedBlob, content: () => AsyncIterable<Uint8Array>): Promise<void> {
    const { remote } = this.terms;
    const { signal } = this.strikes;
    const there = await twice(() => remote.sizeOf(blob.digest, signal));
    if (there === blob.bytes) return;
    await twice(() => remote.writeBlob(blob, content, signal));
  }

  private write(name: EntryName, content: Uint8Array, how: 'create' | 'replace') {
    return twice(() => this.terms.remote.writeEntry(name, content, how, this.strikes.signal));
  }

  /** The outputs of a record, and files of those that are folders, of the kinds that their names tell. */
  private async textsOf({ outputs }: ActionRecord): Promise<readonly Output[]> {
    const all: Output[] = [];
    for (const output of Object.values(outputs)) {
      all.push(output.kind === FOLDER ? { ...output, kind: 'json' } : output);
      const files =
        output.kind === FOLDER ? await folderIn(this.terms.store.blobs, output.digest) : [];
      for (const { path, digest, bytes } of files ?? []) {
        all.push({ digest, bytes, kind: kindByName(path) });
      }
    }
    return all;
  }

  /** What a result holds that should not leave this machine; undefined when that is nothing. */
  private async heldIn(record: ActionRecord): Promise<string | undefined> {
    const { task, parts, infeasible } = record;
    const told = { task, parts, infeasible: infeasible ?? null };
    // As JSON, where names stand beside values, and as the texts themselves, in which nothing is escaped.
    const texts = [JSON.stringify(told, null, 1), [...textsIn(told)].join('\n')];
    for (const { kind, digest, bytes } of await this.textsOf(record)) {
      if (!TEXT_KINDS.has(kind) || bytes > CHECKED_BYTES_MAX) continue;
      const content = await this.terms.store.blobs.get(digest);
      if (content) texts.push(Buffer.from(content).toString());
    }
    const [hold] = texts.flatMap((text) => holdsIn('record', text, this.around));
    return hold?.message;
  }
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) yield* textsIn(item);
  }
}

const TEXT_KINDS = new Set(['json', 'text', 'files']);

/** All blobs that a record names, each once, with a path for servers that look into entries. @throws LostBlob */
export async function blobsOf(
  { outputs }: ActionRecord,
  store: Pick<BlobStore, 'get'>,
): Promise<readonly (SizedBlob & { readonly path: string })[]> {
  const blobs = new Map<string, SizedBlob & { readonly path: string }>();
  const add = (path: string, { digest, bytes }: SizedBlob): void => {
    if (!blobs.has(digest)) blobs.set(digest, { path, digest, bytes });
  };
  for (const [path, output] of Object.entries(outputs)) {
    // A folder that lacks a file is not published: its list comes last.
    if (output.kind === FOLDER) {
      const files = await folderIn(store, output.digest);
      if (files === undefined) throw new LostBlob(output.digest);
      for (const file of files) add(`${path}/${file.path}`, file);
    }
    add(path, output);
  }
  return [...blobs.values()];
}
