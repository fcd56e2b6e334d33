// remote-check.ts — pipeline remote status, verify and gc: what is set, whether it works, what lies there
import { createHash } from 'node:crypto';
import prettyBytes from 'pretty-bytes';
import type { Digest, Key } from '../../engine/model/key.ts';
import { digestOf } from '../../engine/model/key.ts';
import { trustedName } from '../../engine/signing/signature.ts';
import { downloaded } from '../../remote/blob-download.ts';
import { collectRemote } from '../../remote/collect.ts';
import { entryName } from '../../remote/entry.ts';
import { Lookups } from '../../remote/lookups.ts';
import { type RemoteCache, RemoteError, type SizedBlob } from '../../remote/remote-cache.ts';
import { Strikes } from '../../remote/strikes.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { EXIT, type Session } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { count } from '../terminal/format.ts';
import type { OpenTerms } from './remote-session.ts';
import { recordsOf } from './remote-transfer.ts';

const PROBE_MS = 5000;

/** Says what is set, and whether the remote answers. */
export async function remoteStatus(
  session: Session,
  { terms, PublishQueue }: OpenTerms,
  json: boolean,
): Promise<number> {
  const { remote, mode, signer, trust, space } = terms;
  const probe = await probed(remote);
  const records = await recordsOf(session.plan, session.store);
  const theirs: Record<string, number> = {};
  for (const { origin } of records) {
    if (origin) theirs[origin.by] = (theirs[origin.by] ?? 0) + 1;
  }
  const own = signer && (trustedName(signer, trust) ?? null);
  const waiting = new PublishQueue(session.cache).all().length;
  if (json) {
    const key = signer && { key: signer.key, trusted: own };
    writeJson({ remote: remote.name, mode, space, ...probe, key, trust, waiting, makers: theirs });
  } else {
    const keyWords =
      signer === null
        ? 'none: `pipeline remote key` makes one'
        : `${signer.key} (${own === null ? 'pipeline.yaml does not trust it' : `trusted as ${own}`})`;
    const ends = Object.entries(theirs).map(([by, n]) => `, ${n} made by ${by}`);
    const names = Object.keys(trust);
    writeStdout(`remote    ${remote.name}`);
    writeStdout(`mode      ${mode}`);
    writeStdout(`answers   ${probe.error ?? `in ${probe.ms} ms`}`);
    writeStdout(`key       ${keyWords}`);
    writeStdout(`trusted   ${names.length > 0 ? names.join(', ') : 'nobody: nothing can be used'}`);
    writeStdout(`results   ${records.length} of ${session.plan.tasks.size} tasks${ends.join('')}`);
    writeStdout(`waiting   ${count(waiting, 'result')} to be published`);
  }
  remote.close();
  return probe.error === undefined ? EXIT.success : EXIT.failed;
}

async function probed(
  remote: RemoteCache,
): Promise<{ readonly ms: number; readonly error?: string }> {
  const start = performance.now();
  try {
    // Nobody has an entry of this name.
    const name = entryName('', digestOf('is anybody there?') as string as Key);
    await remote.readEntry(name, AbortSignal.timeout(PROBE_MS));
    return { ms: Math.round(performance.now() - start) };
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    return { ms: Math.round(performance.now() - start), error: `${error.message} (${error.hint})` };
  }
}

/** Reads what the remote has of a plan, or all of it where it can be listed, and verifies it. */
export async function remoteVerify(
  session: Session,
  { terms }: OpenTerms,
  json: boolean,
): Promise<number> {
  const { remote, signer, trust } = terms;
  let out: RemoteError | undefined;
  const strikes = new Strikes((error) => {
    out = error;
  });
  const own = signer ? { ...trust, 'this key': signer.key } : trust;
  const lookups = new Lookups({ ...terms, trust: own }, strikes);
  const { entries, blobs, bad } = await checkEntries(session, lookups);
  if (out === undefined) await addListed(remote, strikes.signal, blobs);
  for (const blob of out === undefined ? blobs.values() : []) {
    const why = await wrongWith(remote, blob, strikes.signal);
    if (why) bad.push(`blob ${blob.digest.slice(0, 12)}: ${why}`);
  }
  remote.close();
  if (out) throw unusable(remote, out);
  if (json) writeJson({ entries, blobs: blobs.size, bad });
  else {
    for (const line of bad) writeStdout(line);
    const words = `${count(entries, 'record')} and ${count(blobs.size, 'blob')} verified`;
    writeStderr(`${words}, ${bad.length === 0 ? c.green('all good') : c.red(`${bad.length} bad`)}`);
  }
  return bad.length > 0 ? EXIT.failed : EXIT.success;
}

/** The entries of a plan that are there, those of them that are bad, and the blobs that the others name. */
async function checkEntries({ plan, store }: Session, lookups: Lookups) {
  const bad: string[] = [];
  const blobs = new Map<Digest, SizedBlob>();
  let entries = 0;
  for (const { key, task } of await recordsOf(plan, store)) {
    const found = await lookups.find(key);
    if (found === undefined) break;
    if (found.kind === 'absent') continue;
    entries += 1;
    if (found.kind !== 'trusted') bad.push(`the record of ${task}: ${found.why}`);
    else for (const blob of Object.values(found.record.outputs)) blobs.set(blob.digest, blob);
  }
  return { entries, blobs, bad };
}

/** Adds all blobs of a remote that can say what it has. */
async function addListed(
  { listing }: RemoteCache,
  signal: AbortSignal,
  blobs: Map<Digest, SizedBlob>,
): Promise<void> {
  if (listing === undefined) return;
  for await (const { name, bytes } of listing.blobs(signal)) {
    if (!blobs.has(name)) blobs.set(name, { digest: name, bytes });
  }
}

async function wrongWith(
  remote: RemoteCache,
  blob: SizedBlob,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const hash = createHash('sha256');
    for await (const piece of downloaded(remote, blob, signal)) hash.update(piece);
    return hash.digest('hex') === blob.digest ? undefined : 'its bytes have another digest';
  } catch (error) {
    if (error instanceof RemoteError) return error.message;
    throw error;
  }
}

/** Deletes old entries, and blobs that none names any more. */
export async function remoteGc(
  { terms }: OpenTerms,
  {
    days,
    dryRun,
    json,
  }: { readonly days: number; readonly dryRun: boolean; readonly json: boolean },
): Promise<number> {
  const { remote } = terms;
  if (remote.listing === undefined) {
    const hint = 'bazel-remote drops by itself what was used least lately (--max_size)';
    const message = `${remote.name} cannot list what it has: HTTP has no way to ask`;
    throw new UsageError([{ message, hint }]);
  }
  try {
    const signal = AbortSignal.timeout(3_600_000);
    const dropped = await collectRemote(remote, { now: Date.now(), days, dryRun, signal });
    if (json) writeJson(dropped);
    else {
      const { entries, blobs, bytes } = dropped;
      const what = `${count(entries, 'record')} and ${count(blobs, 'blob')}`;
      writeStderr(`${dryRun ? 'would delete' : 'deleted'} ${what}, ${prettyBytes(bytes)}`);
    }
    return EXIT.success;
  } catch (error) {
    if (error instanceof RemoteError) throw unusable(remote, error);
    throw error;
  } finally {
    remote.close();
  }
}

const unusable = ({ name }: RemoteCache, { message, hint }: RemoteError): UsageError =>
  new UsageError([{ message: `${name} cannot be used: ${message}`, hint }]);
