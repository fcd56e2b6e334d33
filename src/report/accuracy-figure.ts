// accuracy-figure.ts — every seed as a dot: static above RigL, profile by profile, beside the dense network
import type { Arm, DatasetResults, Setting } from './arms.ts';
import type { Chart, Layer, Mark } from './chart.ts';
import { cut, fixed, percent, percentage, ruleName, sparsityName } from './format.ts';
import { GRID, INK, PAPER, type Palette, paintOf } from './palette.ts';
import { extent, type Interval, tickDigits, ticks } from './scale.ts';

/** Height of one profile's row, with a lane for each method. */
const ROW = 44;
const LANES = { static: 0.29, rigl: 0.71 } as const;
const LABEL_LENGTH = 22;
/** A generous width of one character at 12 px. */
const CHARACTER = 6.4;

/** One chart per setting. All settings of a data set share an axis, so that they can be compared by eye. */
export function accuracyCharts(results: DatasetResults, palette: Palette): readonly Chart[] {
  const domain = accuracyDomain(results);
  return results.settings.map((setting) => accuracyChart(setting, domain, palette));
}

function accuracyChart(setting: Setting, domain: Interval, palette: Palette): Chart {
  const marks = ticks(domain, 5);
  const labels = setting.profiles.map((profile) => cut(profile, LABEL_LENGTH));
  const longest = labels.reduce((length, label) => Math.max(length, [...label].length), 0);
  const place = `${setting.dataset}, ${sparsityName(setting.sparsity)}, ${ruleName(setting.rule)}`;
  return {
    label: `Test accuracy by profile and method: ${place}`,
    width: 340,
    height: ROW * setting.profiles.length,
    margin: { top: 22, right: 16, bottom: 40, left: Math.ceil(longest * CHARACTER) + 14 },
    x: {
      domain,
      ticks: marks,
      digits: tickDigits(marks),
      title: 'test accuracy after the last epoch (%)',
      grid: true,
    },
    y: { domain: [setting.profiles.length, 0], ticks: [], hidden: true },
    layers: [
      rowLines(setting, domain),
      ...denseLayers(setting.dense, setting.profiles.length),
      ...setting.arms.flatMap((arm) => armLayers(arm, setting, palette)),
      rowLabels(labels, domain[0]),
    ],
  };
}

/** Everything that is drawn, in percent. */
function accuracyDomain({ settings, dense }: DatasetResults): Interval {
  const arms = [...settings.flatMap((setting) => setting.arms), ...(dense ? [dense] : [])];
  const ends = arms.flatMap(({ accuracy: { mean, sd, min, max } }) => [
    min * 100,
    max * 100,
    (mean - (sd ?? 0)) * 100,
    (mean + (sd ?? 0)) * 100,
  ]);
  return extent(ends, 0.05);
}

function rowLines(setting: Setting, [low, high]: Interval): Layer {
  const rows = setting.profiles.map((_, row) => ({ x: low, x2: high, y: row }));
  const last = { x: low, x2: high, y: setting.profiles.length };
  return { kind: 'rule', marks: [...rows, last], color: GRID.light };
}

function rowLabels(labels: readonly string[], x: number): Layer {
  const marks = labels.map((text, row) => ({ x, y: row + 0.5, text }));
  return { kind: 'text', marks, color: INK.light, size: 12, align: 'right', dx: -10 };
}

function denseLayers(dense: Arm | null, rows: number): readonly Layer[] {
  if (!dense) return [];
  const x = dense.accuracy.mean * 100;
  const line = [{ x, y: 0, y2: rows }];
  const label = [{ x, y: 0, text: `dense ${fixed(x, 2)}` }];
  return [
    { kind: 'rule', marks: line, color: INK.light, dash: [4, 3] },
    { kind: 'text', marks: label, color: INK.light, size: 11, align: 'center', dy: -10 },
  ];
}

/** A bar of one SD to each side, a tick at the mean, a dot for each seed. */
function armLayers(arm: Arm, setting: Setting, palette: Palette): readonly Layer[] {
  if (arm.method === 'dense') return [];
  const { color } = paintOf(palette, arm.profile);
  const y = setting.profiles.indexOf(arm.profile) + LANES[arm.method];
  const { mean, sd } = arm.accuracy;
  const bar: Mark[] =
    sd === null ? [] : [{ x: (mean - sd) * 100, x2: (mean + sd) * 100, y, title: meanTitle(arm) }];
  const tick = [{ x: mean * 100, y: y - 0.17, y2: y + 0.17, title: meanTitle(arm) }];
  const seeds = arm.runs.map(({ coordinates, metrics }) => {
    const value = metrics.value.accuracy;
    return { x: value * 100, y, title: `seed ${coordinates.seed}: ${percentage(value)}` };
  });
  const fill = arm.method === 'static' ? PAPER.light : color;
  return [
    { kind: 'rule', marks: bar, color, size: 1.5 },
    { kind: 'rule', marks: tick, color, size: 2.5 },
    { kind: 'dot', marks: seeds, color, size: 5.5, fill, opacity: 0.9 },
  ];
}

function meanTitle({ profile, method, accuracy: { mean, sd, n } }: Arm): string {
  const spread = sd === null ? '' : `, SD ${percent(sd)}`;
  return `${profile}, ${method}: mean ${percentage(mean)}${spread}, n = ${n}`;
}
