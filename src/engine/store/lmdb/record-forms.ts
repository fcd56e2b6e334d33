// record-forms.ts — what stands in each table of a store, and the form that it must have
import { type Digest, digestOf, type TaskId } from '../../model/key.ts';
import type { ProcessIdentity } from '../../model/process-identity.ts';
import {
  asActionRecord,
  asKey,
  asPin,
  asRunRecord,
  asTaskLog,
  isProcess,
} from '../../model/record-check.ts';

/** The tables of records, by name. */
export const FORMS = {
  meta: {
    kind: 'format',
    check: (value: unknown) => (Number.isInteger(value) ? (value as number) : undefined),
  },
  traces: { kind: 'action record', check: asActionRecord },
  latest: { kind: 'latest key', check: asKey },
  runs: { kind: 'run record', check: asRunRecord },
  logs: { kind: 'log', check: asTaskLog, isProcess },
  pins: { kind: 'pin', check: asPin },
} as const;

/** A run that holds leases: it is renewed as a whole, and not for each of its actions. */
export interface OwnerRow {
  readonly renewed: number;
  readonly process?: ProcessIdentity;
}

/** An action that is leased. */
export interface ActionRow {
  readonly owner: string;
  readonly task?: TaskId;
}

/** The tables of leases, by name. */
export const LEASE_FORMS = {
  owners: {
    kind: 'lease',
    check: (value: unknown) => (isOwnerRow(value) ? value : undefined),
  },
  actions: {
    kind: 'lease',
    check: (value: unknown) => (isActionRow(value) ? value : undefined),
  },
} as const;

function isOwnerRow(value: unknown): value is OwnerRow {
  const row = value as OwnerRow | null;
  return typeof row?.renewed === 'number' && (row.process === undefined || isProcess(row.process));
}

function isActionRow(value: unknown): value is ActionRow {
  const row = value as ActionRow | null;
  return typeof row?.owner === 'string' && (row.task === undefined || typeof row.task === 'string');
}

/** A checkpoint has no name that would verify it: its digest stands before it. */
const DIGEST_LENGTH = 64;

export const asCheckpoint = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(digestOf(bytes), 'latin1'), bytes]);

/** The bytes of a checkpoint as the store has it; undefined when it is damaged. */
export function checkpointIn(kept: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength);
  const [digest, content] = [
    bytes.toString('latin1', 0, DIGEST_LENGTH),
    bytes.subarray(DIGEST_LENGTH),
  ];
  return digestOf(content) === (digest as Digest) ? content : undefined;
}
