// openings.ts — marks of the processes that have a store open: a mark whose process is dead says that it may have died in LMDB
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newFileMode, settleFile } from '../files/store-access.ts';
import {
  type Identity,
  instanceOf,
  livenessFor,
  type ProcessIdentity,
} from '../model/process-identity.ts';
import { isProcess } from '../model/record-check.ts';
import { STORE_FILE } from './store-state.ts';

/** A process that opened a store and has not closed it. */
export interface Opening extends ProcessIdentity {
  /** Path of its mark. */
  readonly mark: string;
}

const PREFIX = `${STORE_FILE}.open-`;
/** A mark of a process that cannot be seen from here is forgotten after a week. */
const FORGOTTEN_MS = 7 * 24 * 3_600_000;

/** Marks that this process opens the store in a folder; gives what takes the mark away. */
export function markOpening(folder: string, { host, pid, onExit }: Identity): () => void {
  const life = instanceOf(pid);
  const mark = join(folder, `${PREFIX}${pid}-${life?.started ?? host.length}`);
  const drop = (): void => rmSync(mark, { force: true });
  try {
    writeFileSync(mark, JSON.stringify({ host, pid, ...(life && { life }) }), {
      mode: newFileMode(mark),
    });
    settleFile(mark);
  } catch {
    return () => undefined; // A full disk, or a folder that cannot be written: then there is no mark.
  }
  // Who ends by itself leaves no mark.
  onExit?.(drop);
  return drop;
}

/** Who has the store in a folder open, by what can be seen from here. */
export function openingsOf(
  folder: string,
  identity: Identity,
): { readonly alive: readonly Opening[]; readonly dead: readonly Opening[] } {
  const alive: Opening[] = [];
  const dead: Opening[] = [];
  let livenessOf: ((holder: ProcessIdentity) => string) | undefined;
  for (const name of namesIn(folder)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(folder, name);
    const opening = readMark(path);
    if (opening?.pid === identity.pid) continue;
    livenessOf ??= livenessSeen(identity);
    const seen = opening && livenessOf(opening);
    if (opening && seen === 'alive') alive.push(opening);
    else if (opening && seen === 'dead') dead.push(opening);
    else if (isForgotten(path)) rmSync(path, { force: true });
  }
  return { alive, dead };
}

export function dropOpenings(openings: readonly Opening[]): void {
  for (const { mark } of openings) rmSync(mark, { force: true });
}

/** As for leases; and what ran before the machine was started is dead. */
function livenessSeen(identity: Identity): (opening: ProcessIdentity) => string {
  const liveness = livenessFor(identity);
  const own = instanceOf(identity.pid);
  return (opening) => {
    if (opening.host !== identity.host) return 'unknown';
    const { life } = opening;
    if (life && own && life.boot !== own.boot) return 'dead';
    if (life === undefined) return identity.exists(opening.pid) ? 'alive' : 'dead';
    return liveness(opening);
  };
}

function readMark(mark: string): Opening | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(mark, 'utf8'));
    return isProcess(value) ? { ...(value as ProcessIdentity), mark } : undefined;
  } catch {
    return undefined; // Gone meanwhile, or being written.
  }
}

function isForgotten(mark: string): boolean {
  const found = statSync(mark, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > FORGOTTEN_MS;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
