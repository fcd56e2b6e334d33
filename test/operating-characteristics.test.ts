import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { characterise, PROFILES, WORLDS } from '../bench/operating-characteristics.ts';
import { Claim, type ClaimDeclaration } from '../src/claims/declaration.ts';
import { repository } from './rig.ts';

/** The claims of the study; lists by reference are the profiles of the simulation, or open. */
function declaredClaims(): readonly ClaimDeclaration[] {
  const text = readFileSync(join(repository, 'pipeline.yaml'), 'utf8');
  const { params } = parse(text, { merge: true });
  const opened = (value: unknown, key: string): unknown => {
    if (!['a', 'b', 'baseline', 'fixed', 'difficulty'].includes(key)) return value;
    const axes = Object.entries(value as object).flatMap(([axis, labels]) => {
      if (!JSON.stringify(labels).includes('$')) return [[axis, labels]];
      return labels === '$profiles' ? [[axis, PROFILES]] : [];
    });
    return Object.fromEntries(axes);
  };
  return params.claims.map((claim: object) =>
    Claim.parse({
      ...Object.fromEntries(Object.entries(claim).map(([key, value]) => [key, opened(value, key)])),
      ...('beside' in claim && { beside: [] }),
    }),
  );
}

/** In `npm test` a few rounds of some worlds; with FULL all of them. */
const FEW = new Set(['C1', 'C5', 'C7']);
const rounds = process.env.FULL ? 400 : 60;

describe('false verdicts are rare', () => {
  const claims = declaredClaims();
  const worlds = WORLDS.filter(({ claim }) => process.env.FULL || FEW.has(claim));
  test.each(worlds)('$claim: $name', (world) => {
    const { shares } = characterise(world, claims, rounds);
    expect(shares['not assessed'] + shares['not tested']).toBe(0);
    if (world.never === null) return;
    // Three standard errors above 5 %.
    const most = 0.05 + 3 * Math.sqrt((0.05 * 0.95) / rounds);
    expect(shares[world.never]).toBeLessThanOrEqual(most);
  });
});

test('docs/claims.md has the table of every world, and no false verdict above 5 % but for its error', () => {
  const text = readFileSync(join(repository, 'docs/claims.md'), 'utf8');
  for (const { claim, name, never } of WORLDS) {
    const row = text.split('\n').find((line) => line.startsWith(`| ${claim} | ${name} |`));
    const cells = (row ?? '').split(' | ');
    const n = Number(cells[2]);
    expect(n, name).toBeGreaterThanOrEqual(50);
    const share = Number(/^(?:reproduced|refuted) ([\d.]+) \|$/.exec(cells[7]!)?.[1] ?? 0);
    // Two standard errors.
    const most = 5 + 200 * Math.sqrt((0.05 * 0.95) / n);
    expect(share, name).toBeLessThanOrEqual(never === null ? 0 : most);
  }
});
