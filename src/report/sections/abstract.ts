// abstract.ts — what was found, in a paragraph: every clause follows from the numbers, none from an opinion

import { VERDICTS } from '../../claims/result.ts';
import {
  type Arm,
  advantage,
  allArms,
  type DatasetResults,
  findArm,
  layerChanges,
} from '../data/arms.ts';
import {
  count,
  counted,
  fixed,
  listed,
  percent,
  percentage,
  placeName,
  points,
} from '../markup/format.ts';
import { type Html, html } from '../markup/html.ts';
import { datasetAt, type Study } from '../data/study.ts';
import { settingName, sourced } from './tables.ts';

/** With fewer seeds in an arm, differences are shown and not counted as evidence (our choice). */
export const SEEDS_FOR_EVIDENCE = 10;

/** A difference between two arms that ran. */
interface Difference {
  readonly arm: Arm;
  readonly value: number;
}

/** The finding in one sentence: how many claims came to which verdict; null where none is declared. */
export function finding({ claims, datasets, runs }: Study): string | null {
  const all = claims?.claims ?? [];
  if (all.length === 0) return null;
  const assessed = all.filter(({ verdict }) => ASSESSED.has(verdict));
  if (assessed.length === 0) {
    const synthetic = datasets.length > 0 && datasets.every((dataset) => dataset.synthetic);
    const seeds = new Set(runs.map(({ coordinates }) => coordinates.seed)).size;
    const why = [...(synthetic ? ['synthetic data'] : []), counted(seeds, 'seed')].join(', ');
    return `${DEMONSTRATION}: ${why}; no claim is assessed.`;
  }
  const parts = VERDICTS.flatMap((verdict) => {
    const { length } = all.filter((claim) => claim.verdict === verdict);
    return length === 0 ? [] : [{ n: length, verdict }];
  });
  const told = parts.map(({ n, verdict }, i) =>
    i === 0 ? `${n} of ${counted(all.length, 'claim')} ${verdict}` : `${n} ${verdict}`,
  );
  return `${told.join(', ')}.`;
}

const DEMONSTRATION = 'Demonstration';
const ASSESSED: ReadonlySet<string> = new Set(['reproduced', 'refuted', 'inconclusive']);

/** The study in a few sentences, finding first: each can be found and read alone. */
export function abstract(study: Study, results: readonly DatasetResults[]): Html {
  // Results of further networks stand in the tables.
  const primary = results.filter(({ dataset }) => datasetAt(dataset) === dataset);
  const sentences = [
    verdictSentence(study),
    methodSentence(results),
    profileSentence(results),
    ...(primary.length > 0 ? primary : results).map(denseSentence),
    fanInSentence(results),
    finding(study)?.startsWith(DEMONSTRATION) ? null : caveat(study, results),
    missingSentence(study),
  ].filter((sentence) => sentence !== null);
  return html`<ul class="abstract">${sentences.map(
    (sentence) => html`<li>${sentence}</li>
`,
  )}</ul>`;
}

/** How many claims came to which verdict. */
function verdictSentence({ claims }: Study): Html | null {
  if (claims === null || claims.claims.length === 0) return null;
  const all = claims.claims;
  // The finding has said so.
  if (!all.some(({ verdict }) => ASSESSED.has(verdict))) return null;
  const parts = VERDICTS.flatMap((verdict) => {
    const those = all.filter((claim) => claim.verdict === verdict);
    const ids = those.map(({ id, qualifiers }) => [id, ...qualifiers].join(', '));
    return ids.length === 0 ? [] : [{ n: ids.length, words: `${verdict} (${ids.join('; ')})` }];
  });
  // The verb stands once: 2 are reproduced (C1, C3), 1 refuted (C2) and 4 not assessed (...).
  const told = parts.map(({ n, words }, i) =>
    i === 0 ? `${n} ${n === 1 ? 'is' : 'are'} ${words}` : `${n} ${words}`,
  );
  return html`Of ${counted(all.length, 'claim')} of the paper, <a href="#claims">${listed(told)}</a>.`;
}

function methodSentence(results: readonly DatasetResults[]): Html | null {
  const differences = results.flatMap(({ settings }) =>
    settings.flatMap((setting) =>
      setting.profiles.flatMap((profile) => {
        const arm = findArm(setting, profile, 'rigl');
        return differenceOf(arm, findArm(setting, profile, 'static'));
      }),
    ),
  );
  if (differences.length === 0) return null;
  const above = differences.filter(({ value }) => value > 0).length;
  const all = differences.length;
  const share = above === all && all > 1 ? 'all' : `${count(above)} of`;
  return html`RigL is more accurate than a fixed mask in ${share} ${counted(all, 'comparison')} with the same data set,
sparsity, layer rule and profile: the difference is ${spanOf(differences, 'RigL minus static')} points.`;
}

/** How far apart static profiles end within one setting, where they are farthest apart. */
function profileSentence(results: readonly DatasetResults[]): Html | null {
  const spreads = results.flatMap(({ settings }) =>
    settings.flatMap((setting) => {
      const arms = setting.arms.filter(({ method }) => method === 'static');
      if (arms.length < 2) return [];
      const [low, high] = ends(arms, ({ accuracy }) => accuracy.mean);
      return [{ setting, low, high, spread: high.accuracy.mean - low.accuracy.mean }];
    }),
  );
  if (spreads.length === 0) return null;
  const [, { setting, low, high, spread }] = ends(spreads, (entry) => entry.spread);
  const title = `${high.profile} ${percent(high.accuracy.mean)}, ${low.profile} ${percent(low.accuracy.mean)}`;
  const size = sourced(high.anchor, percent(spread), title);
  return html`Fixed masks with different profiles differ by at most ${size} points
(${placeName(setting.dataset)}, ${settingName(setting)}).`;
}

function denseSentence({ dataset, dense, settings }: DatasetResults): Html | null {
  if (!dense) return null;
  const { mean, n } = dense.accuracy;
  const level = sourced(dense.anchor, percentage(mean), `mean of ${counted(n, 'dense run')}`);
  const clauses = (['static', 'rigl'] as const).flatMap((method) => {
    const arms = settings.flatMap((setting) => setting.arms).filter((arm) => arm.method === method);
    const differences = arms.flatMap((arm) => differenceOf(arm, dense));
    if (differences.length === 0) return [];
    const who = method === 'static' ? 'fixed masks differ from it by' : 'RigL by';
    return [html`${who} ${spanOf(differences, 'minus dense')} points`];
  });
  return html`On ${dataset} the dense network reaches ${level} (<i>n</i> = ${n})${
    clauses.length > 0 ? html`; ${joined(clauses)}` : null
  }.`;
}

/** CV of fan-in over all starts, in the first hidden layer, before and after RigL. */
function fanInSentence(results: readonly DatasetResults[]): Html | null {
  const changes = allArms(results).flatMap((arm) =>
    layerChanges(arm)
      .slice(0, 1)
      .map((change) => ({ arm, before: change.cvBefore.mean, after: change.cvAfter.mean })),
  );
  if (changes.length < 2) return null;
  const span = (of: (change: (typeof changes)[number]) => number) => {
    const [low, high] = ends(changes, of).map((change) =>
      sourced(change.arm.anchor, fixed(of(change), 2), `${change.arm.profile}, mean over seeds`),
    );
    return html`${low!} to ${high!}`;
  };
  return html`In the first hidden layer, the CV of fan-in is ${span(({ before }) => before)} at the start and
${span(({ after }) => after)} after RigL.`;
}

function caveat(study: Study, results: readonly DatasetResults[]): Html | null {
  const arms = allArms(results);
  const seeds = arms.map((arm) => arm.runs.length);
  if (seeds.length === 0) return html`No run has results yet.`;
  const fewest = seeds.reduce((low, n) => Math.min(low!, n), seeds[0]);
  const synthetic = study.datasets.filter((dataset) => dataset.synthetic).map(({ name }) => name);
  const reasons = [
    ...(synthetic.length > 0
      ? [`${listed(synthetic)} ${synthetic.length === 1 ? 'is' : 'are'} synthetic`]
      : []),
    ...(fewest! < SEEDS_FOR_EVIDENCE
      ? [`profiles have as few as ${counted(fewest!, 'seed')}`]
      : []),
  ];
  if (reasons.length === 0) return null;
  const solid = arms.some(
    (arm) => !synthetic.includes(datasetAt(arm.dataset)) && arm.runs.length >= SEEDS_FOR_EVIDENCE,
  );
  const scope = solid ? 'In part this' : 'This';
  return html`<strong>${scope} is an illustration and not evidence:</strong> ${listed(reasons)}.`;
}

function missingSentence({ missing }: Study): Html | null {
  if (missing.length === 0) return null;
  const lost = missing.filter(({ kind }) => kind !== 'infeasible').length;
  const impossible = missing.length - lost;
  const parts = [
    ...(lost > 0 ? [`${counted(lost, 'result')} ${lost === 1 ? 'is' : 'are'} missing`] : []),
    ...(impossible > 0
      ? [
          `${counted(impossible, 'task')} of the design ${impossible === 1 ? 'is' : 'are'} infeasible`,
        ]
      : []),
  ];
  return html`<a href="#missing">${listed(parts)}</a>.`;
}

function differenceOf(arm: Arm | null, over: Arm | null): readonly Difference[] {
  const value = advantage(arm, over);
  return arm && value !== null ? [{ arm, value }] : [];
}

/** The least and the greatest of some differences, as linked numbers. */
function spanOf(differences: readonly Difference[], what: string): Html {
  const [low, high] = ends(differences, ({ value }) => value).map(({ arm, value }) => {
    const title = `${what}: ${arm.profile}, ${arm.dataset}, ${settingName(arm)}`;
    return sourced(arm.anchor, points(value), title);
  });
  return low!.markup === high!.markup ? low! : html`${low!} to ${high!}`;
}

/** The items of least and greatest size; the first of equals. */
function ends<T>(items: readonly T[], size: (item: T) => number): readonly [T, T] {
  const less = (a: T, b: T) => (size(b) < size(a) ? b : a);
  const more = (a: T, b: T) => (size(b) > size(a) ? b : a);
  return [items.reduce(less), items.reduce(more)];
}

function joined(clauses: readonly Html[]): Html {
  return html`${clauses.map((clause, i) => (i === 0 ? clause : html`, ${clause}`))}`;
}
