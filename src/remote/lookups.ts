// lookups.ts — asks a remote for records: each key once, a few at a time, and no answer counts that was not verified
import type { Key } from '../engine/model/key.ts';
import { digestOf } from '../engine/model/key.ts';
import type { ActionRecord } from '../engine/model/record.ts';
import { downloadedWhole } from './blob-download.ts';
import {
  type Checked,
  checkEntry,
  type Decoded,
  decodeEntry,
  decodeEnvelope,
  entryName,
} from './entry.ts';
import { Gate } from './gate.ts';
import { RemoteError } from './remote-cache.ts';
import type { RemoteTerms } from './remote-terms.ts';
import { type Strikes, twice } from './strikes.ts';

/** What lies under a key: an entry that was checked, nothing, or something that is no entry. */
export type Found =
  | Checked
  | { readonly kind: 'absent' }
  | { readonly kind: 'nonsense'; readonly why: string };

/** So many look-ups at once. */
const LOOKUPS_MAX = 24;

/** Reads entries. */
export class Lookups {
  private readonly gate = new Gate(LOOKUPS_MAX);
  private readonly terms: RemoteTerms;
  private readonly strikes: Strikes;

  constructor(terms: RemoteTerms, strikes: Strikes) {
    this.terms = terms;
    this.strikes = strikes;
  }

  /** What lies under a key. Undefined where the remote did not answer, or is left alone. */
  find(key: Key): Promise<Found | undefined> {
    return this.gate.pass(() => this.findNow(key));
  }

  /** The record of a key, if it counts. Why another does not is noted. */
  async record(key: Key): Promise<ActionRecord | undefined> {
    const found = await this.find(key);
    if (found?.kind === 'trusted') return found.record;
    if (found !== undefined && found.kind !== 'absent') {
      this.terms.listener.note(
        `the remote's record of ${key.slice(0, 12)} is not used: ${found.why}`,
      );
    }
    return undefined;
  }

  private async findNow(key: Key): Promise<Found | undefined> {
    const { strikes, terms } = this;
    if (strikes.isOut) return undefined;
    try {
      const found = await twice(() => this.read(key));
      strikes.succeeded();
      return found;
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      if (!strikes.isOut)
        terms.listener.note(`${key.slice(0, 12)} was looked up in vain: ${error.message}`);
      strikes.failed(error);
      return undefined;
    }
  }

  private async read(key: Key): Promise<Found> {
    const { remote, space, trust } = this.terms;
    const content = await remote.readEntry(entryName(space, key), this.strikes.signal);
    if (content === undefined) return { kind: 'absent' };
    let decoded = decodeEntry(content, key);
    if (decoded.kind === 'elsewhere') decoded = await this.readEnvelope(decoded, key);
    if (decoded.kind === 'entry') return checkEntry(decoded.entry, key, trust);
    return {
      kind: 'nonsense',
      why: decoded.kind === 'nonsense' ? decoded.why : 'it holds no record',
    };
  }

  private async readEnvelope(
    { envelope }: Extract<Decoded, { kind: 'elsewhere' }>,
    key: Key,
  ): Promise<Decoded> {
    const bytes = await downloadedWhole(this.terms.remote, envelope, this.strikes.signal);
    if (digestOf(bytes) === envelope.digest) return decodeEnvelope(bytes, key);
    return { kind: 'nonsense', why: 'its record has another digest than it says' };
  }
}
