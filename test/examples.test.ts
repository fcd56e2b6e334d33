// examples.test.ts — each study of examples/ is cared for: README.md lists it, and CI makes it (.ci/run)
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repository } from './rig.ts';

const EXAMPLES = join(repository, 'examples');
const names = readdirSync(EXAMPLES).filter((name) =>
  existsSync(join(EXAMPLES, name, 'pipeline.yaml')),
);

test('the gallery lists every study, and CI makes each', () => {
  const gallery = readFileSync(join(EXAMPLES, 'README.md'), 'utf8');
  const ci = readFileSync(join(repository, '.ci/run'), 'utf8');
  expect(names).toEqual(expect.arrayContaining(['cluster', 'iris', 'sparse']));
  for (const name of names) {
    expect(gallery).toContain(`[${name}](${name}/README.md)`);
    expect(existsSync(join(EXAMPLES, name, 'README.md')), name).toBe(true);
    expect(ci).toContain(`example ${name}`);
  }
});
