import { describe, expect, test } from 'vitest';
import type { TaskVerdict, Verification } from '../src/archive/checking/verdict.ts';
import { headline, verificationPage } from '../src/archive/verification-page.ts';

const verdicts = (
  count: number,
  stage: string,
  told: Omit<TaskVerdict, 'task'>,
): readonly TaskVerdict[] =>
  Array.from({ length: count }, (_, i) => ({ task: `${stage}[a,${i}]`, ...told }));

const FOUND: Verification = {
  ...{ form: 'verification/1', archive: 'study.zip', digest: 'ab'.repeat(32), version: '1.0.0' },
  checker: { archive: null, own: 'cd'.repeat(32), words: 'is the one of this version' },
  ...{ findings: [], findingCount: 0, tasks: 378, absent: { failed: 0, skipped: 0 } },
  blobs: { here: 400, leftOut: 2 },
  rerun: { seed: 1, budget_s: 60, chosen: 49, drawn: 40, node: 'v20.19.0', walls: 'unshare' },
  taskVerdicts: [
    ...verdicts(40, 'static', { verdict: 'identical', recorded_s: 1, seconds: 2 }),
    ...verdicts(9, 'rigl', { verdict: 'identical', recorded_s: 3, seconds: 4 }),
    ...verdicts(300, 'sweep', { verdict: 'not tested', why: 'beyond the budget' }),
    ...verdicts(20, 'sweep', { verdict: 'not tested', why: 'its inputs were left out' }),
    ...verdicts(9, 'pilot', { verdict: 'not tested', why: 'beyond the budget' }),
  ],
  claims: [
    {
      ...{ id: 'C1', says: 'reproduced', verdict: 'identical' },
      why: 'judged again from the measurements; 12 of the 40 tasks behind it were run again',
      behind: { tasks: 40, tested: 12 },
    },
  ],
  ...{ notes: [], holds: true },
};

/** The cells of the table with a label, row by row. */
function rowsOf(page: string, label: string): readonly (readonly string[])[] {
  const table = page.split(`aria-label="${label} (table)"`)[1]?.split('</table>')[0] ?? '';
  return [...table.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = '']) => cell),
  );
}

describe('the page of a verification', () => {
  const page = verificationPage(FOUND);

  test('groups identical tasks by stage, and folds the single ones', () => {
    expect(headline(FOUND)).toContain('49 of 378 tasks (13 %) re-run, all identical');
    expect(rowsOf(page, 'Identical tasks by stage')).toEqual([
      ['Stage', 'Identical', 'Recorded', 'Now'],
      ['static', '40', '40.00 s', '80.00 s'],
      ['rigl', '9', '27.00 s', '36.00 s'],
    ]);
    const unfolded = page.replace(/<details.*?<\/details>/gs, '');
    expect(unfolded).not.toContain('static[a,7]');
    expect(page).toContain('static[a,7]');
  });

  test('groups what was not run by stage and reason, and names one of each', () => {
    expect(rowsOf(page, 'Tasks that were not run')).toEqual([
      ['Stage', 'Tasks', 'Such as', 'Why'],
      ['sweep', '300', 'sweep[a,0]', 'beyond the budget'],
      ['sweep', '20', 'sweep[a,0]', 'its inputs were left out'],
      ['pilot', '9', 'pilot[a,0]', 'beyond the budget'],
    ]);
    expect(page).not.toContain('sweep[a,7]');
  });

  test('counts the tasks behind a claim once, and gives a reason where one is needed', () => {
    const heads = ['Claim', 'The study says', 'Re-judged', 'Tasks re-run'];
    expect(rowsOf(page, 'Claims')).toEqual([heads, ['C1', 'reproduced', 'identical', '12 of 40']]);
    const [claim] = FOUND.claims;
    const why = '2 tasks behind it came out differently, such as rigl[a,0]';
    const claims = claim ? [claim, { ...claim, id: 'C2', verdict: 'different' as const, why }] : [];
    expect(rowsOf(verificationPage({ ...FOUND, claims }), 'Claims')).toEqual([
      [...heads, 'Why'],
      ['C1', 'reproduced', 'identical', '12 of 40', ''],
      ['C2', 'reproduced', 'different', '12 of 40', why],
    ]);
  });
});
