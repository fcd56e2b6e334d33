// accuracy-figure.ts — every seed as a dot: static above RigL, profile by profile, beside the dense network
import {
  type Arm,
  advantage,
  allArms,
  type DatasetResults,
  finalWords,
  findArm,
  group,
  ran,
  rangeOf,
  type Setting,
} from '../data/arms.ts';
import type { FigureDraft, Panel } from '../charts/figure.ts';
import {
  counted,
  fixed,
  listed,
  placeName,
  ruleName,
  sentence,
  sparsityName,
} from '../markup/format.ts';
import { mean } from '../../stats/summary.ts';
import { html } from '../markup/html.ts';
import { INK, type Palette, paintOf } from '../markup/palette.ts';
import { type ChartRow, type Lane, rowsChart, rowsDomain } from '../charts/rows-chart.ts';
import type { Interval } from '../charts/scale.ts';
import { datasetAt, type PlacedRun } from '../data/study.ts';

/** More rows than these are left to the table. */
const ROWS = 60;

/** Accuracy by profile, a panel for each setting; null where only dense networks ran. */
export function accuracyDraft(
  results: readonly DatasetResults[],
  palette: Palette,
): FigureDraft | null {
  // Networks of one data set share an axis, too.
  const panels = group(results, ({ dataset }) => datasetAt(dataset)).flatMap((all) =>
    panelsOf(all, palette),
  );
  if (panels.length === 0) return null;
  const rigl = results.some((result) => ran(result, 'rigl'));
  const most = results
    .flatMap(({ settings }) => settings.map(({ profiles }) => profiles.length))
    .reduce((a, b) => Math.max(a, b), 0);
  const rest =
    most > ROWS ? html` The first ${ROWS} of ${most} profiles; the table has all.` : null;
  const final = finalWords(allArms(results).flatMap(({ runs }) => runs));
  return {
    id: 'accuracy',
    data: 'accuracy',
    title: 'accuracy by profile',
    size: 'large',
    legend: null,
    rows: [{ title: null, panels }],
    result: accuracyResult(results),
    caption: html`Test accuracy ${final}, by profile. A dot is one seed${rigl ? ' (hollow: fixed mask, solid: RigL)' : null}, the
vertical stroke the mean over seeds, the bar its 95 % confidence interval (t; none for one seed). Panels of a data set share
their axis.${rest}`,
  };
}

/** How RigL compares with fixed masks of equal setting and profile; where not both ran, the range of means. */
function accuracyResult(results: readonly DatasetResults[]): string {
  const pairs = results.flatMap(({ settings }) =>
    settings.flatMap((setting) =>
      setting.profiles.flatMap((profile) => {
        const more = advantage(
          findArm(setting, profile, 'rigl'),
          findArm(setting, profile, 'static'),
        );
        return more === null ? [] : [{ dataset: setting.dataset, more }];
      }),
    ),
  );
  if (pairs.length === 0) {
    const means = allArms(results).map(({ accuracy }) => accuracy.mean * 100);
    const [low, high] = [Math.min(...means), Math.max(...means)].map((one) => fixed(one, 2));
    return `Means range from ${low} to ${high} %.`;
  }
  const above = pairs.filter(({ more }) => more > 0);
  const sets = new Set(pairs.map(({ dataset }) => dataset)).size;
  if (above.length === pairs.length) {
    return `RigL outperforms static masks of the same profile on ${sets === 1 ? 'the data set' : `all ${sets} data sets and networks`}.`;
  }
  return `RigL outperforms static masks of the same profile in ${above.length} of ${counted(pairs.length, 'comparison')}.`;
}

function panelsOf(results: readonly DatasetResults[], palette: Palette): readonly Panel[] {
  const charts = results.flatMap(({ settings, dense }) =>
    settings.map((setting) => ({ setting, dense, rows: rowsOf(setting, palette).slice(0, ROWS) })),
  );
  const more = charts.flatMap(({ dense }) => (dense ? [dense.accuracy.mean * 100] : []));
  const domain: Interval = rowsDomain(
    charts.flatMap(({ rows }) => rows),
    more,
  );
  return charts.map(({ setting, dense, rows }) => {
    const place = `${placeName(setting.dataset)}, ${sparsityName(setting.sparsity)}, ${ruleName(setting.rule)}`;
    const seeds = rangeOf(setting.arms);
    return {
      name: `${setting.dataset} ${setting.sparsity} ${setting.rule}`,
      title: placeName(setting.dataset),
      detail: html`${sparsityName(setting.sparsity)}, ${ruleName(setting.rule)}; <i>n</i> = ${seeds} seeds`,
      chart: rowsChart({
        label: `Test accuracy by profile and method: ${place}`,
        title: 'test accuracy (%)',
        rows,
        reference: dense && { name: 'dense', value: dense.accuracy.mean * 100 },
        domain,
      }),
    };
  });
}

function rowsOf(setting: Setting, palette: Palette): readonly ChartRow[] {
  const methods = (['static', 'rigl'] as const).filter((method) =>
    setting.arms.some((arm) => arm.method === method),
  );
  return setting.profiles.map((profile) => ({
    name: profile,
    lanes: methods.map((method): Lane => {
      const arm = findArm(setting, profile, method);
      const color = paintOf(palette, profile).color;
      return {
        name: LANES[method],
        color,
        hollow: method === 'static',
        values: arm ? valuesOf(arm) : [],
      };
    }),
  }));
}

const LANES = { static: 'static', rigl: 'RigL' } as const;

const valuesOf = ({ runs }: Arm): Lane['values'] =>
  runs.map(({ coordinates, metrics }) => ({
    name: `seed ${coordinates.seed}`,
    value: metrics.value.accuracy * 100,
  }));

/** What static networks reach that keep something of a finished RigL run; null without any. */
export function placedDraft(placed: readonly PlacedRun[]): FigureDraft | null {
  if (placed.length === 0) return null;
  const settings = group(placed, ({ dataset, sparsity, rule }) =>
    JSON.stringify([dataset, sparsity, rule]),
  );
  const charts = settings.map((runs) => {
    const arms = group(runs, ({ arm }) => arm);
    const rows = arms.map((ofArm): ChartRow => {
      const values = ofArm.map(({ pilot, metrics }) => ({
        name: `pilot ${pilot}`,
        value: metrics.value.accuracy * 100,
      }));
      return {
        name: ofArm[0]!.arm,
        lanes: [{ name: 'static', color: INK.light, hollow: false, values }],
      };
    });
    return { at: runs[0]!, arms, rows };
  });
  const domainOf = (place: string): Interval =>
    rowsDomain(
      charts
        .filter(({ at }) => datasetAt(at.dataset) === datasetAt(place))
        .flatMap(({ rows }) => rows),
    );
  const panels = charts.map(({ at: { dataset, sparsity, rule }, arms, rows }): Panel => {
    const seeds = rangeOf(arms.map((ofArm) => ({ runs: ofArm })));
    return {
      name: `${dataset} ${sparsity} ${rule}`,
      title: placeName(dataset),
      detail: html`${sparsityName(sparsity)}, ${ruleName(rule)}; <i>n</i> = ${seeds} pilots`,
      chart: rowsChart({
        label: `Test accuracy by what is kept of a RigL run: ${dataset}, ${sparsityName(sparsity)}`,
        title: 'test accuracy (%)',
        rows,
        reference: null,
        domain: domainOf(dataset),
      }),
    };
  });
  return {
    id: 'placement',
    data: 'runs',
    title: 'what placement is worth',
    size: 'large',
    legend: null,
    rows: [{ title: null, panels }],
    result: placedResult(placed),
    caption: html`Static networks that keep part of a finished RigL run, all with its number of connections per layer. A dot
is one pilot (${counted(new Set(placed.map(({ pilot }) => pilot)).size, 'pilot')}), the stroke the mean, the bar its
95 % confidence interval.`,
  };
}

/** What ends highest and lowest: once for all settings of which it is the same. */
function placedResult(placed: readonly PlacedRun[]): string {
  const settings = group(placed, ({ dataset, sparsity, rule }) =>
    JSON.stringify([dataset, sparsity, rule]),
  );
  const told = settings.flatMap((runs) => {
    const arms = group(runs, ({ arm }) => arm).map((all) => ({
      arm: all[0]!.arm,
      mean: mean(all.map(({ metrics }) => metrics.value.accuracy * 100)),
    }));
    if (arms.length < 2) return [];
    const high = arms.reduce((most, one) => (one.mean > most.mean ? one : most));
    const low = arms.reduce((least, one) => (one.mean < least.mean ? one : least));
    const more = high.mean - low.mean;
    return [{ high: high.arm, low: low.arm, more, place: placeName(runs[0]!.dataset) }];
  });
  if (told.length === 0) return `Only ${listed([...new Set(placed.map(({ arm }) => arm))])} ran.`;
  const clauses = group(told, ({ high, low }) => JSON.stringify([high, low])).map((all) => {
    const sizes = all.map(({ more }) => more);
    const ends = [Math.min(...sizes), Math.max(...sizes)].map((one) => fixed(one, 2));
    const places = [...new Set(all.map(({ place }) => place))];
    return `${all[0]!.high} ends ${[...new Set(ends)].join(' to ')} points above ${all[0]!.low} on ${listed(places)}`;
  });
  return `${sentence(clauses.join('; '))}.`;
}
