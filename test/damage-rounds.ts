// damage-rounds.ts — a process that damages copies of a store, round by round, and looks at each and repairs it: LMDB may
// end it, and whoever started it goes on with what comes next
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../src/engine/model/key.ts';
import { DamagedStore } from '../src/engine/store/lmdb/lmdb-error.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { pagesFault } from '../src/engine/store/lmdb/salvage.ts';
import { checkStore, repairStore } from '../src/engine/store/maintenance/fsck.ts';
import { newAside, rebuildStore, replaceStore } from '../src/engine/store/maintenance/rebuild.ts';
import type { Upkeep } from '../src/engine/store/store.ts';

/** What a round says, step by step. */
export type RoundReport = {
  readonly round: number;
  readonly step: 'begun' | 'checked' | 'repaired' | 'wrong';
  readonly kind?: string;
  readonly found?: string;
  readonly saved?: number;
  readonly what?: string;
};

const say = (report: RoundReport): void => {
  writeSync(1, `${JSON.stringify(report)}\n`);
};

/** Numbers from a seed (mulberry32). */
function drawsFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const PAGE = 4096;
const META_BYTES = 192;

/** Damages a file in a way that is drawn from the seed; gives which. */
export function damage(path: string, seed: number): string {
  const draw = drawsFrom(seed);
  const bytes = readFileSync(path);
  const pages = Math.floor(bytes.length / PAGE);
  const kind = ['flip', 'flip', 'flip', 'flip in meta', 'zeroed page', 'truncation', 'swapped'][
    draw(7)
  ] as string;
  if (kind === 'truncation') {
    truncateSync(path, draw(bytes.length));
    return kind;
  }
  if (kind === 'flip') {
    const at = draw(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << draw(8));
  } else if (kind === 'flip in meta') {
    const at = draw(2) * PAGE + draw(META_BYTES);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << draw(8));
  } else if (kind === 'zeroed page') {
    const at = draw(pages) * PAGE;
    bytes.fill(0, at, at + PAGE);
  } else {
    const [from, to] = [draw(pages) * PAGE, draw(pages) * PAGE];
    bytes.copyWithin(to, from, from + PAGE);
  }
  writeFileSync(path, bytes);
  return kind;
}

/** Everything that a store holds, as text, by table and key. */
function contentOf({ tables }: Upkeep): Map<string, string> {
  const content = new Map<string, string>();
  for (const [name, table] of Object.entries(tables)) {
    for (const key of table.getKeys()) {
      const value: unknown = table.get(key);
      const text = value instanceof Uint8Array ? digestOf(value) : JSON.stringify(value);
      content.set(`${name} ${key}`, text ?? 'damaged');
    }
  }
  return content;
}

async function reading<T>(folder: string, work: (upkeep: Upkeep) => Promise<T>): Promise<T> {
  const store = openStore(folder, () => undefined);
  try {
    if (store.upkeep === undefined) throw new Error('a store of LMDB has tables');
    return await work(store.upkeep);
  } finally {
    await store.close();
  }
}

/** As `fsck` does: the pages first, and then by way of LMDB. Gives what is to be done. */
async function check(round: number, folder: string): Promise<'nothing' | 'drop' | 'rebuild'> {
  const fault = pagesFault(join(folder, 'store.lmdb'));
  if (fault !== undefined) {
    say({ round, step: 'checked', found: 'pages' });
    return 'rebuild';
  }
  try {
    const defects = await reading(folder, async (upkeep) => {
      const found = await checkStore(upkeep, () => undefined);
      if (found.length > 0) repairStore(upkeep, found);
      return found;
    });
    say({ round, step: 'checked', found: defects.length > 0 ? 'records' : 'nothing' });
    return defects.length > 0 ? 'drop' : 'nothing';
  } catch (error) {
    if (!(error instanceof DamagedStore)) throw error;
    say({ round, step: 'checked', found: 'LMDB' });
    return 'rebuild';
  }
}

const PROVEN = /^(?:blobs|partials|traces) /;

/** Of a record what a make rests on: who made it and when, nothing proves. */
function partsOf(text: string | undefined): string | undefined {
  if (!text?.startsWith('{')) return text;
  const { key, parts, outputs } = JSON.parse(text) as {
    key: string;
    parts: object;
    outputs: object;
  };
  return JSON.stringify([key, parts, outputs]);
}

const [model = '', work = '', seed = '0', first = '0', last = '0', resume = ''] =
  process.argv.slice(2);
const whole = await reading(model, async (upkeep) => contentOf(upkeep));

for (let round = Number(first); round < Number(last); round++) {
  const folder = join(work, `round-${round}`);
  const isResumed = resume === 'rebuild' && round === Number(first);
  if (!isResumed) {
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(model, 'store.lmdb'), join(folder, 'store.lmdb'));
    say({ round, step: 'begun', kind: damage(join(folder, 'store.lmdb'), Number(seed) + round) });
  }
  const todo = isResumed ? 'rebuild' : await check(round, folder);
  if (todo === 'rebuild') {
    const made = join(folder, 'made');
    mkdirSync(made);
    await rebuildStore(join(folder, 'store.lmdb'), made);
    replaceStore(folder, made, newAside(folder));
  }
  const left = await reading(folder, async (upkeep) => {
    const defects = await checkStore(upkeep, () => undefined);
    const wrong = defects.filter(({ kind }) => kind !== 'missing blob');
    if (wrong.length > 0) say({ round, step: 'wrong', what: JSON.stringify(wrong) });
    return contentOf(upkeep);
  });
  for (const [place, text] of left) {
    // A checkpoint does not tell its key: under one that no action has, nobody looks for it.
    if (place.startsWith('partials ') && !whole.has(place)) continue;
    // Bytes prove themselves, and so does what a result was made from: these were never others.
    if (PROVEN.test(place) && partsOf(whole.get(place)) !== partsOf(text))
      say({ round, step: 'wrong', what: `${place} ${text.slice(0, 300)}` });
  }
  say({ round, step: 'repaired', saved: left.size / whole.size });
  rmSync(folder, { recursive: true, force: true });
}
