// remote-results.ts — results of others in a run: looked up ahead, verified, kept in the store; and its own, published
import { FOLDER } from '../engine/model/folder-manifest.ts';
import { type Digest, digestOf, type Key } from '../engine/model/key.ts';
import type { ActionRecord, KeptOutput } from '../engine/model/record.ts';
import { asExpected, WrongContent } from '../engine/store/blob-files.ts';
import { Commits } from '../engine/store/commits.ts';
import { folderIn } from '../engine/store/folder-blobs.ts';
import type { SharedResults, WantedBlob } from '../engine/store/shared-results.ts';
import { StoreError } from '../engine/store/store.ts';
import { BlobBatch } from './blob-batch.ts';
import { downloaded, downloadedWhole } from './blob-download.ts';
import { Gate } from './gate.ts';
import { Lookups } from './lookups.ts';
import { WaitBudget } from './patience.ts';
import type { Publishing } from './publishing.ts';
import { RemoteError } from './remote-cache.ts';
import { doesRead, type RemoteTerms } from './remote-terms.ts';
import { Strikes } from './strikes.ts';

/** So many blobs at once. */
const DOWNLOADS_MAX = 8;
/** Larger blobs go into the store as they come. */
const SMALL_BYTES_MAX = 2 ** 20;

/** A remote in a run. Nothing is asked of it before something is wanted. */
export class RemoteResults implements SharedResults {
  private readonly looking = new Map<Key, Promise<ActionRecord | undefined>>();
  private readonly fetching = new Map<Digest, Promise<void>>();
  private readonly downloads = new Gate(DOWNLOADS_MAX);
  private readonly strikes: Strikes;
  private readonly lookups: Lookups;
  private readonly budget: WaitBudget;
  private readonly commits: Commits;
  private readonly batch: BlobBatch;
  private readonly terms: RemoteTerms;
  private readonly publishing: Publishing | undefined;
  private readonly onFound: (record: ActionRecord) => void;
  /** Why a remote that is required cannot be used. */
  private broken: RemoteError | undefined;

  /** @param onFound hears of each record that was found, those for which nobody waited any more included */
  constructor(
    terms: RemoteTerms,
    publishing: Publishing | undefined,
    onFound: (record: ActionRecord) => void = () => undefined,
  ) {
    this.terms = terms;
    this.onFound = onFound;
    this.publishing = publishing;
    this.strikes = new Strikes((error) => this.leaveAlone(error));
    this.lookups = new Lookups(terms, this.strikes);
    this.budget = new WaitBudget(terms.clock);
    this.commits = new Commits(terms.store.actions, () => true);
    this.batch = new BlobBatch(terms.store.blobs);
  }

  async find(key: Key): Promise<ActionRecord | undefined> {
    if (!doesRead(this.terms.mode)) return undefined;
    this.publishing?.goOn();
    const looking = this.look(key);
    if (this.terms.mode === 'require') {
      const record = await looking;
      this.throwIfRequired();
      return record;
    }
    const since = this.budget.now();
    const record = await this.budget.wait(looking);
    if (record === undefined) this.budget.wasted(since);
    return record;
  }

  async fetch(blobs: readonly WantedBlob[]): Promise<void> {
    if (!doesRead(this.terms.mode) || blobs.length === 0) return;
    await this.fetchMissing(blobs);
    const folders = blobs.filter(({ kind }) => kind === FOLDER);
    const lists = folders.map(({ digest }) => folderIn(this.terms.store.blobs, digest));
    const files = (await Promise.all(lists)).flatMap((list) => list ?? []);
    if (files.length > 0) await this.fetchMissing(files);
  }

  private async fetchMissing(blobs: readonly WantedBlob[]): Promise<void> {
    const lacking = new Set(
      await this.terms.store.blobs.missing(blobs.map(({ digest }) => digest)),
    );
    const wanted = blobs.filter(({ digest }) => lacking.delete(digest));
    await Promise.all(wanted.map((blob) => this.fetchOnce(blob)));
    this.throwIfRequired();
  }

  made(record: ActionRecord): void {
    this.publishing?.add(record.key);
  }

  /**
   * Waits for what is being published. Gives how much is left for the next run.
   * @param limit_ms how long the remote may have been waited for in all, look-ups that found nothing included
   */
  async close(limit_ms: number): Promise<number> {
    const rest_ms = Math.max(0, limit_ms - this.budget.wasted_ms);
    const left = (await this.publishing?.close(rest_ms)) ?? 0;
    this.strikes.end();
    this.budget.end();
    this.terms.remote.close();
    return left;
  }

  private look(key: Key): Promise<ActionRecord | undefined> {
    const known = this.looking.get(key);
    if (known) return known;
    const looking = this.lookNow(key);
    this.looking.set(key, looking);
    // Whoever waits hears of it; a run that is over does not.
    looking.catch(() => undefined);
    return looking;
  }

  private async lookNow(key: Key): Promise<ActionRecord | undefined> {
    const record = await this.lookups.record(key);
    if (this.strikes.isOut) return undefined;
    this.budget.gained(1000 * Math.max(0, record?.cost.seconds ?? 0));
    if (record === undefined) return undefined;
    await this.commits.keep({ record, outputs: [] });
    this.onFound(record);
    return record;
  }

  private fetchOnce(blob: WantedBlob): Promise<void> {
    const known = this.fetching.get(blob.digest);
    if (known) return known;
    const fetching = this.downloads
      .pass(() => this.download(blob))
      .then((small) => small && this.batch.keep(small));
    this.fetching.set(blob.digest, fetching);
    return fetching;
  }

  /** Downloads a blob, and verifies it. Gives a small one, and keeps a large one at once. */
  private async download(blob: WantedBlob): Promise<KeptOutput | undefined> {
    const { remote, store, listener } = this.terms;
    const { strikes } = this;
    const { digest, bytes } = blob;
    if (strikes.isOut) return undefined;
    const note = (why: string): void =>
      listener.note(`the remote's blob ${blob.digest.slice(0, 12)} is not used: ${why}`);
    try {
      let small: KeptOutput | undefined;
      if (bytes > SMALL_BYTES_MAX) {
        await store.blobs.putStream(downloaded(remote, blob, strikes.signal), digest);
      } else {
        const content = await downloadedWhole(remote, blob, strikes.signal);
        asExpected(digestOf(content), digest);
        small = { digest, bytes, content };
      }
      strikes.succeeded();
      return small;
    } catch (error) {
      if (error instanceof WrongContent) {
        note(error.message);
        strikes.failed(new RemoteError('nonsense', 'its blobs are not what their names say'));
      } else if (error instanceof RemoteError) {
        if (!strikes.isOut) note(error.message);
        // One that is gone is no fault of the server's.
        if (error.fault !== 'nonsense') strikes.failed(error);
      } else throw error;
      return undefined;
    }
  }

  private leaveAlone(error: RemoteError): void {
    const { listener, remote, mode } = this.terms;
    if (mode === 'require') this.broken = error;
    else
      listener.warn(`${remote.name} is left alone for this run: ${error.message} (${error.hint})`);
    // Who may not read may still write; a server that does not answer takes nothing either.
    if (error.fault !== 'refused') this.publishing?.leaveAlone();
  }

  private throwIfRequired(): void {
    const { broken, terms } = this;
    if (broken === undefined) return;
    const message = `${terms.remote.name} is required and cannot be used: ${broken.message}`;
    throw new StoreError(message, `${broken.hint}; \`--remote read\` goes on without it`);
  }
}
