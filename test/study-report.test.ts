// study-report.test.ts — `report:` of pipeline.yaml: a page of results for any study
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { readPipelineParts } from '../src/engine/config/config.ts';
import type { Digest, Json, TaskId } from '../src/engine/model/key.ts';
import { REPORT_FILES_MAX, withReport } from '../src/engine/pipeline/report.ts';
import type { Gathered } from '../src/engine/stage.ts';
import { testClaim } from '../src/study-report/claim-test.ts';
import { claimsSection } from '../src/study-report/claims-section.ts';
import { ReportResults } from '../src/study-report/collected.ts';
import { markdown } from '../src/study-report/markdown.ts';
import reportStage from '../src/study-report/report-stage.ts';
import type { DeclaredClaim } from '../src/study-report/section-params.ts';
import { makeRig, repository } from './rig.ts';

const drawn = (text: string): string => markdown(text).markup.trim();

describe('Markdown of a report', () => {
  test.each([
    ['a *b* **c** `d<e`', '<p>a <em>b</em> <strong>c</strong> <code>d&lt;e</code></p>'],
    ['# One\n\ntwo\nthree', '<h3>One</h3>\n<p>two\nthree</p>'],
    ['- a\n- b\n  - c', '<ul>\n<li>a</li>\n<li>b<ul>\n<li>c</li>\n</ul>\n</li>\n</ul>'],
    ['3. a\n4. b', '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'],
    ['snake_case_name and 2 * 3 * 4', '<p>snake_case_name and 2 * 3 * 4</p>'],
    [
      '[x](https://a.b/c_(d)) <https://e.f>',
      '<p><a href="https://a.b/c_(d)" rel="noreferrer">x</a> <a href="https://e.f" rel="noreferrer">https://e.f</a></p>',
    ],
    ['\\*plain\\* &amp;', '<p>*plain* &amp;amp;</p>'],
    ['> quoted', '<blockquote><p>quoted</p>\n</blockquote>'],
  ])('draws %j', (text, markup) => {
    expect(drawn(text)).toBe(markup);
  });

  test('draws tables and code', () => {
    expect(drawn('| a | b |\n| --- | ---: |\n| 1 | `x\\|y` |')).toContain(
      '<td class="right"><code>x|y</code></td>',
    );
    expect(drawn('```js\n<b>\n# no\n```\nafter')).toContain(
      '<pre><code>&lt;b&gt;\n# no</code></pre>',
    );
  });

  test('lets no HTML, script or fetch through', () => {
    const hostile = [
      '<script>alert(1)</script>',
      '<img src=x onerror=alert(1)>',
      '[a](javascript:alert(1)) [b](data:text/html,x) [c](JaVaScRiPt:x) [d](//evil.example/x) [e](vbscript:x)',
      '![pixel](https://evil.example/p.png)',
      '[f](https://a.b/"onmouseover="x) <https://a.b/"x>',
      '`</code><script>`',
      '<!-- x --> &lt;script&gt;',
    ].join('\n\n');
    const markup = drawn(hostile);
    expect(markup).not.toMatch(/<(?!\/?(?:p|a|code)[ >])/);
    expect(markup).not.toMatch(/<[^>]*(?<=")onmouseover/);
    const links = [...markup.matchAll(/href="([^"]*)"/g)].map(([, to]) => to);
    expect(links.every((to) => to?.startsWith('https://'))).toBe(true);
  });

  test('is quick with what was made to be slow', () => {
    const begun = process.cpuUsage();
    for (const part of ['*', '_a', '[', '`', '> ', '- ', '![](', '<', '| ', '\\'])
      markdown(part.repeat(20_000));
    expect(process.cpuUsage(begun).user / 1e6).toBeLessThan(8);
  });
});

const gathered = (
  rows: readonly (readonly [model: string, seed: number, value: Json])[],
): Gathered<Json> => ({
  items: rows.map(([model, seed, value], at) => ({
    task: `train[${model},${seed}]` as TaskId,
    at: { model, seed: String(seed) },
    digest: `digest ${at}` as Digest,
    value,
  })),
  missing: [],
});

describe('a claim of a report', () => {
  const results = new ReportResults(
    gathered([
      ...[0.9, 0.92, 0.91, 0.93].map((score, seed) => ['new', seed, { score }] as const),
      ...[0.8, 0.82, 0.81, 0.83].map((score, seed) => ['old', seed, { score }] as const),
    ]),
    ['train.metrics'],
  );
  const claim = (rest: Partial<DeclaredClaim>): DeclaredClaim => ({
    ...{ id: 'C1', title: 'better', stage: 'train', value: 'score', where: [], margin: 0 },
    ...{ a: { model: ['new'] }, b: { model: ['old'] }, expect: 'greater' },
    ...rest,
  });

  test.each([
    [{}, 'supported'],
    [{ margin: 0.1 }, 'inconclusive'],
    [{ margin: 0.2 }, 'contradicted'],
    [{ expect: 'less' }, 'contradicted'],
    [{ a: { model: ['old'] }, b: { model: ['new'] }, expect: 'less', margin: 0.05 }, 'supported'],
    [{ expect: 'equal', margin: 0.2 }, 'supported'],
    [{ expect: 'equal', margin: 0.1 }, 'inconclusive'],
    [{ expect: 'equal', margin: 0.01 }, 'contradicted'],
    [{ b: 0.5 }, 'supported'],
    [{ b: 0.95 }, 'contradicted'],
    [{ where: ['seed=0'] }, 'not tested'],
  ] as const)('with %j is %s', (rest, outcome) => {
    expect(testClaim(claim(rest as Partial<DeclaredClaim>), results).outcome).toBe(outcome);
  });

  test('has the interval of Welch, by hand', () => {
    // Means 0.915 and 0.815, SDs 0.01291: SE 0.009129 with 6 degrees of freedom, t 2.4469.
    const { effect, ci } = testClaim(claim({}), results);
    expect(effect).toBeCloseTo(0.1, 12);
    expect(ci?.[0]).toBeCloseTo(0.1 - 2.44691 * 0.0091287, 6);
  });

  test('that a stage judged is drawn with its verdict, and what is none is refused', () => {
    const judged = {
      form: 'claims/2',
      claims: [
        {
          ...{
            id: 'C1',
            title: '<b>',
            statement: 's',
            paper: { value: '1 to 2', where: 'abstract' },
          },
          ...{ kind: 'superiority', rule: 'r', margin: null, seeds: 2, verdict: 'reproduced' },
          ...{ qualifiers: [], reason: 'because', contrasts: [] },
        },
      ],
    };
    const section = { kind: 'claims', stage: 'train' } as const;
    const told = claimsSection(
      section,
      new ReportResults(gathered([['a', 0, judged]]), ['train.claims']),
    );
    expect(told.markup).toContain('&lt;b&gt;');
    expect(told.markup).toContain('reproduced');
    const wrong = new ReportResults(gathered([['a', 0, { claims: [null] }]]), ['train.claims']);
    expect(() => claimsSection(section, wrong)).toThrow('is not of the form claims/2');
  });
});

test('results of several outputs of a task keep their names', () => {
  const { items } = gathered([
    ['a', 0, { loss: 1 }],
    ['a', 0, { score: 2 }],
    ['b', 0, { loss: 3 }],
    ['b', 0, { score: 4 }],
  ]);
  const results = new ReportResults({ items, missing: [] }, [
    'other.x',
    'train.curve',
    'train.metrics',
  ]);
  expect(results.of('train', 'metrics').map(({ outputs }) => [...outputs.keys()])).toEqual([
    ['metrics'],
    ['metrics'],
  ]);
  expect(results.jsonOf('train', 'curve')).toEqual([{ loss: 1 }, { loss: 3 }]);
});

test('the module takes as many files as pipeline.yaml may name', () => {
  expect(Object.keys(reportStage.inputs)).toHaveLength(1 + REPORT_FILES_MAX);
});

const TRAIN = `const { params } = JSON.parse('{"params":' + require('node:fs').readFileSync('params.json') + '}');
const score = { old: 0.5, new: 0.6 }[params.model] + params.seed / 100;
require('node:fs').writeFileSync('metrics.json', JSON.stringify({ score, losses: [3, 2, 1] }));`;

const STUDY = `params: { title: Old and new }
stages:
  train:
    command: [node, train.cjs]
    matrix: { model: [old, new], seed: [0, 1, 2] }
    inputs: { script: { file: train.cjs } }
    params: { model: $model, seed: $seed }
    outputs: { metrics: metrics.json }
plots:
  score: { stage: train, x: model, y: score }
report:
  title: $title
  abstract: About *two* models.
  sections:
    - title: Claim
      claims: [{ title: New is better, stage: train, value: score, a: { model: new }, b: { model: old }, expect: greater }]
    - { title: Scores, plot: score, note: All seeds. }
    - { plot: { stage: train, kind: curves, y: losses, color: model } }
    - table: { stage: train:metrics, rows: model, value: score }
    - { title: Notes, markdown: notes.md }
`;
const FILES = { 'pipeline.yaml': STUDY, 'train.cjs': TRAIN, 'notes.md': 'Made <b>by</b> hand.\n' };

describe('report: of a study', () => {
  test('is a page of one file, the same bytes each time, that reruns for what it reads and for nothing else', async () => {
    const rig = makeRig(FILES);
    const first = await rig.run('make');
    expect(first.code, first.stderr + first.stdout).toBe(0);
    const page = rig.read('artifacts/report/report.html');
    expect(page).toContain('<h1>Old and new</h1>');
    expect(page).toContain('About <em>two</em> models.');
    expect(page).toContain('● supported');
    expect(page).toContain('Made &lt;b&gt;by&lt;/b&gt; hand.');
    expect(page).toContain('0.610 ± 0.010');
    expect(page).toContain('Figure 2.');
    expect(page.match(/<svg /g)?.length).toBeGreaterThanOrEqual(4);
    // Ids stay apart between drawings, and nothing is fetched.
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(page).not.toMatch(/(?:src|href)="https?:|url\((?!#)|@import/);
    expect(rig.read('artifacts/report/provenance.html')).toContain('train[old,0]');

    expect((await rig.run('make')).stderr).toContain('nothing to do');
    await rig.run('invalidate', 'report');
    expect((await rig.run('make')).stderr).toContain('1 built');
    expect(rig.read('artifacts/report/report.html')).toBe(page);

    rig.write('notes.md', 'Changed.\n');
    rig.edit('pipeline.yaml', 'note: All seeds.', 'note: Every seed.');
    const { events } = await rig.make();
    const built = events.filter(({ event }) => event === 'built').map(({ task }) => task);
    expect(built).toEqual(['report']);
    // A plot that no section shows is in no key.
    rig.edit('pipeline.yaml', 'plots:\n', 'plots:\n  other: { stage: train, y: score }\n');
    expect((await rig.run('make')).stderr).toContain('nothing to do');
    rig.edit('pipeline.yaml', 'x: model, y: score', 'x: model, y: score, title: Scores');
    expect((await rig.run('make', '--dry-run')).stdout).toContain('report');
  });

  test('names every section that asks for a number that nobody gave, and keeps all else', async () => {
    const rig = makeRig({
      ...FILES,
      'pipeline.yaml': STUDY.replace('y: losses', 'y: lossses').replace(
        'rows: model, value: score',
        'value: scor',
      ),
    });
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(1);
    expect(stderr).toContain(
      'section 3 (plot): there is no column `lossses` (did you mean `losses`?)',
    );
    expect(stderr).toContain(
      'section 4 (table): there is no column `scor` (did you mean `score`?)',
    );
    expect(stderr).toContain('6 built');
  });

  test('is made from what there is', async () => {
    const rig = makeRig({
      ...FILES,
      'train.cjs': `${TRAIN}\nif (params.model === 'old' && params.seed === 2) process.exit(3);`,
    });
    expect((await rig.run('make', '--keep-going')).code).toBe(1);
    const page = rig.read('artifacts/report/report.html');
    expect(page).toContain('1 task has no result');
    expect(page).toContain('<code>train[old,2]</code>');
    expect(page).toContain('n = 3 and 2');
  });
});

/** What is wrong with a study, as `LINE: message`. */
function faultsOf(text: string): readonly string[] {
  const source = { text, file: 'pipeline.yaml', presets: [], paramsFiles: [], sets: [] };
  const read = readPipelineParts(source);
  const problems = read.ok ? withReport(read.value).problems : read.diagnostics;
  return problems.map(({ message, place, hint }) => {
    const at = place?.text.slice(place.start, place.end).split('\n')[0];
    return `${at}: ${message}${hint ? ` (${hint})` : ''}`;
  });
}

describe('what is wrong with a report is told at its place', () => {
  const base = STUDY.slice(0, STUDY.indexOf('report:'));
  test.each([
    [
      '{ sections: [{ plott: score }] }',
      'plott: unknown key `plott` in a section (did you mean `plot`?)',
    ],
    [
      '{ sections: [{ plot: scor }] }',
      'scor: there is no plot `scor` in `plots` (did you mean `score`?)',
    ],
    ['{ sections: [{ plot: score, text: x }] }', 'this section has both `text` and `plot`'],
    [
      '{ sections: [{ table: { stage: trian } }] }',
      'trian: there is no stage `trian` (did you mean `train`?)',
    ],
    [
      '{ sections: [{ table: { stage: train, rows: [modle] } }] }',
      'modle: stage `train` has no axis `modle` (did you mean `model`?)',
    ],
    [
      '{ sections: [{ table: { stage: train, columns: [model, seed] } }] }',
      '`columns` of a table is one axis',
    ],
    [
      '{ sections: [{ table: { stage: train, top: 0 } }] }',
      '0: `top` of a table is a number of rows',
    ],
    [
      '{ sections: [{ plot: score }, { markdown: ../x.md }] }',
      '../x.md: `markdown` is outside the project',
    ],
    [
      '{ sections: [{ plot: score }, { markdown: /etc/passwd }] }',
      '`markdown` is outside the project',
    ],
    [
      '{ sections: [{ plot: score }, { markdown: "*.md" }] }',
      '`markdown` names one file, and no pattern',
    ],
    ['{ sections: [{ text: alone }] }', 'no section of `report` shows a result'],
    ['{ sections: { plot: score } }', '`sections` of `report` must be a list, not a mapping'],
    ['{ title: x }', '`report` has no `sections`'],
    ['[x]', '`report` must be a mapping, not a list'],
    ['{ sections: [{ claims: [] }] }', '`claims` is an empty list'],
    ['{ sections: [{ claims: { a: 1 } }] }', '`claims` is STAGE:output, or a list of claims'],
    [
      '{ sections: [{ claims: [{ stage: train, a: { model: ne }, b: {}, expect: greater, title: x }] }] }',
      'ne: axis `model` has no value `ne` (did you mean `new`?)',
    ],
    [
      '{ sections: [{ claims: [{ stage: train, a: {}, b: 1, expect: equal, title: x }] }] }',
      'a claim that two are equal needs a `margin`',
    ],
    ['{ sections: [{ claims: [{ stage: train, title: x }] }] }', 'a claim has no `expect`'],
    ['{ title: $nope, sections: [{ plot: score }] }', '`$nope` refers to nothing'],
  ])('%s', (report, told) => {
    const faults = faultsOf(`${base}report: ${report}\n`);
    expect(
      faults.some((fault) => fault.includes(told)),
      faults.join('\n'),
    ).toBe(true);
  });

  test('a stage of the same name', () => {
    const faults = faultsOf(
      STUDY.replace('  train:', '  report:').replaceAll('stage: train', 'stage: report'),
    );
    expect(faults.join()).toContain(
      '`report:` is a stage called `report`, and there is one of this name',
    );
  });
});

test.skipIf(spawnSync('python3', ['--version']).status !== 0)(
  'the example of a small study has a report',
  async () => {
    const folder = mkdtempSync(join(inject('folder'), 'iris-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(join(repository, 'examples/iris'), folder, { recursive: true });
    const sets = [
      'seeds=[0,1]',
      'noises=[0,0.4]',
      'models=[{name: nearest, kind: neighbours, k: 1}, {name: vote-of-15, kind: neighbours, k: 15}]',
    ];
    const words = ['make', 'report', ...sets.flatMap((set) => ['--set', set])];
    const made = spawnSync(process.execPath, [join(repository, 'dist/cli.cjs'), ...words], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(made.status, made.stderr).toBe(0);
    const page = readFileSync(join(folder, 'artifacts/report/report.html'), 'utf8');
    expect(page).toContain('Many neighbours bear noise better than one');
    expect(page).toContain('Fisher&#39;s');
  },
);
