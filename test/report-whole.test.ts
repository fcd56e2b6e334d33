import { createHash } from 'node:crypto';
import { HtmlValidate } from 'html-validate';
import { beforeAll, describe, expect, test } from 'vitest';
import { decimals } from '../src/claims/words.ts';
import { fileSet } from '../src/file-set.ts';
import { type ComparisonCauses, renderComparison } from '../src/report/comparison.ts';
import { gather } from '../src/report/data/arms.ts';
import type { Study } from '../src/report/data/study.ts';
import { latexFiles, texText } from '../src/report/exports/latex.ts';
import { tidyTables } from '../src/report/exports/tidy.ts';
import { fixed, percent, signed } from '../src/report/markup/format.ts';
import {
  type Hue,
  INK,
  PAPER,
  PROFILE_HUES,
  paintOf,
  paletteOf,
  SOFT,
} from '../src/report/markup/palette.ts';
import { STYLE } from '../src/report/markup/style.ts';
import { type Report, renderReport } from '../src/report/page.ts';
import { renderProvenance } from '../src/report/provenance.ts';
import { wholeStudy, withoutScript } from './report-fixture.ts';

const FIGURES = [
  ...['accuracy', 'sparsity', 'cv', 'gradients', 'contraction', 'fan-in', 'equilibrium'],
  ...['pairs-c5', 'effects-c1', 'placement', 'masks', 'curves'],
];

const all = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([whole, group]) => group ?? whole);

const sha256 = (text: string | Uint8Array): string =>
  createHash('sha256').update(text).digest('hex');

let whole: Study;
let report: Report;
beforeAll(async () => {
  whole = wholeStudy();
  report = await renderReport(whole);
}, 180_000);

describe('a whole report', () => {
  test('is the same bytes on every machine and Node version', () => {
    expect([sha256(report.html), sha256(fileSet().encode(report.files))]).toMatchInlineSnapshot(`
      [
        "3a1c12c8fbab6cb1d65f3e51f1946fc0986146adb1c23dcc2fd9e494eedeac2d",
        "dc78c4465c199cff1c4efd60da230792cabbc3da06bc12e462afc66aca0ba832",
      ]
    `);
  });

  test('draws every figure, numbered in the order in which they stand', () => {
    const ids = all(report.html, /<figure class="wide" id="figure-([^"]+)"/g);
    for (const id of FIGURES) expect(ids).toContain(id);
    const numbers = all(report.html, /<b>Figure (\d+)\. [^<]*<\/b>/g).map(Number);
    expect(numbers).toEqual(ids.map((_, i) => i + 1));
    expect(report.html).not.toContain('Not drawn');
    // Each caption says what is to be seen, and the list of figures says the same.
    const results = all(report.html, /<b>Figure \d+\. ([^<]*)<\/b>/g);
    for (const result of results) expect(result).toMatch(/^[A-Z0-9].+\.$/);
    expect(all(report.html, /<li value="\d+"><a href="#figure-[^"]+">([^<]*)</g)).toEqual(results);
  });

  test('has one interval for one correlation: in the claims, in the figure and in its contrasts', () => {
    const claim = whole.claims?.claims.find(({ kind }) => kind === 'correlation');
    const section = report.html.split('id="claim-C4"')[1]?.split('</section>')[0] ?? '';
    const first = report.html.split('id="claims"')[1]?.split('</section>')[0] ?? '';
    const measured = claim?.contrasts.filter(({ effect }) => effect !== null) ?? [];
    expect(measured.length).toBeGreaterThan(0);
    for (const { effect, ci } of measured) {
      const [r, low, high] = [effect, ...(ci ?? [])].map((value) => fixed(value ?? 0, 3));
      expect(first).toContain(`${r} [${low}, ${high}]`);
      expect(section).toContain(`<i>r</i> = ${r} [${low}, ${high}]`);
      for (const bound of [low, high]) expect(section).toContain(`>${bound}<`);
    }
    // No other interval stands beside an r.
    expect(all(section, /<i>r<\/i> = [^<[]*\[/g)).toHaveLength(measured.length);
  });

  test('begins with the finding and the claims, and has a section for each', () => {
    const ids = all(report.html, /<section id="([^"]+)"/g);
    expect(ids.slice(0, 8)).toEqual([
      'claims',
      'summary',
      'terms',
      'claim-C1',
      'claim-C4',
      'claim-C5',
      'claim-C6',
      'claim-C7',
    ]);
    expect(ids.slice(-5)).toEqual(['results', 'figures', 'data', 'methods', 'provenance']);
    expect(report.html).toContain('Demonstration: synthetic data, 3 seeds; no claim is assessed.');
    expect(report.html.indexOf('Demonstration')).toBeLessThan(report.html.indexOf('id="claims"'));
    for (const id of ids) expect(report.html).toContain(`aria-labelledby="${id}-title"`);
  });

  test('is valid HTML, and so is the provenance page', async () => {
    const told = { title: 'report', run: { Run: 'r1' }, edges: [], claims: [] };
    const task = {
      ...{ task: 'a[0,b]', stage: 'a', key: 'ab', outcome: 'built' as const, seconds: 1, run: 'r' },
      ...{ madeAt: 'now', host: 'h', node: 'v20', endedAt: 1, params: '{}', inputs: [] },
    };
    const validate = new HtmlValidate({
      extends: ['html-validate:standard'],
      rules: {
        // Charts take their size and their pixels from attributes.
        'no-inline-style': 'off',
        // A table that scrolls has to be reachable by keyboard.
        'prefer-native-element': 'off',
      },
    });
    for (const page of [report.html, renderProvenance({ ...told, tasks: [task] })]) {
      const { results } = await validate.validateString(page);
      const told = results.flatMap(({ messages }) =>
        messages.map(({ line, ruleId, message }) => `${line}: ${ruleId}: ${message}`),
      );
      expect(told.slice(0, 8)).toEqual([]);
    }
  });

  test('links to no anchor that is not there, and has each id once', () => {
    const ids = all(report.html, /\sid="([^"]+)"/g);
    expect(new Set(ids).size).toBe(ids.length);
    for (const target of all(report.html, /href="#([^"]+)"/g)) expect(ids).toContain(target);
    for (const file of all(report.html, /href="([^#"]+)"/g)) {
      const isBeside = Object.hasOwn(report.files, file) || file === 'provenance.html';
      if (/^https:\/\/(?:arxiv|doi)\.org\//.test(file)) continue;
      expect(isBeside || file.startsWith('data:image/png;base64,'), file).toBe(true);
    }
    const rows = all(report.files['sources.html']!, /\sid="([^"]+)"/g);
    for (const row of all(report.html, /href="sources\.html#([^"]+)"/g))
      expect(rows).toContain(row);
  });

  test('draws the graph that it is made from, each stage a link to its tasks', () => {
    const graph = report.html.slice(report.html.indexOf('class="graph"'));
    for (const { stage } of whole.graph) {
      expect(graph).toContain(`<a href="provenance.html#stage-${stage}" tabindex="-1">`);
    }
  });

  test('stays under 3 MB', () => {
    expect(report.html.length).toBeLessThan(3_000_000);
  });
});

describe('the files beside it', () => {
  test('are tables for papers and programs, figures and a page for a pull request', () => {
    const names = Object.keys(report.files);
    for (const table of ['claims', 'contrasts', 'accuracy', 'gradients', 'convergence']) {
      expect(names).toEqual(expect.arrayContaining([`tables/${table}.csv`, `tables/${table}.tex`]));
    }
    expect(names.filter((name) => name.endsWith('.svg')).length).toBeGreaterThan(10);
    expect(names).toEqual(expect.arrayContaining(['report.md', 'metrics.json', 'tables/runs.csv']));
    expect(report.files['report.md']).toMatch(/^# .*\n\n\*\*Demonstration: /);
    expect(report.files['tables/accuracy.tex']).toMatch(/^% .*\n\\begin\{tabular\}\{lllll/);
  });

  test('hold a row for each run, with its task and digest', () => {
    const { tables, form } = JSON.parse(report.files['metrics.json']!);
    expect(form).toBe('metrics/1');
    expect(tables.runs).toHaveLength(whole.runs.length + whole.sweep.length + whole.placed.length);
    const [run] = whole.runs;
    expect(tables.runs[0]).toMatchObject({
      dataset: 'synth-digits',
      accuracy: run!.metrics.value.accuracy * 100,
      task: run!.metrics.from.task,
      digest: run!.metrics.from.digest,
    });
    const lines = report.files['tables/runs.csv']!.trimEnd().split('\n');
    expect(lines).toHaveLength(tables.runs.length + 1);
  });

  test('say of every arm with fewer runs than the fullest how many it has', () => {
    const [gone, ...sweep] = whole.sweep;
    const partial = { ...whole, sweep, claims: null };
    const tex = latexFiles(tidyTables(partial, gather(partial))).get('accuracy') ?? '';
    const { sparsity, profile } = gone!.coordinates;
    expect(tex).toContain(`${sparsity} & erk & static & ${profile} & 2 of 3 &`);
    expect(tex.match(/ of 3 /g)).toHaveLength(1);
  });

  test('are LaTeX that fits a page: long tables in parts, only what a paper shows', () => {
    const part = report.files['tables/contrasts-C1.tex']!;
    expect(part).toMatch(/^% Every contrast behind the verdicts\. C1\n\\begin\{tabular\}\{ll/);
    const rows = part.split('\n').filter((line) => line.endsWith('\\\\'));
    const [claim] = whole.claims?.claims ?? [];
    expect(rows).toHaveLength(1 + claim!.contrasts.length);
    // C6 is of distances: nothing of it has a d.
    expect(report.files['tables/contrasts-C6.tex']).not.toMatch(/\$d\$/);
  });

  test('print a mean alike wherever it stands, whatever the last bits of its sum', () => {
    // The mean of 3 times 68.625 %: as a fraction, as percentages, and by thirds.
    const mean = 68.62499999999999;
    expect([fixed(mean, 2), percent(mean / 100), fixed(68.625, 2), decimals(mean)]).toEqual(
      new Array(4).fill('68.63'),
    );
    expect([fixed(-0.004, 2), decimals(-0.004), signed(0.0049999, 2)]).toEqual([
      ...['0.00', '0.00', '0.00'],
    ]);
  });

  test('escape what TeX takes as its own, and lose no character', () => {
    expect(texText('50 % of a_b & #1 {x} $5 \\cmd ~ ^')).toBe(
      '50 \\% of a\\_b \\& \\#1 \\{x\\} \\$5 \\textbackslash{}cmd \\textasciitilde{} \\textasciicircum{}',
    );
    expect(texText('−0.2 ± 1 – σ √2 “a” ü 3 × 4')).toBe(
      "$-$0.2 $\\pm$ 1 -- $\\sigma$ $\\surd$2 ``a'' ü 3 $\\times$ 4",
    );
    // After the end of a row TeX would take these as arguments.
    expect(texText('[2ex] *')).toBe('{[}2ex{]} {*}');
    expect(texText('a\nb\u202f✓ Ελ 😀')).toBe(
      'a b {[}U+2713{]} {[}U+0395{]}{[}U+03BB{]} {[}U+1F600{]}',
    );
  });

  test('cannot leave their folder', () => {
    const set = fileSet();
    for (const name of ['../x', '/x', 'a/../b', 'a\\b', '.x', 'a//b', 'C:x', 'x.', '']) {
      expect(() => set.encode({ [name]: '' })).toThrow(RangeError);
      expect(() => set.decode(new TextEncoder().encode(JSON.stringify({ [name]: '' })))).toThrow();
    }
    expect(() => set.encode({ 'a.txt': '', 'A.txt': '' })).toThrow('two files');
    expect(set.decode(set.encode({ 'b/c.md': 'x', a: 'y' }))).toEqual({ a: 'y', 'b/c.md': 'x' });
  });
});

describe('two reports', () => {
  const CAUSES: ComparisonCauses = {
    ...{
      params: [{ path: 'seeds', before: '3', after: '2' }],
      code: ['rigl'],
      inputs: [],
      tools: [],
    },
    sources: [{ file: 'src/a.ts', change: 'changed' }],
    tasks: { both: 40, changed: 12, onlyBefore: 3, onlyAfter: 0, forgotten: 0 },
  };
  const compared = (
    before: Readonly<Record<string, string>>,
    after: Readonly<Record<string, string>>,
  ): string =>
    withoutScript(
      renderComparison({ name: 'r1', files: before }, { name: 'r2', files: after }, CAUSES),
    );

  test('say first what changed and why, then changed rows, and nothing in them runs', async () => {
    const other = await renderReport(wholeStudy({ seeds: 2, title: '<b>Another' }));
    const hostile = { ...other.files, 'figures/accuracy-x.svg': '<svg onload="x"><script/></svg>' };
    const page = compared(report.files, hostile);
    expect(page).not.toMatch(/<script|<b>Another|<svg onload/);
    expect(page).toContain('Before: run r1. After: run r2.');
    expect(page).toMatch(
      /<p class="finding">\d+ of 5 verdicts and \d+ of \d+ mean accuracies changed/,
    );
    expect(page).toContain('What differs between the runs: seeds (3 → 2) and 1 source file.');
    expect(page).toContain('<code>seeds</code>: 3 → 2');
    expect(page).toContain('Of 40 tasks in both runs 12 have other outputs; 3 tasks only before.');
    expect(page.indexOf('id="causes"')).toBeLessThan(page.indexOf('id="claims"'));
    expect(all(page, /<th scope="row">C\d [^<]/g)).toHaveLength(5);
    expect(all(page, /<img class="drawing"/g).length).toBeGreaterThan(20);
    const ids = all(page, /\sid="([^"]+)"/g);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('paint profiles as the report does, and have one axis for each data set', () => {
    const rows = JSON.parse(report.files['metrics.json']!);
    const [first] = rows.tables.accuracy.filter(
      (row: { method: string }) => row.method === 'static',
    );
    const moved = { ...rows, tables: { ...rows.tables } };
    moved.tables.accuracy = rows.tables.accuracy.map((row: object) =>
      row === first ? { ...row, mean: first.mean - 20, ci_low: null, ci_high: null } : row,
    );
    const page = compared(report.files, { 'metrics.json': JSON.stringify(moved) });
    const [accuracy = ''] = page
      .split('id="effects"')
      .slice(0, 1)
      .map((part) => part.split('id="accuracy"')[1] ?? '');
    expect(accuracy).toContain('−20.00');
    expect(accuracy).toContain('mean accuracies did not change');
    const palette = paletteOf([...new Set(whole.runs.map((run) => run.coordinates.profile))]);
    const hue = paintOf(palette, first.profile).color;
    expect(accuracy).toContain(
      `<circle cx="5.5" cy="5.5" r="4.5" fill="${hue}"/></svg> static ${first.profile}`,
    );
    expect(all(accuracy, /<svg xmlns/g)).toHaveLength(1);
  });

  test('that are the same are said to be', () => {
    const page = compared(report.files, report.files);
    expect(page).toMatch(/0 of 5 verdicts and 0 of \d+ mean accuracies changed/);
    expect(page).toContain('Every figure is the same in both reports.');
    expect(page).toBe(compared(report.files, report.files));
  });
});

describe('bad input', () => {
  const hostile = `<script>alert('x')</script>" onload="y & {1} \\input | * _ ✓ Ελ`;
  const long = `lognormal-${'very-'.repeat(60)}long`;

  test('has hostile and long names in no tag, table, formula or path', async () => {
    const { html, files } = await renderReport(
      wholeStudy({ seeds: 2, profiles: ['uniform', hostile, long], title: '</title><b>' }),
    );
    expect(withoutScript(html)).not.toMatch(/<script|<b>onload|<\/title><b>/);
    expect(all(html, /<[^>]*\sonload="/g)).toEqual([]);
    for (const name of Object.keys(files)) expect(name).toMatch(/^[\w./-]{1,200}$/);
    for (const [name, text] of Object.entries(files)) {
      if (name.endsWith('.html')) expect(withoutScript(text)).not.toMatch(/<script|\sonload="/);
      if (name.endsWith('.svg')) expect(text).not.toMatch(/<script|\sonload="/);
    }
    expect(files['tables/accuracy.tex']).not.toMatch(/\\input/);
    expect(files['report.md']).not.toContain('<script');
  });

  test('of a single seed has no SD, no interval and no test, and says so', async () => {
    const { html, files } = await renderReport(wholeStudy({ seeds: 1 }));
    expect(html).toContain('A single seed has no SD, so its contrast has no test and no interval.');
    expect(html).toContain('<td title="one seed has no SD">–</td>');
    for (const text of [html, ...Object.values(files)].map(withoutScript)) {
      expect(text).not.toMatch(/NaN|undefined|Infinity/);
    }
    const { tables } = JSON.parse(files['metrics.json']!);
    for (const row of tables.accuracy.filter((one: { n: number }) => one.n === 1)) {
      expect([row.sd, row.ci_low, row.ci_high]).toEqual([null, null, null]);
    }
  });

  test('of arms that do not vary gives charts and no number that is none', async () => {
    const study = wholeStudy({ seeds: 2 });
    const same = (runs: Study['runs']): Study['runs'] =>
      runs.map((run) => ({
        ...run,
        metrics: { ...run.metrics, value: { ...run.metrics.value, accuracy: 0.9 } },
      }));
    const flat = { ...study, runs: same(study.runs), sweep: same(study.sweep), claims: null };
    const { html, files } = await renderReport(flat);
    for (const text of [html, ...Object.values(files)].map(withoutScript)) {
      expect(text).not.toMatch(/NaN|undefined|Infinity/);
    }
    expect(html).toContain('id="figure-accuracy"');
  });

  test('of 200 profiles makes a page that says what it leaves to the tables', async () => {
    const profiles = Array.from({ length: 200 }, (_, i) => `profile-${i}`);
    const study = wholeStudy({ seeds: 1, profiles });
    const { html, files } = await renderReport({ ...study, claims: null, gradients: [] });
    expect(html).toMatch(/The\s+first\s+60\s+of\s+200\s+profiles/);
    expect(html).toMatch(/and \d+ more/);
    expect(html).toContain('<th scope="row"><span class="name">profile-199</span></th>');
    expect(JSON.parse(files['metrics.json']!).tables.accuracy.length).toBeGreaterThan(400);
  });

  test('without figures of some kind is named', async () => {
    const study = wholeStudy({ seeds: 1 });
    const { html } = await renderReport({ ...study, gradients: [], portraits: [], claims: null });
    expect(html).toMatch(
      /Not drawn, since this study holds no data for it: gradient concentration and masks\./,
    );
  });
});

describe('colours', () => {
  const luminance = (color: string): number => {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(color.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const contrast = (a: string, b: string): number => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high! + 0.05) / (low! + 0.05);
  };
  const lights = ['light', 'dark'] as const;

  test('of words stand out from paper by 4.5 to 1, in both lights', () => {
    for (const light of lights) {
      for (const hue of [INK, SOFT] satisfies Hue[]) {
        expect(contrast(hue[light], PAPER[light])).toBeGreaterThan(4.5);
      }
    }
    const [light, dark] = [
      STYLE.slice(0, STYLE.indexOf('@media')),
      /color-scheme: dark\) \{[\s\S]*?\}/.exec(STYLE)?.[0],
    ];
    for (const [sheet, paper] of [
      [light, PAPER.light],
      [dark ?? '', PAPER.dark],
    ]) {
      for (const name of ['soft', 'link', 'good', 'near', 'bad']) {
        const color = new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(sheet!)?.[1] ?? '';
        expect([name, color, contrast(color, paper!) > 4.5]).toEqual([name, color, true]);
      }
    }
  });

  test('of profiles stand out from paper by 3 to 1, in both lights', () => {
    for (const light of lights) {
      for (const hue of PROFILE_HUES) {
        expect([hue[light], contrast(hue[light], PAPER[light]) > 3]).toEqual([hue[light], true]);
      }
    }
  });
});
