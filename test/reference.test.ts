// reference.test.ts — docs/reference/ is what the sources say, and what `--json` prints fits its schema
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import type { Json, Named } from '../src/engine/model/key.ts';
import { judge } from '../src/engine/schema/judge-schema.ts';
import { repository } from './rig.ts';

test('the generated pages are current', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(repository, 'scripts/reference.mjs'), '--check'],
    { encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([0, '']);
});

test('every line of --json fits the schema of events, and what is no event does not', () => {
  const folder = mkdtempSync(join(inject('folder'), 'events-'));
  const files = {
    'pipeline.yaml': `params: { seeds: [0, 1] }
stages:
  draw:
    command: [sh, -c, 'echo {params.seed} > seed.txt; echo drawn']
    matrix: { seed: $seeds }
    params: { seed: $seed }
    outputs: { seed: seed.txt }
  broken:
    command: [sh, -c, 'exit 3']
    allow-failure: true
    outputs: { none: none.txt }
  after:
    command: [cat, "{inputs.none}"]
    inputs: { none: broken.none }
    outputs: { copy: copy.txt }
`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const document = JSON.parse(
    readFileSync(join(repository, 'docs/reference/events.schema.json'), 'utf8'),
  ) as Json;
  const schema = { root: document, document };
  const printed = execFileSync(
    process.execPath,
    [join(repository, 'dist/cli.cjs'), 'make', '--json', '--keep-going'],
    { cwd: folder, encoding: 'utf8' },
  );
  const lines = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Named<Json>);
  for (const line of lines) expect([line, judge(schema, line).faults]).toEqual([line, []]);
  expect(new Set(lines.map(({ event }) => event))).toEqual(
    new Set(['planned', 'started', 'log', 'built', 'failed', 'skipped', 'finished']),
  );
  for (const wrong of [{ event: 'bilt' }, { event: 'log', task: 'a' }, {}]) {
    expect(judge(schema, wrong).faults).not.toEqual([]);
  }
});
