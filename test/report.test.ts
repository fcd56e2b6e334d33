import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countBins, extent, logTicks, shares, ticks } from '../src/report/charts/scale.ts';
import { gather, profilesOf } from '../src/report/data/arms.ts';
import type { Study } from '../src/report/data/study.ts';
import {
  count,
  duration,
  fixed,
  listed,
  points,
  sparsityName,
} from '../src/report/markup/format.ts';
import { escapeHtml, html } from '../src/report/markup/html.ts';
import { paletteOf } from '../src/report/markup/palette.ts';
import { SCRIPT, SCRIPT_SHA256 } from '../src/report/markup/script.ts';
import { renderReport as render } from '../src/report/page.ts';
import { renderProvenance } from '../src/report/provenance.ts';
import { mean, quantile, sampleSd, summarise } from '../src/stats/summary.ts';
import { fixtureStudy, withoutScript } from './report-fixture.ts';

/** The page alone. */
const renderReport = async (study: Study): Promise<string> =>
  withoutScript((await render(study)).html);

let drawn: Promise<string> | undefined;

/** The report of the whole fixture, drawn once for all tests. */
function wholePage(): Promise<string> {
  drawn ??= renderReport(fixtureStudy());
  return drawn;
}

const all = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([whole, group]) => group ?? whole);

/** The study without the runs of these tasks, which are said to be missing. */
function without(study: Study, tasks: readonly string[], reason: string): Study {
  return {
    ...study,
    runs: study.runs.filter(({ metrics }) => !tasks.includes(metrics.from.task)),
    missing: tasks.map((task) => ({ task, kind: 'failed', reason })),
  };
}

/** The study without all arms but these. */
function only(study: Study, ...methods: readonly string[]): Study {
  return { ...study, runs: study.runs.filter(({ method }) => methods.includes(method)) };
}

describe('the report', () => {
  test('is the same bytes when drawn twice in one process', async () => {
    const study = fixtureStudy({ seeds: 1, rules: ['erk'] });
    expect(await renderReport(study)).toBe(await renderReport(study));
  });

  test('stays under 3 MB for sixty runs', async () => {
    expect(fixtureStudy().runs.length).toBeGreaterThan(60);
    expect((await wholePage()).length).toBeLessThan(3_000_000);
  });

  test('loads nothing, and runs nothing but its own script, by its digest', async () => {
    const whole = (await render(fixtureStudy({ seeds: 1, rules: ['erk'] }))).html;
    expect(all(whole, /<script>/g)).toHaveLength(1);
    expect(whole).toContain(`script-src &#39;sha256-${SCRIPT_SHA256}&#39;`);
    expect(createHash('sha256').update(SCRIPT).digest('base64')).toBe(SCRIPT_SHA256);
    const page = await wholePage();
    expect(page).not.toMatch(/<script|<link|<img|<iframe|<object|@import|url\(|javascript:/i);
    expect(page).not.toMatch(/\s(?:src|srcset|on[a-z]+)=/i);
    // A reader may follow a link to a paper; nothing else names a host.
    const resources = page
      .replaceAll('xmlns="http://www.w3.org/2000/svg"', '')
      .replaceAll(/<a href="https:\/\/(?:arxiv|doi)\.org\/[^"]+"/g, '');
    expect(resources).not.toMatch(/https?:\/\//);
  });

  test('escapes names, however hostile, in tables, charts and tooltips', async () => {
    const name = `<script>alert('x')</script>" onload="y`;
    const page = await renderReport(
      fixtureStudy({ seeds: 2, rules: ['erk'], profiles: [name, 'uniform'], title: '</title><b>' }),
    );
    expect(page).not.toMatch(/<script|<b>onload|<\/title><b>/);
    expect(all(page, /<[^>]*\sonload="/g)).toEqual([]);
    expect(page).toContain(escapeHtml(name));
  });

  test('says where every mean comes from', async () => {
    const { html, files } = await render(fixtureStudy());
    const means = all(html, /<td class="first mean">.*?<\/td>/g);
    const anchors = means.map((cell) => /href="sources\.html#(arm-\d+)"/.exec(cell)?.[1]);
    expect(means).toHaveLength(1 + 2 * 5 * 2);
    for (const anchor of anchors) expect(files['sources.html']).toContain(`<tr id="${anchor}">`);
  });

  test('links to no anchor that is not there', async () => {
    const page = await wholePage();
    const ids = all(page, /\sid="([^"]+)"/g);
    expect(new Set(ids).size).toBe(ids.length);
    for (const target of all(page, /href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  test('names each task and the whole digest of each blob that it read', async () => {
    const study = fixtureStudy({ seeds: 2, rules: ['erk'] });
    const page = (await render(study)).files['sources.html'];
    const blobs = study.runs.flatMap(({ metrics, fanInBefore, fanInAfter }) =>
      [metrics, fanInBefore, fanInAfter].flatMap((value) => (value ? [value.from] : [])),
    );
    for (const { task, digest } of [...blobs, ...study.equilibria.map(({ fit }) => fit.from)]) {
      expect(page).toContain(`<code>${task}</code>`);
      expect(page).toContain(`title="${digest}"`);
    }
  });

  test('prints no SD for a single seed, and says that n is 1', async () => {
    const page = await renderReport(fixtureStudy({ seeds: 1, rules: ['erk'] }));
    expect(page).toContain('<td title="n = 1: one seed has no SD">–</td><td>1</td>');
    expect(page).not.toContain('sample SD (n − 1) of');
    expect(page).not.toMatch(/NaN|undefined|>null<|Infinity/);
  });

  test('says what is missing, and averages what is there', async () => {
    const task = 'static[synth-digits,0.9,erk,lognormal-cv1,1]';
    const page = await renderReport(without(fixtureStudy(), [task], 'failed'));
    expect(page).toContain(`<code>${task}</code>`);
    expect(page).toContain('<strong>failed:</strong> failed');
    expect(page).toContain('<a href="#missing">1 result is missing</a>');
    expect(page).toContain('<td>2 of 3</td>');
    expect(page).toMatch(/title="mean of [\d.]+, [\d.]+ \(seeds 0 and 2\)"/);
  });

  test('keeps order and colours of profiles when one setting lacks some', () => {
    const study = fixtureStudy({ seeds: 1 });
    const lacking = without(study, ['static[synth-digits,0.9,uniform,lognormal-cv1,0]'], 'failed');
    expect(profilesOf(lacking)).toEqual(profilesOf(study));
    expect(gather(lacking)[0]!.settings[0]!.profiles).toEqual(profilesOf(study));
  });

  test('can be made of nothing, of a dense network alone, and without one', async () => {
    const study = fixtureStudy({ seeds: 1, rules: ['erk'] });
    const empty = await renderReport({ ...only(study), equilibria: [], rigl: null });
    expect(empty).toContain('No run has results yet.');
    expect(await renderReport(only(study, 'dense'))).toContain('the dense network reaches');
    const fixedMasks = await renderReport(only(study, 'static'));
    expect(fixedMasks).not.toContain('id="figure-fan-in"');
    expect(fixedMasks).not.toContain('dense network reaches');
  });

  test('calls synthetic data and few seeds an illustration', async () => {
    const study = fixtureStudy({ seeds: 1, rules: ['erk'] });
    expect(await renderReport(study)).toContain(
      'synth-digits is synthetic and profiles have as few as 1 seed',
    );
    const real = study.datasets.map((dataset) => ({ ...dataset, synthetic: false }));
    expect(await renderReport({ ...study, datasets: real })).toContain(
      '</strong> profiles have as few as 1 seed.',
    );
    const many = { ...fixtureStudy({ seeds: 10, rules: ['erk'] }), datasets: real };
    expect(await renderReport(many)).not.toContain('illustration and not evidence');
    const mixed = { ...many, runs: many.runs.slice(1) };
    expect(await renderReport(mixed)).toContain('In part this is an illustration');
  });

  test('labels what is monitored, and gives each chart a name', async () => {
    const page = await renderReport(fixtureStudy({ seeds: 1, rules: ['erk'] }));
    expect(page).toMatch(
      /Test\s+accuracy\s+is\s+monitored during training; the dot is\s+the reported accuracy after the last epoch,/,
    );
    const charts = all(page, /<svg xmlns[^>]*>/g);
    expect(charts.length).toBeGreaterThanOrEqual(10);
    for (const chart of charts) expect(chart).toMatch(/role="img" aria-label="[^"]+"/);
    expect(page).toContain('<html lang="en">');
  });

  test('draws runs of one epoch and a loss of 0', async () => {
    const study = fixtureStudy({ seeds: 1, rules: ['erk'], profiles: ['uniform'] });
    const short = study.runs.map((run) => {
      const epochs = run.metrics.value.epochs.slice(0, 1).map((epoch) => ({ ...epoch, loss: 0 }));
      return { ...run, metrics: { ...run.metrics, value: { ...run.metrics.value, epochs } } };
    });
    expect(await renderReport({ ...study, runs: short })).toContain('training loss (nats)');
  });
});

describe('the provenance page', () => {
  test('adds up what was built and what was saved, and escapes what it is told', () => {
    const task = {
      ...{ key: 'ab'.repeat(32), madeAt: 'today', host: '<host>', node: 'v20.19.0' },
      ...{ run: 'r1', endedAt: 5000, params: '{"seed":0}' },
      inputs: [{ port: 'shape', from: 'dataset[x]', digest: 'cd'.repeat(32) }],
    };
    const page = renderProvenance({
      title: 'A study',
      run: { command: 'pipeline make report & more' },
      tasks: [
        { ...task, task: 'mask[0]', stage: 'mask', outcome: 'built', seconds: 1.25 },
        {
          ...task,
          key: 'ef'.repeat(32),
          task: 'rigl[0]',
          stage: 'rigl',
          outcome: 'reused',
          seconds: 3725,
        },
      ],
      edges: [['mask', 'rigl']],
      claims: [{ id: 'C1', title: 'A <claim>', tasks: 2, seconds: 3726.25, saved: 3725 }],
    });
    expect(page).toContain('2 tasks: 1 built in 1.25 s of work, 1 reused, which saved 1 h 02 min.');
    expect(page).toContain('pipeline make report &amp; more');
    expect(page).toContain('&lt;host&gt;');
    expect(page).toContain(`<code title="${task.key}">ababababab</code>`);
    expect(page).toContain('C1 A &lt;claim&gt;');
    expect(page).toContain('<code>{&quot;seed&quot;:0}</code>');
    expect(page).toContain('id="task-rigl[0]"');
    expect(page.replaceAll('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:\/\//);
  });
});

describe('markup', () => {
  test('is escaped unless it is markup', () => {
    const inner = html`<b>${'<&>'}</b>`;
    expect(html`<p title="${`"'`}">${inner}${null}${[1, 'a']}</p>`.markup).toBe(
      '<p title="&quot;&#39;"><b>&lt;&amp;&gt;</b>1a</p>',
    );
  });
});

describe('numbers in print', () => {
  test('have true minus signs, and none before a zero', () => {
    expect([fixed(-1.005, 1), fixed(-0.001, 2), points(0.0016), points(-0.004), points(0)]).toEqual(
      ['−1.0', '0.00', '+0.16', '−0.40', '0.00'],
    );
  });

  test('need no locale', () => {
    expect([count(9999), count(60000), count(1234567)]).toEqual([
      '9999',
      '60\u202f000',
      '1\u202f234\u202f567',
    ]);
    expect([duration(0.4), duration(59.6), duration(725)]).toEqual([
      '0.40 s',
      '1 min 00 s',
      '12 min 05 s',
    ]);
    expect([sparsityName('0.9'), sparsityName('0.999'), sparsityName('<b>')]).toEqual([
      '90\u202f% sparse',
      '99.9\u202f% sparse',
      '<b>',
    ]);
    expect(listed(['a', 'b', 'c'])).toBe('a, b and c');
  });
});

describe('axes', () => {
  test('have a few ticks for any values, even for ones that differ by rounding alone', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), (values) => {
        const [low, high] = extent(values, 0.05);
        const marks = ticks([low, high], 5);
        expect(low).toBeLessThan(high);
        expect(marks.length).toBeGreaterThan(1);
        expect(marks.length).toBeLessThan(12);
      }),
    );
    expect(ticks(extent([97.12, 97.12 + 1e-13]), 5).length).toBeLessThan(12);
  });

  test('have round ticks within their domain', () => {
    expect(ticks([96.71, 98.21], 5)).toEqual([96.8, 97, 97.2, 97.4, 97.6, 97.8, 98, 98.2]);
    expect(ticks([0, 470], 4)).toEqual([0, 100, 200, 300, 400]);
    expect(logTicks([0.009, 0.8])).toEqual([0.01, 0.02, 0.05, 0.1, 0.2, 0.5]);
    expect(logTicks([0.0009, 3])).toEqual([0.001, 0.01, 0.1, 1]);
  });

  test('count whole numbers in the middle of bins, and the tail in the last one', () => {
    const edges = countBins(5, 3);
    expect(edges).toEqual([-0.5, 1.5, 3.5, 5.5]);
    expect(shares([0, 1, 2, 5, 99], edges)).toEqual([0.4, 0.2, 0.4]);
  });

  test('give each profile its own paint, dashed once colours repeat', () => {
    const names = Array.from({ length: 20 }, (_, i) => `p${i}`);
    const paints = [...paletteOf(names).values()].map((paint) => JSON.stringify(paint));
    expect(new Set(paints).size).toBe(20);
  });
});

describe('summary statistics', () => {
  test('agree with worked examples', () => {
    const sample = [89.31, 89.02, 89.44, 89.27, 89.18, 89.36, 89.22, 89.4, 89.1, 89.29];
    expect(mean(sample)).toBeCloseTo(89.259, 10);
    expect(sampleSd([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect([0, 0.25, 0.5, 0.9, 1].map((p) => quantile([4, 1, 3, 2], p))).toEqual([
      1, 1.75, 2.5, 3.7, 4,
    ]);
  });

  test('have no SD for a single value, and nothing to say of none', () => {
    expect(summarise([3])).toEqual({ n: 1, mean: 3, sd: null, min: 3, max: 3 });
    expect(() => summarise([])).toThrow(RangeError);
    expect(() => quantile([1], 1.1)).toThrow(RangeError);
  });
});
