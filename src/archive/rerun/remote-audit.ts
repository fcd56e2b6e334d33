// remote-audit.ts — whether results that others made come out again here: a sample of them is run again
import { canonicalJson, digestOf, type Key } from '../../engine/model/key.ts';
import type { ActionRecord, Output } from '../../engine/model/record.ts';
import type { BlobStore } from '../../engine/store/store.ts';
import { AuditError, type Outputs } from './audit.ts';
import { differenceOf } from './difference.ts';

/** A record that somebody else made. */
export type RecordOfOthers = ActionRecord & {
  readonly origin: NonNullable<ActionRecord['origin']>;
};

/** How a result of somebody else compares with a run of the same action here. */
export interface RemoteFinding {
  readonly task: string;
  readonly key: string;
  /** The maker, as `trust` names them. */
  readonly by: string;
  readonly made: { readonly host: string; readonly at: string };
  /** `failed`: it could not be run again. */
  readonly verdict: 'same' | 'within tolerance' | 'different' | 'failed';
  readonly outputs: readonly { readonly output: string; readonly words: string }[];
  /** Whether two runs here gave the same bits; null where one was enough, or none could be had. */
  readonly repeatable: boolean | null;
  /** Why it could not be run again. */
  readonly message?: string;
}

/**
 * A share of some records, at least one. The same seed gives the same ones, in whatever order they come; a record that is
 * added takes the place of few others.
 */
export function sampleOf<R extends { readonly key: Key }>(
  records: readonly R[],
  share: number,
  seed: number,
): readonly R[] {
  const rank = ({ key }: R): string => digestOf(canonicalJson(['remote audit', seed, key]));
  const ranked = records.map((record) => ({ record, rank: rank(record) }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return ranked.slice(0, Math.ceil(records.length * share)).map(({ record }) => record);
}

/** What a re-run draws on. */
export interface RemoteAuditOptions {
  readonly record: RecordOfOthers;
  readonly blobs: Pick<BlobStore, 'get'>;
  /** Two runs of an inexact stage may differ by so much, relatively. */
  readonly tolerance: number | undefined;
  /** Runs the action, in the first or in the second of two surroundings. @throws AuditError */
  readonly rerun: (index: number) => Promise<Outputs>;
}

/** Runs an action again, and once more where its outputs differ: then two runs here tell whether it is deterministic. */
export async function auditRecord(options: RemoteAuditOptions): Promise<RemoteFinding> {
  const { record, rerun, tolerance } = options;
  const { task, key, origin, made } = record;
  const { host, at } = made;
  const about = { task, key, by: origin.by, made: { host, at } };
  try {
    const first = await rerun(0);
    const outputs = await differences(options, first);
    if (outputs.length === 0) return { ...about, verdict: 'same', outputs, repeatable: null };
    const told = outputs.map(({ output, words }) => ({ output, words }));
    if (tolerance !== undefined && outputs.every(({ relative }) => relative <= tolerance)) {
      return { ...about, verdict: 'within tolerance', outputs: told, repeatable: null };
    }
    const repeatable = await isSame(first, () => rerun(1));
    return { ...about, verdict: 'different', outputs: told, repeatable };
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    const { message } = error;
    return { ...about, verdict: 'failed', outputs: [], repeatable: null, message };
  }
}

async function isSame(first: Outputs, rerun: () => Promise<Outputs>): Promise<boolean | null> {
  try {
    const second = await rerun();
    return [...first].every(([name, { digest }]) => second.get(name)?.digest === digest);
  } catch (error) {
    if (error instanceof AuditError) return null;
    throw error;
  }
}

/** Outputs beyond this size are compared by their digests alone. */
const COMPARED_BYTES_MAX = 2 ** 28;

/** The outputs that are not as they were made. */
async function differences({ record, blobs }: RemoteAuditOptions, ours: Outputs) {
  const found: { output: string; words: string; relative: number }[] = [];
  for (const [output, theirs] of Object.entries(record.outputs)) {
    const own = ours.get(output);
    if (own?.digest === theirs.digest) continue;
    const before = own?.content && (await contentOf(theirs, blobs));
    const told =
      own?.content && before ? differenceOf(theirs.kind, before, own.content) : undefined;
    const lengths = `${theirs.bytes} → ${own?.bytes ?? 0} bytes, which differ`;
    found.push({ output, words: told?.words ?? lengths, relative: told?.relative ?? Infinity });
  }
  return found;
}

const contentOf = async ({ digest, bytes }: Output, blobs: Pick<BlobStore, 'get'>) =>
  bytes <= COMPARED_BYTES_MAX ? blobs.get(digest) : undefined;
