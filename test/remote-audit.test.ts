// What others made, run again: which are chosen, and what is said of them.
import { expect, test } from 'vitest';
import { AuditError, type Outputs } from '../src/archive/rerun/audit.ts';
import { auditRecord, type RecordOfOthers, sampleOf } from '../src/archive/rerun/remote-audit.ts';
import { digestOf, type Key, keyOf, type TaskId } from '../src/engine/model/key.ts';

const keys = Array.from({ length: 250 }, (_, n) => ({
  key: digestOf(`key ${n}`) as string as Key,
}));

test('a seed chooses the same ones in whatever order they come, and a share that is not nothing at least one', () => {
  const some = sampleOf(keys, 0.1, 1);
  expect(some).toHaveLength(25);
  expect(sampleOf([...keys].reverse(), 0.1, 1)).toEqual(some);
  expect(sampleOf(keys, 0.1, 2)).not.toEqual(some);
  expect(sampleOf(keys.slice(0, 3), 0.01, 1)).toHaveLength(1);
  expect(sampleOf(keys, 1, 1)).toHaveLength(250);
  expect(sampleOf([], 1, 1)).toEqual([]);
  // Most of a sample stays when results are added.
  const fewer = new Set(sampleOf(keys.slice(0, 240), 0.1, 1));
  expect(some.filter((one) => fewer.has(one)).length).toBeGreaterThanOrEqual(22);
});

const bytes = (text: string) => Buffer.from(text);
const outputsOf = (text: string): Outputs =>
  new Map([['out', { digest: digestOf(text), bytes: text.length, content: bytes(text) }]]);

const parts = {
  code: digestOf('x'),
  params: {},
  inputs: {},
  outputs: { out: 'json' },
  source: null,
};
const record: RecordOfOthers = {
  ...{ key: keyOf(parts), task: 'a' as TaskId, parts, cost: { seconds: 1, work: null } },
  outputs: { out: { digest: digestOf('{"a":1}'), bytes: 7, kind: 'json' } },
  made: { run: 'r', host: 'gpu-7', at: '2026-11-01T10:00:00.000Z', versions: {} },
  origin: { by: 'lab', signer: 'ed25519:x' },
};
const blobs = { get: async () => bytes('{"a":1}') };

/** What is said of a record whose action gives these texts, one a run. */
async function said(texts: readonly (string | Error)[], tolerance?: number) {
  let runs = 0;
  const rerun = async (): Promise<Outputs> => {
    const text = texts[runs++];
    if (text === undefined || text instanceof Error) throw text ?? new Error('run too often');
    return outputsOf(text);
  };
  const { verdict, repeatable, message, outputs } = await auditRecord({
    ...{ record, blobs, tolerance, rerun },
  });
  return { verdict, repeatable, runs, ...(message && { message }), differ: outputs.length };
}

test('a result that comes out again needs one run; another is run twice, to tell whether the stage is deterministic', async () => {
  expect(await said(['{"a":1}'])).toMatchObject({ verdict: 'same', repeatable: null, runs: 1 });
  const other = { verdict: 'different', runs: 2, differ: 1 };
  expect(await said(['{"a":2}', '{"a":2}'])).toEqual({ ...other, repeatable: true });
  expect(await said(['{"a":2}', '{"a":3}'])).toEqual({ ...other, repeatable: false });
  expect(await said(['{"a":2}', new AuditError('no')])).toEqual({ ...other, repeatable: null });
});

test('an inexact stage may differ by its tolerance', async () => {
  expect(await said(['{"a":1.01}'], 0.1)).toMatchObject({ verdict: 'within tolerance', runs: 1 });
  expect(await said(['{"a":1.5}', '{"a":1.5}'], 0.1)).toMatchObject({ verdict: 'different' });
});

test('what cannot be run again is no pass, and a defect of ours is thrown', async () => {
  const failed = await said([new AuditError('run 1 fails: exit 3')]);
  expect(failed).toMatchObject({ verdict: 'failed', message: 'run 1 fails: exit 3' });
  await expect(said([new TypeError('x')])).rejects.toThrow(TypeError);
});
