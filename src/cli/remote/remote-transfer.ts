// remote-transfer.ts — pipeline remote push and pull: everything of a plan, without running anything
import type { Key } from '../../engine/model/key.ts';
import type { ActionRecord } from '../../engine/model/record.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { forecast } from '../../engine/rebuilder/forecast.ts';
import { Gate } from '../../remote/gate.ts';
import type { Published } from '../../remote/publishing.ts';
import { writeJson, writeStderr } from '../session/printing.ts';
import { EXIT, type Session } from '../session/session.ts';
import { count } from '../terminal/format.ts';
import { type OpenTerms, OWN_NAME } from './remote-session.ts';

const AT_ONCE = 4;

/** Publishes what of a plan was made here, and what earlier runs left. Waits for all of it. */
export async function remotePush(
  { plan, store, root, cache }: PlannedSession,
  { terms, Publishing, PublishQueue, aroundOf }: OpenTerms,
  json: boolean,
): Promise<number> {
  const { signer } = terms;
  if (signer === null) throw new Error('bug: there is no signer');
  const queue = new PublishQueue(cache);
  const around = { signer, queue, around: aroundOf(root) };
  const trust = { ...terms.trust, [OWN_NAME]: signer.key };
  const publishing = new Publishing({ ...terms, trust }, around);
  const keys = new Set<Key>(queue.all());
  for (const record of await recordsOf(plan, store)) {
    if (record.origin === undefined) keys.add(record.key);
  }
  const counts: Record<string, number> = {};
  const gate = new Gate(AT_ONCE);
  await Promise.all(
    [...keys].map((key) =>
      gate.pass(async () => {
        const end = await publishing.publish(key);
        counts[end] = (counts[end] ?? 0) + 1;
        if (end !== 'failed') queue.remove(key);
      }),
    ),
  );
  terms.remote.close();
  const has = (end: Published): number => counts[end] ?? 0;
  if (json) writeJson(counts);
  else {
    const parts = [
      `${count(has('published'), 'result')} published`,
      `${has('known')} known there`,
      ...(has('conflict') > 0 ? [`${has('conflict')} in conflict`] : []),
      ...(has('held') > 0 ? [`${has('held')} held back`] : []),
      ...(has('failed') > 0 ? [`${has('failed')} not taken`] : []),
    ];
    writeStderr(parts.join(', '));
  }
  return has('failed') + has('conflict') + has('held') > 0 ? EXIT.failed : EXIT.success;
}

/** Takes over what of a plan others have made, with all blobs. */
export async function remotePull(
  { plan, store }: PlannedSession,
  { terms, RemoteResults }: OpenTerms,
  json: boolean,
): Promise<number> {
  const results = new RemoteResults({ ...terms, mode: 'require' }, undefined);
  const asked = new Set<Key>();
  const makers: Record<string, number> = {};
  try {
    // What is upstream has to be there before the keys downstream are known.
    for (;;) {
      const forecasts = await forecast(plan, store, new Set());
      const keys = [...forecasts.values()].flatMap((one) =>
        one.status === 'run' && !asked.has(one.action.key) ? [one.action.key] : [],
      );
      if (keys.length === 0) break;
      for (const key of keys) asked.add(key);
      const found = await Promise.all([...new Set(keys)].map((key) => results.find(key)));
      for (const by of found.flatMap((record) => record?.origin?.by ?? [])) {
        makers[by] = (makers[by] ?? 0) + 1;
      }
      if (found.every((record) => record === undefined)) break;
    }
    const records = await recordsOf(plan, store);
    const blobs = records.flatMap(({ outputs }) => Object.values(outputs));
    const lack = async (): Promise<number> =>
      new Set(await store.blobs.missing(blobs.map(({ digest }) => digest))).size;
    const before = await lack();
    await results.fetch(blobs);
    const lacking = await lack();
    if (json) writeJson({ makers, fetched: before - lacking, lacking });
    else {
      const from = Object.entries(makers).map(([by, n]) => `${count(n, 'result')} made by ${by}`);
      const gone = lacking > 0 ? `, ${count(lacking, 'blob')} not to be had` : '';
      const news = from.length > 0 ? from.join(', ') : 'nothing new';
      writeStderr(`${news}; ${count(before - lacking, 'blob')} fetched${gone}`);
    }
    return lacking > 0 ? EXIT.failed : EXIT.success;
  } finally {
    await results.close(0);
  }
}

type PlannedSession = Session & { readonly plan: Plan };

/** The records of the tasks of a plan that are made, each once. */
export async function recordsOf(
  plan: Plan,
  store: Session['store'],
): Promise<readonly ActionRecord[]> {
  const forecasts = await forecast(plan, store, new Set());
  const records = new Map<Key, ActionRecord>();
  for (const one of forecasts.values()) {
    const trace = 'trace' in one ? one.trace : undefined;
    if (trace) records.set(trace.key, trace);
  }
  return [...records.values()];
}
