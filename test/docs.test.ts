// docs.test.ts — the reference says what the schemas say
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { EVENTS_VERSION } from '../src/engine/model/event.ts';
import { shapedFamilies } from '../src/sparse/family.ts';
import { hierarchy } from '../src/sparse/hierarchy.ts';
import { PLACEMENT_ARMS } from '../src/sparse/placement.ts';
import convergence from '../stages/convergence.ts';
import { DatasetParam } from '../stages/dataset-param.ts';
import equilibrium from '../stages/equilibrium.ts';
import mask from '../stages/mask.ts';
import matchedMask from '../stages/matched-mask.ts';
import placedMask from '../stages/placed-mask.ts';
import { Gradients, Rewiring, Training } from '../stages/schema.ts';
import score from '../stages/score.ts';
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

describe('docs/stages.md', () => {
  const stages = { mask, score, 'placed-mask': placedMask, 'matched-mask': matchedMask };
  const all = { ...stages, equilibrium, convergence };
  const document = readFileSync(join(repository, 'docs/stages.md'), 'utf8');

  test.each(Object.entries(all))('tells every param and input of %s', (name, stage) => {
    const section = document.split(`### \`stages/${name}.ts\``)[1]!.split('\n##')[0];
    const { params, inputs } = stage as { params: z.ZodMiniObject; inputs: object };
    const names = Object.keys(params._zod.def.shape);
    for (const word of [...names, ...Object.keys(inputs)]) {
      expect(section, word).toContain(`\`${word}\``);
    }
  });
});

describe('docs/science.md', () => {
  const document = readFileSync(join(repository, 'docs/science.md'), 'utf8');

  test('defines every family, every arm and every field of a hierarchy', () => {
    const ones = [1, 1];
    const fields = hierarchy({ fanIn: ones, l2: ones, l1: ones, perConnection: ones });
    for (const word of [...shapedFamilies, ...PLACEMENT_ARMS, ...Object.keys(fields)]) {
      if (word !== 'hubs') expect(document, word).toContain(`\`${word}\``);
    }
  });
});

describe('docs/data.md', () => {
  const words = readFileSync(join(repository, 'docs/data.md'), 'utf8');
  interface Schema {
    readonly _zod: {
      readonly def: {
        readonly options?: readonly Schema[];
        readonly entries?: Readonly<Record<string, string>>;
        readonly shape?: Readonly<Record<string, unknown>>;
      };
    };
  }
  const leaves = (schema: Schema): readonly Schema[] =>
    schema._zod.def.options?.flatMap(leaves) ?? [schema];

  test('has a row for every data set by name, and tells every field of the forms with knobs', () => {
    for (const { _zod } of leaves(DatasetParam as unknown as Schema)) {
      for (const name of Object.keys(_zod.def.entries ?? {}))
        expect(words).toMatch(new RegExp(`^\\| \`${name}\` \\|`, 'm'));
      for (const name of Object.keys(_zod.def.shape ?? {})) {
        if (name !== 'kind') expect(words, name).toMatch(new RegExp(`\`${name}[\`:]`));
      }
    }
  });
});

describe('docs/events.md', () => {
  const events = readFileSync(join(repository, 'src/engine/model/event.ts'), 'utf8');
  const union = events.slice(events.indexOf('export type Event ='), events.indexOf('Listener ='));
  const fields = new Map(
    union
      .split(/readonly event: '/)
      .slice(1)
      .map((part) => {
        const kind = part.slice(0, part.indexOf("'"));
        const own = part.split(/\n {2}(?:\/\*\*|\| )/)[0]!;
        return [kind, [...own.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name)] as const;
      }),
  );
  const told = readFileSync(join(repository, 'docs/events.md'), 'utf8');

  test('has a row for every kind of event, with every field', () => {
    const documented = new Map(
      [...told.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, kind, text]) => [kind, text]),
    );
    expect([...documented.keys()]).toEqual([...fields.keys()]);
    for (const [kind, names] of fields) {
      expect(names.length).toBeGreaterThan(0);
      for (const name of names)
        expect([kind, documented.get(kind)]).toEqual([
          kind,
          expect.stringContaining(`\`${name}\``),
        ]);
    }
  });

  test('has the version that is printed, and every kind of reason and outcome', () => {
    expect(told).toContain(`"version":${EVENTS_VERSION}`);
    for (const kind of ['new', 'changed', 'forced', 'lost', 'resumed'])
      expect(told).toContain(`\`${kind}\``);
  });
});
