// docs.test.ts — the reference says what the schemas say
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { Gradients, Rewiring, Training } from '../stages/schema.ts';
import { repository } from './rig.ts';

const text = readFileSync(join(repository, 'docs/training.md'), 'utf8');

/** The rows of tables whose first cell is one name in code. */
const rows = new Map(
  [...text.matchAll(/^\| `(\w+)` \|\s*([^|]*?)\s*\|/gm)].map(([, name, second]) => [name, second]),
);

describe('docs/training.md', () => {
  test('has a row for every param of training, with its default', () => {
    const needed = { epochs: 1, batch: 1, optimizer: 'sgd', learningRate: 1 };
    const defaults = z.parse(Training, needed) as Record<string, unknown>;
    for (const name of Object.keys(Training._zod.def.shape)) {
      expect(rows.has(name), name).toBe(true);
      if (name in needed) expect(rows.get(name)).toBe('');
      else if (name === 'clipNorm') expect(rows.get(name)).toBe('none');
      else if (name === 'engine') expect(rows.get(name)).toBe('`sparse`');
      else if (name === 'schedule') expect(rows.get(name)).toContain('kind: constant');
      else expect(rows.get(name)).toBe(String(defaults[name]));
    }
  });

  test('has a row for every param of rewiring, and names the windows of gradients', () => {
    for (const name of Object.keys(Rewiring._zod.def.shape))
      expect(rows.has(name), name).toBe(true);
    expect(z.parse(Gradients, {})).toEqual({ firstBatches: 100, lastEpochs: 1 });
    expect(text).toContain('gradients: { firstBatches: 100, lastEpochs: 1 }');
  });
});
