// gradient-rules.ts — claims about the gradient hierarchy: how large it is, and whether fan-in predicts it
import { coefficientOfVariation } from '../sparse/fan-in.ts';
import { bootstrapInterval } from '../stats/bootstrap.ts';
import { pearson, pearsonR, spearman } from '../stats/correlation.ts';
import type { Interval } from '../stats/interval.ts';
import { stream } from '../stats/stream.ts';
import { mean } from '../stats/summary.ts';
import { meanInterval } from '../stats/t-test.ts';
import {
  absent,
  armOf,
  type Drawn,
  measured,
  type Observed,
  valuesOf,
  withoutRuns,
} from './contrast.ts';
import { type ClaimOf, selectorOf } from './declaration.ts';
import type { Evidence, Observation } from './evidence.ts';
import type { Companion, Finding } from './result.ts';
import {
  type Group,
  groupsOf,
  pointWords,
  repetitionOf,
  type Selector,
  wordsOf,
} from './selection.ts';
import { counted, decimals } from './words.ts';

type Gradients = Evidence['gradients']['items'][number]['value'];

/** One hidden layer of one configuration, over seeds. */
interface LayerRatios {
  readonly layer: number;
  /** Hub over all neurons, of the L2 norm of the weight gradient, over the last epochs. */
  readonly ratio: readonly Observed[];
  /** The same of sqrt(fan-in): what counting connections alone would give. */
  readonly countOnly: readonly Observed[];
  /** Ratio over count-only ratio, run by run. */
  readonly beyondCount: readonly Observed[];
  /** The ratio of the gradient per connection: what is left beyond counting. */
  readonly perConnection: readonly Observed[];
  /** Achieved CV of fan-in. */
  readonly cv: readonly Observed[];
}

/**
 * Whether the hubs' share of the gradient lies in a range, layer by layer, and near 1 in a baseline without hubs. The
 * interval is the t interval of the mean over seeds; the count-only ratio stands beside it.
 */
export function ratioContrasts(
  claim: ClaimOf<'ratio-range'>,
  evidence: Evidence,
): readonly Drawn[] {
  const { range, near, margin } = claim;
  const baseline: Interval = [near - margin, near + margin];
  return [
    ...ratiosWithin(selectorOf(claim.a), evidence, { range, margin }),
    ...ratiosWithin(selectorOf(claim.baseline), evidence, { range: baseline, margin }),
  ];
}

interface Bounds {
  readonly range: Interval;
  readonly margin: number;
}

function ratiosWithin(selector: Selector, evidence: Evidence, bounds: Bounds): readonly Drawn[] {
  return groupsOf(evidence.gradients, selector).flatMap((group): readonly Drawn[] => {
    const dataset = group.at.dataset ?? '';
    const words = pointWords(group.at);
    const layers = layersOf(group);
    if (layers.length === 0) {
      return [absent({ label: words, dataset }, 'ratio', whyEmpty(group))];
    }
    return layers.map((layer) => drawRatio(group, layer, bounds));
  });
}

const whyEmpty = ({ missing, runs }: Group<Gradients>): string => {
  if (runs.length > 0) return 'hubs have no ratio in every run';
  return missing[0]?.reason ?? 'no gradients were measured';
};

function drawRatio(
  group: Group<Gradients>,
  { layer, ratio, countOnly, beyondCount, perConnection }: LayerRatios,
  { range: [low, high], margin }: Bounds,
): Drawn {
  const values = valuesOf(ratio);
  const effect = mean(values);
  const { ci, level } = meanInterval(values);
  const inside = ci !== null && ci[0] >= low && ci[1] <= high;
  const close = effect >= low - margin && effect <= high + margin;
  const finding: Finding = inside ? 'reproduced' : close ? 'within margin' : 'not reproduced';
  const bounds = `${decimals(low)}\u2013${decimals(high)}`;
  const alone = valuesOf(countOnly);
  const counting = alone.length > 0 ? `, counting alone gives ${decimals(mean(alone))}` : '';
  const without = withoutRuns(group.missing);
  const words = `ratio ${decimals(effect)}, asked for ${bounds}${counting}`;
  return measured({
    label: `${pointWords(group.at)} layer ${layer + 1}`,
    dataset: group.at.dataset ?? '',
    a: armOf(wordsOf(group), ratio),
    b: alone.length > 0 ? armOf('sqrt(fan-in) alone', countOnly) : null,
    effect,
    unit: 'ratio',
    seeds: values.length,
    ci,
    level,
    p: null,
    also: [
      companion('ratio over count-only', valuesOf(beyondCount)),
      companion('gradient per connection', valuesOf(perConnection)),
    ],
    finding: ci === null ? null : finding,
    ...(without.length > 0 && { without }),
    words: [words, ...without].join('; '),
  });
}

/**
 * Whether the CV of fan-in predicts the hubs' share of the gradient, over configurations (a profile and a layer, means
 * over seeds), one correlation for each data set. Layers of one network are not independent, so r over
 * networks stands beside it, and rank correlation, and a bootstrap over configurations.
 */
export function correlationContrasts(
  claim: ClaimOf<'correlation'>,
  { gradients }: Evidence,
): readonly Drawn[] {
  const datasets = new Map<string, Group<Gradients>[]>();
  for (const group of groupsOf(gradients, selectorOf(claim.a))) {
    const dataset = group.at.dataset ?? '';
    datasets.set(dataset, [...(datasets.get(dataset) ?? []), group]);
  }
  return [...datasets].map(([dataset, groups]) => drawCorrelation(claim, dataset, groups));
}

/** A configuration: CV and ratio, means over seeds. */
interface Configuration {
  readonly cv: number;
  readonly ratio: number;
}

function drawCorrelation(
  { id, published, margin }: ClaimOf<'correlation'>,
  dataset: string,
  groups: readonly Group<Gradients>[],
): Drawn {
  const networks = groups.map((group) => ({ group, layers: layersOf(group) }));
  const there = networks.filter(({ layers }) => layers.length > 0);
  const byNetwork = there.map(({ layers }) => layers);
  const without = withoutNetworks(networks);
  const label = 'CV of fan-in and hub ratio';
  const configurations = byNetwork.flatMap((layers) => layers.map(configurationOf));
  const { r, ci, level, p, reason } = pearsonOf(configurations);
  if (r === null) {
    const why = [reason ?? 'no correlation', ...without].join('; ');
    return absent({ label, dataset }, 'r', why);
  }
  const means = byNetwork.map((layers) => averageOf(layers.map(configurationOf)));
  const covers = ci !== null && ci[0] <= published && ci[1] >= published && ci[0] > 0;
  const close = Math.abs(r - published) <= margin;
  const finding: Finding = covers ? 'reproduced' : close ? 'within margin' : 'not reproduced';
  const observed = byNetwork.flatMap((layers) => layers.map(({ ratio }) => meanOf(ratio)));
  const stronger = ci !== null && ci[0] > published ? ', which is less' : '';
  const over = counted(configurations.length, 'configuration');
  const words = `r = ${decimals(r)} over ${over}, published ${decimals(published)}${stronger}`;
  return measured({
    label,
    dataset,
    a: armOf('hub ratio', observed),
    b: null,
    effect: r,
    unit: 'r',
    // n is of configurations; whether it counts is a matter of the seeds behind each.
    seeds: Math.min(...there.map(({ group: { runs } }) => runs.length)),
    ci,
    level,
    p,
    also: correlationCompanions(id, dataset, configurations, means),
    finding: ci === null ? null : finding,
    ...(without.length > 0 && { without }),
    words: [reason ?? words, ...without].join('; '),
  });
}

/** Networks that are no point of the correlation, or whose points rest on fewer runs, and why; each reason once. */
function withoutNetworks(
  networks: readonly {
    readonly group: Group<Gradients>;
    readonly layers: readonly LayerRatios[];
  }[],
): readonly string[] {
  const names = new Map<string, string[]>();
  const add = (name: string, why: string): void => {
    names.set(why, [...(names.get(why) ?? []), name]);
  };
  for (const { group, layers } of networks) {
    const name = pointWords(group.at);
    if (layers.length === 0) add(name, `left out (${whyEmpty(group)})`);
    else for (const words of withoutRuns(group.missing)) add(name, `with ${words}`);
  }
  return [...names].map(([why, [name, ...others]]) => {
    const rest = others.length === 0 ? '' : ` and ${counted(others.length, 'other')}`;
    return `${name}${rest} ${why}`;
  });
}

function correlationCompanions(
  claim: string,
  dataset: string,
  configurations: readonly Configuration[],
  networks: readonly Configuration[],
): readonly Companion[] {
  const random = stream(0, 'claims', claim, dataset, 'configurations');
  const rOf = ([sample]: readonly (readonly Configuration[])[]) =>
    pearsonR(
      sample.map(({ cv }) => cv),
      sample.map(({ ratio }) => ratio),
    );
  const ranked = spearman(cvsOf(configurations), ratiosOf(configurations));
  const whole = pearsonOf(networks);
  const interval = bootstrapInterval([configurations], rOf, { random, resamples: 1000 });
  return [
    { label: 'Spearman', value: ranked.r, ci: ranked.ci },
    { label: 'r over network means', value: whole.r, ci: whole.ci },
    { label: 'r, bootstrap over configurations', value: rOf([configurations]), ci: interval },
  ];
}

const cvsOf = (all: readonly Configuration[]): number[] => all.map(({ cv }) => cv);
const ratiosOf = (all: readonly Configuration[]): number[] => all.map(({ ratio }) => ratio);
const pearsonOf = (all: readonly Configuration[]) => pearson(cvsOf(all), ratiosOf(all));

const configurationOf = ({ cv, ratio }: LayerRatios): Configuration => ({
  cv: mean(valuesOf(cv)),
  ratio: mean(valuesOf(ratio)),
});

const averageOf = (all: readonly Configuration[]): Configuration => ({
  cv: mean(cvsOf(all)),
  ratio: mean(ratiosOf(all)),
});

/** The mean of some observations as one, of all their sources. */
const meanOf = (observed: readonly Observed[]): Observed => ({
  value: mean(valuesOf(observed)),
  from: observed.flatMap(({ from }) => from),
  repetition: '',
});

/** The hidden layers of a group in which hubs have a ratio in every run. */
function layersOf(group: Group<Gradients>): readonly LayerRatios[] {
  const runs = group.runs.flatMap((run) => {
    const window = run.value.windows.find(({ name }) => name === 'last');
    // The output layer is dense in every arm: it has no hubs.
    return window ? [{ run, layers: window.layers.slice(0, -1) }] : [];
  });
  if (runs.length === 0) return [];
  return runs[0].layers.flatMap((_, layer): readonly LayerRatios[] => {
    type Layer = (typeof runs)[number]['layers'][number];
    const each = (measure: (layer: Layer) => number | null): readonly Observed[] =>
      runs.flatMap(({ run, layers }) => observe(run, measure(layers[layer])));
    const ratio = each(({ hierarchy }) => hierarchy.l2);
    if (ratio.length < runs.length) return [];
    const countOnly = each(({ hierarchy }) => hierarchy.l2Null);
    const beyondCount = each(({ hierarchy }) => hierarchy.l2BeyondCount);
    const perConnection = each(({ hierarchy }) => hierarchy.perConnection);
    const cv = each(({ fanIn }) => coefficientOfVariation(fanIn));
    return [{ layer, ratio, countOnly, beyondCount, perConnection, cv }];
  });
}

const observe = (run: Observation<unknown>, value: number | null): readonly Observed[] =>
  value === null
    ? []
    : [{ value, from: [{ task: run.task, digest: run.digest }], repetition: repetitionOf(run) }];

function companion(label: string, values: readonly number[]): Companion {
  if (values.length === 0) return { label, value: null, ci: null };
  return { label, value: mean(values), ci: meanInterval(values).ci };
}
