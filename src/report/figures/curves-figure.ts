// curves-figure.ts — what was monitored while the networks learned
import {
  type Arm,
  type Curves,
  curvesOf,
  finalWords,
  rangeOf,
  type Setting,
} from '../data/arms.ts';
import type { Axis, Chart, Layer } from '../charts/chart.ts';
import type { FigureDraft } from '../charts/figure.ts';
import { endLabels, labelHeight, labelRoom } from '../charts/labels.ts';
import { fixed, placeName, ruleName, signed, sparsityName } from '../markup/format.ts';
import { html } from '../markup/html.ts';
import { INK, type Palette, paintOf } from '../markup/palette.ts';
import { extent, logTicks, tickDigits, ticks } from '../charts/scale.ts';
import { datasetAt } from '../data/study.ts';

/** Two charts of one method in one setting, on axes that both methods share; the loss on a log scale if it can be. */
interface MethodCurves {
  readonly method: 'static' | 'rigl';
  readonly accuracy: Chart;
  readonly loss: Chart;
}

interface Drawn {
  readonly arm: Arm;
  readonly curves: Curves;
  /** What is reported of the arm. */
  readonly end: number;
}

/** More arms than these are not told apart. */
const ARMS = 24;
/** Single seeds are drawn up to so many lines in a panel: more hide each other, and are most of a page's size. */
const SEED_LINES = 60;

const METHODS = { static: 'Static', rigl: 'RigL' } as const;

/** Learning curves, a row of panels for each setting and method; null without any sparse run. */
export function curvesDraft(settings: readonly Setting[], palette: Palette): FigureDraft | null {
  if (settings.length === 0) return null;
  const profiles = [...new Set(settings.flatMap((setting) => setting.profiles))];
  const arms = settings.flatMap((setting) => [
    ...setting.arms,
    ...(setting.dense ? [setting.dense] : []),
  ]);
  const final = finalWords(arms.flatMap(({ runs }) => runs));
  return {
    id: 'curves',
    data: 'runs',
    title: 'learning curves',
    size: 'large',
    legend: null,
    rows: settings.map((setting) => ({
      title: `${placeName(setting.dataset)}: ${sparsityName(setting.sparsity)}, ${ruleName(setting.rule)}`,
      panels: curveCharts(setting, { all: peersOf(setting, settings), palette }).flatMap(
        ({ method, accuracy, loss }) => {
          const arms = setting.arms.filter((arm) => arm.method === method);
          const name = `${setting.dataset} ${setting.sparsity} ${setting.rule} ${method}`;
          const detail = html`<i>n</i> = ${rangeOf(arms)} seeds`;
          const scale = loss.y.scale === 'log' ? ', log scale' : '';
          return [
            {
              name: `${name} accuracy`,
              title: `${METHODS[method]}: test accuracy (%)`,
              detail,
              chart: accuracy,
            },
            {
              name: `${name} loss`,
              title: `${METHODS[method]}: training loss (nats${scale})`,
              detail,
              chart: loss,
            },
          ];
        },
      ),
    })),
    result: curvesResult(arms),
    caption: html`${profiles.length > ARMS ? `The first ${ARMS} of ${profiles.length} profiles. ` : null}Learning curves: means over seeds${settings.some((one) => hasSeeds(armsOf(one).map((arm) => ({ arm })))) ? ', single seeds faint where there are few' : null}. Test accuracy is monitored during training; the dot is
the reported accuracy ${final}, never that of the best epoch. Loss is the mean over the training samples of an epoch. Panels of a data set
share their axes.`,
  };
}

/** How much accuracy still changes at the end: whether training was long enough. */
function curvesResult(arms: readonly Arm[]): string {
  const ends = arms.map((arm) => {
    const values = curvesOf(arm, 'testAccuracy').mean.map(([, value]) => value * 100);
    return { last: values.at(-1) ?? 0, previous: values.at(-2) };
  });
  const span = (values: readonly number[], show: typeof fixed): string =>
    [...new Set([Math.min(...values), Math.max(...values)].map((one) => show(one, 2)))].join(
      ' to ',
    );
  const changes = ends.flatMap(({ last, previous }) =>
    previous === undefined ? [] : [last - previous],
  );
  return changes.length === 0
    ? `Mean test accuracy ends at ${span(
        ends.map(({ last }) => last),
        fixed,
      )} %.`
    : `In the last epoch, mean test accuracy changes by ${span(changes, signed)} points.`;
}

/** The learning curves of a setting, for each method that ran. */
function curveCharts(
  setting: Setting,
  { all, palette }: { readonly all: readonly Setting[]; readonly palette: Palette },
): readonly MethodCurves[] {
  const drawn = (quantity: 'testAccuracy' | 'loss', factor: number): Shown => ({
    own: armsOf(setting).map((arm) => drawnOf(arm, quantity, factor)),
    all: all.flatMap(armsOf).map((arm) => drawnOf(arm, quantity, factor)),
  });
  const [accuracy, loss] = [drawn('testAccuracy', 100), drawn('loss', 1)];
  const place = `${placeName(setting.dataset)}, ${sparsityName(setting.sparsity)}, ${ruleName(setting.rule)}`;
  return (['static', 'rigl'] as const)
    .filter((method) => setting.arms.some((arm) => arm.method === method))
    .map((method) => ({
      method,
      accuracy: curveChart(accuracy, method, palette, `Test accuracy per epoch, ${place}`),
      loss: curveChart(loss, method, palette, `Training loss per epoch, ${place}`, true),
    }));
}

/** The arms of a setting, and those of all settings that share its axes. */
interface Shown {
  readonly own: readonly Drawn[];
  readonly all: readonly Drawn[];
}

const armsOf = ({ arms, dense }: Setting): readonly Arm[] => [...arms, ...(dense ? [dense] : [])];

/** Whether single seeds are drawn. */
const hasSeeds = (own: readonly { readonly arm: Arm }[]): boolean =>
  own.reduce((sum, { arm }) => sum + arm.runs.length, 0) <= SEED_LINES;

/** The settings of the same data set: they share their axes. */
const peersOf = ({ dataset }: Setting, settings: readonly Setting[]): readonly Setting[] =>
  settings.filter((one) => datasetAt(one.dataset) === datasetAt(dataset));

function drawnOf(arm: Arm, quantity: 'testAccuracy' | 'loss', factor: number): Drawn {
  const { runs, mean } = curvesOf(arm, quantity);
  const scaled = (curve: Curves['mean']) => curve.map(([epoch, v]) => [epoch, v * factor] as const);
  const curves = { runs: runs.map(scaled), mean: scaled(mean) };
  const end =
    quantity === 'loss' ? curves.mean[curves.mean.length - 1]![1] : arm.accuracy.mean * 100;
  return { arm, curves, end };
}

function curveChart(
  { own, all }: Shown,
  method: 'static' | 'rigl',
  palette: Palette,
  label: string,
  logarithmic = false,
): Chart {
  const sparse = own.filter(({ arm }) => arm.method === method).slice(0, ARMS);
  const shown = [...sparse, ...own.filter(({ arm }) => arm.method === 'dense')];
  const ends = shown.map(({ arm, end }) => ({
    value: end,
    name: arm.profile,
    color: arm.method === 'dense' ? INK.light : paintOf(palette, arm.profile).color,
  }));
  const [width, height] = [256, labelHeight(shown.length, 180)];
  const [x, y] = [epochAxis(all), valueAxis(all, logarithmic)];
  return {
    label: `${label}, ${method}`,
    width,
    height,
    margin: { top: 8, right: labelRoom(ends.map(({ name }) => name)), bottom: 38, left: 44 },
    x,
    y,
    layers: [
      ...shown.flatMap((drawn) => curveLayers(drawn, { palette, seeds: hasSeeds(own) })),
      ...endLabels(ends, { x, y, width, height }),
    ],
  };
}

function epochAxis(all: readonly Drawn[]): Axis {
  const epochs = all.flatMap(({ curves }) => curves.runs.flat().map(([epoch]) => epoch));
  const domain = extent(epochs, 0.02);
  const whole = ticks(domain, 5).filter(Number.isInteger);
  return { domain, ticks: whole, digits: 0, title: 'epoch' };
}

function valueAxis(all: readonly Drawn[], logarithmic: boolean): Axis {
  const values = all.flatMap(({ curves }) => curves.runs.flat().map(([, value]) => value));
  // A loss that reaches 0 has no logarithm.
  const least = values.reduce((low, value) => Math.min(low, value), 1);
  const domain = extent(values, 0.04);
  if (logarithmic && least > 0) {
    const positive = [least * 0.9, domain[1]] as const;
    return { domain: positive, ticks: logTicks(positive), grid: true, scale: 'log' };
  }
  const marks = ticks(domain, 4);
  return { domain, ticks: marks, digits: tickDigits(marks), grid: true };
}

/** Each seed as a faint line, the mean as a strong one, and a dot at the end, on what is reported. */
function curveLayers(
  { arm, curves: { runs, mean }, end }: Drawn,
  { palette, seeds: isWhole }: { readonly palette: Palette; readonly seeds: boolean },
): readonly Layer[] {
  const dense = arm.method === 'dense';
  const { color, dash } = dense
    ? { color: INK.light, dash: [4, 3] }
    : paintOf(palette, arm.profile);
  const title = `${arm.profile}, mean of ${runs.length}`;
  const seeds = isWhole
    ? runs.flatMap((curve, series) => curve.map(([x, y]) => ({ x, y, series })))
    : [];
  const line = mean.map(([x, y]) => ({ x, y, title }));
  const last = line.slice(-1).map((point) => ({ ...point, y: end }));
  return [
    { kind: 'line', marks: seeds, color, size: 0.7, opacity: 0.3 },
    { kind: 'line', marks: line, color, size: 1.6, dash },
    { kind: 'dot', marks: last, color, size: 4.5 },
  ];
}
