// gradient-rules.ts — claims about the gradient hierarchy: how large it is, and whether fan-in predicts it
import { coefficientOfVariation } from '../sparse/fan-in.ts';
import { bootstrapInterval } from '../stats/bootstrap.ts';
import { fisherBounds, fisherPAbove, pearson, pearsonR, spearman } from '../stats/correlation.ts';
import {
  boundsOf,
  greater,
  linearEstimate,
  ONE_SIDED_LEVEL,
  pAbove,
  pBelow,
  welchEstimate,
} from '../stats/one-sided.ts';
import { stream } from '../stats/stream.ts';
import { mean } from '../stats/summary.ts';
import { meanInterval } from '../stats/t-test.ts';
import { ALPHA, absent, type Drawn, type Observed, valuesOf, withoutRuns } from './contrast.ts';
import { type ClaimOf, selectorOf } from './declaration.ts';
import type { Evidence, Observation } from './evidence.ts';
import type { Companion } from './result.ts';
import {
  counterpartOf,
  type Group,
  groupsOf,
  pointWords,
  repetitionOf,
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
 * Whether hubs see larger gradients than in a baseline without hubs, layer by layer, and by a factor in the range, of
 * which a slack of `margin` is told beforehand. What counting connections alone would give stands beside it.
 */
export function ratioContrasts(
  claim: ClaimOf<'ratio-range'>,
  { gradients }: Evidence,
): readonly Drawn[] {
  const against = selectorOf(claim.baseline);
  const candidates = groupsOf(gradients, against);
  return groupsOf(gradients, selectorOf(claim.a)).flatMap((group): readonly Drawn[] => {
    const dataset = group.at.dataset ?? '';
    const label = pointWords(group.at);
    const layers = layersOf(group);
    if (layers.length === 0) return [absent({ label, dataset }, 'ratio', whyEmpty(group))];
    const baseline = counterpartOf(group, candidates, against);
    const others = baseline ? layersOf(baseline) : [];
    return layers.map((layer) => {
      const other = others.find((one) => one.layer === layer.layer);
      const name = `${label} layer ${layer.layer + 1}`;
      if (baseline === undefined || other === undefined) {
        return absent(
          { label: name, dataset },
          'ratio',
          'no random network is there to compare with',
        );
      }
      return drawRatio(claim, { group, layer }, { group: baseline, layer: other }, name);
    });
  });
}

const whyEmpty = ({ missing, runs }: Group<Gradients>): string => {
  if (runs.length > 0) return 'hubs have no ratio in every run';
  return missing[0]?.reason ?? 'no gradients were measured';
};

interface GroupLayer {
  readonly group: Group<Gradients>;
  readonly layer: LayerRatios;
}

function drawRatio(
  { range, margin }: ClaimOf<'ratio-range'>,
  own: GroupLayer,
  baseline: GroupLayer,
  label: string,
): Drawn {
  const { ratio, countOnly, beyondCount, perConnection } = own.layer;
  const [low, high] = [range[0] - margin, range[1] + margin];
  const [values, others] = [valuesOf(ratio), valuesOf(baseline.layer.ratio)];
  const effect = mean(values);
  const estimate = linearEstimate([{ values, weight: 1 }]);
  const over = welchEstimate(values, others);
  const inside = estimate && greater(pAbove(estimate, low), pBelow(estimate, high));
  const alone = valuesOf(countOnly);
  const beyond = valuesOf(beyondCount);
  const counting =
    alone.length > 0 ? `, counting connections alone gives ${decimals(mean(alone))}` : '';
  const without = withoutRuns([...own.group.missing, ...baseline.group.missing]);
  const words = `ratio ${decimals(effect)}, ${decimals(mean(others))} in random networks${counting}`;
  return {
    label,
    dataset: own.group.at.dataset ?? '',
    a: { label: wordsOf(own.group), observed: ratio },
    b: { label: wordsOf(baseline.group), observed: baseline.layer.ratio },
    effect,
    unit: 'ratio',
    seeds: Math.min(values.length, others.length),
    ci: () => estimate && boundsOf(estimate),
    level: ONE_SIDED_LEVEL,
    pFor: over && pAbove(over, 0),
    // Both one-sided bounds: means that lie in the range for certain.
    provided: inside !== null && inside < ALPHA,
    pAgainst: estimate && pBelow(estimate, low),
    ...(beyond.length > 0 && { beyondCount: mean(beyond) }),
    sized: false,
    also: () => [
      companion('counting connections alone', alone),
      companion('ratio over count-only', beyond),
      companion('gradient per connection', valuesOf(perConnection)),
    ],
    ...(without.length > 0 && { without }),
    words: [words, ...without].join('; '),
  };
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
  const settings = new Map<string, Group<Gradients>[]>();
  for (const group of groupsOf(gradients, selectorOf(claim.a))) {
    const open = Object.entries(group.at).filter(([axis]) => !CONFIGURED.has(axis));
    const setting = JSON.stringify(open);
    settings.set(setting, [...(settings.get(setting) ?? []), group]);
  }
  return [...settings.values()].map((groups) => drawCorrelation(claim, groups));
}

/** The axes over which configurations of one setting differ. */
const CONFIGURED: ReadonlySet<string> = new Set(['sparsity', 'rule', 'profile']);

/** A configuration: CV and ratio, means over seeds. */
interface Configuration {
  readonly cv: number;
  readonly ratio: number;
  /** The ratio over what counting connections alone gives; null where that is not defined. */
  readonly beyond: number | null;
}

function drawCorrelation(
  { id, published, margin }: ClaimOf<'correlation'>,
  groups: readonly Group<Gradients>[],
): Drawn {
  const { dataset = '', ...open } = groups[0]!.at;
  const setting = Object.entries(open).flatMap(([axis, label]) =>
    CONFIGURED.has(axis) ? [] : [label],
  );
  const networks = groups.map((group) => ({ group, layers: layersOf(group) }));
  const there = networks.filter(({ layers }) => layers.length > 0);
  const byNetwork = there.map(({ layers }) => layers);
  const without = withoutNetworks(networks);
  const label = [...setting, 'CV of fan-in and hub ratio'].join(' ');
  const configurations = byNetwork.flatMap((layers) => layers.map(configurationOf));
  const { r, reason } = pearsonOf(configurations);
  if (r === null) {
    const why = [reason ?? 'no correlation', ...without].join('; ');
    return absent({ label, dataset }, 'r', why);
  }
  const means = byNetwork.map((layers) => averageOf(layers.map(configurationOf)));
  const least = published - margin;
  const known = byNetwork.length >= 4;
  const beyond = beyondOf(configurations);
  const corrected =
    beyond.length === configurations.length ? pearsonR(cvsOf(configurations), beyond) : null;
  const isBeyond =
    corrected !== null && known && fisherPAbove(corrected, byNetwork.length, 0) < ALPHA;
  const over = counted(configurations.length, 'configuration');
  const told = corrected === null ? '' : `, ${decimals(corrected)} once counting is taken out`;
  const words = `r = ${decimals(r)} over ${over} of ${counted(byNetwork.length, 'network')}, published ${decimals(published)}${told}`;
  return {
    label,
    dataset,
    a: {
      label: 'hub ratio',
      observed: byNetwork.flatMap((layers) => layers.map(({ ratio }) => meanOf(ratio))),
    },
    b: null,
    effect: r,
    unit: 'r',
    // n is of configurations; whether it is assessed is a matter of the seeds behind each.
    seeds: Math.min(...there.map(({ group: { runs } }) => runs.length)),
    ci: () => fisherBounds(r, byNetwork.length, ONE_SIDED_LEVEL),
    level: ONE_SIDED_LEVEL,
    pFor: known ? fisherPAbove(r, byNetwork.length, least) : null,
    pAgainst: known ? fisherPAbove(-r, byNetwork.length, -least) : null,
    ...(!known && { untested: 'fewer than four networks have no interval' }),
    qualifiers: isBeyond ? [] : ['by counting alone'],
    sized: false,
    also: () => [
      ...correlationCompanions(id, dataset, configurations, means),
      {
        label: 'r of the ratio over count-only',
        value: corrected,
        ci: corrected === null ? null : fisherBounds(corrected, byNetwork.length, ONE_SIDED_LEVEL),
      },
    ],
    ...(without.length > 0 && { without }),
    words: [words, ...without].join('; '),
  };
}

const beyondOf = (all: readonly Configuration[]): number[] =>
  all.flatMap(({ beyond }) => beyond ?? []);

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
      sample!.map(({ cv }) => cv),
      sample!.map(({ ratio }) => ratio),
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

const configurationOf = ({ cv, ratio, beyondCount }: LayerRatios): Configuration => ({
  cv: mean(valuesOf(cv)),
  ratio: mean(valuesOf(ratio)),
  beyond: beyondCount.length === 0 ? null : mean(valuesOf(beyondCount)),
});

const averageOf = (all: readonly Configuration[]): Configuration => ({
  cv: mean(cvsOf(all)),
  ratio: mean(ratiosOf(all)),
  beyond: null,
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
  return runs[0]!.layers.flatMap((_, layer): readonly LayerRatios[] => {
    type Layer = (typeof runs)[number]['layers'][number];
    const each = (measure: (layer: Layer) => number | null): readonly Observed[] =>
      runs.flatMap(({ run, layers }) => observe(run, measure(layers[layer]!)));
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
