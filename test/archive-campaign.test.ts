// Archives with bytes that were changed at random: each is refused in words, or holds and is what it was.
import { describe, expect, test } from 'vitest';
import { bagged, honestFiles, verified, zipOf } from './archive-rig.ts';

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

/** Edits a zip file in a way that is drawn; gives which. */
function edited(
  zip: Buffer,
  draw: (below: number) => number,
): readonly [kind: string, zip: Buffer] {
  const bytes = Buffer.from(zip);
  const kind = ['flip', 'flips', 'run of bytes', 'truncation', 'piece cut out', 'piece twice'][
    draw(6)
  ] as string;
  const at = draw(bytes.length);
  const end = Math.min(bytes.length, at + 1 + draw(500));
  if (kind === 'truncation') return [kind, bytes.subarray(0, at)];
  if (kind === 'piece cut out') {
    return [kind, Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])];
  }
  if (kind === 'piece twice') {
    return [kind, Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])];
  }
  if (kind === 'run of bytes') for (let n = at; n < end; n++) bytes[n] = draw(256);
  const flips = kind === 'flip' ? 1 : kind === 'flips' ? 1 + draw(20) : 0;
  for (let n = 0; n < flips; n++) {
    // The directory at the end decides what is read: it is hit as often as all the rest.
    const place = draw(2) === 0 ? draw(bytes.length) : bytes.length - 1 - draw(2000);
    bytes[place] = (bytes[place] ?? 0) ^ (1 << draw(8));
  }
  return [kind, bytes];
}

async function campaign(seed: number, rounds: number): Promise<Record<string, number>> {
  const honest = zipOf(bagged(await honestFiles()));
  const { digest } = await verified(honest);
  const counts: Record<string, number> = {};
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  for (let round = 0; round < rounds; round++) {
    const [kind, zip] = edited(honest, drawsFrom(seed + round));
    const result = await verified(zip);
    count(kind);
    count(result.holds ? 'holds' : 'refused');
    if (result.holds) expect([round, kind, result.digest]).toEqual([round, kind, digest]);
    else expect([round, kind, result.findings.length]).not.toEqual([round, kind, 0]);
  }
  return counts;
}

describe('an archive with bytes changed at random', () => {
  test('is refused in words, or is what it was', async () => {
    const counts = await campaign(1, 12);
    expect((counts.holds ?? 0) + (counts.refused ?? 0)).toBe(12);
    expect(counts.refused).toBeGreaterThan(6);
  });

  test.runIf(process.env.FULL)(
    'in 2,000 rounds',
    async () => {
      const counts = await campaign(50_000, 2000);
      process.stdout.write(`archives: ${JSON.stringify(counts)}\n`);
      expect((counts.holds ?? 0) + (counts.refused ?? 0)).toBe(2000);
    },
    1_200_000,
  );
});
