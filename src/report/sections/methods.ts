// methods.ts — what the words and numbers of the report mean
import { SEEDS_FOR_EVIDENCE } from './abstract.ts';
import { datasetAnchor } from '../data/anchors.ts';
import { sourceLink } from '../data/sources.ts';
import { tableFrame } from '../markup/document.ts';
import { count, percentage, sentence, widths } from '../markup/format.ts';
import { type Html, html } from '../markup/html.ts';
import type { Options, Study, StudyDataset } from '../data/study.ts';
import { paperLink, references } from './references.ts';
import { sourced } from './tables.ts';

/** The section on methods: definitions, settings, data. */
export function methods(study: Study): Html {
  return html`<section id="methods" aria-labelledby="methods-title">
<h2 id="methods-title">Methods and definitions</h2>
<p>Definitions marked <span class="ours">ours</span> are this pipeline’s own, because only the abstract of the
reproduced study (${paperLink()}) is known to it.</p>
<dl class="terms">${TERMS.map(term)}</dl>
<h3>Network and training</h3>
<dl>${optionRows({ hidden: study.hidden.map(widths).join(', '), ...inUse(study.training) })}</dl>
${study.rigl ? html`<h3>RigL</h3><dl>${optionRows(study.rigl)}</dl>` : null}
${references()}
</section>
`;
}

/** The section on data: what each set is, and where it comes from. */
export function datasets(study: Study): Html {
  const origins = study.datasets.map(
    ({ name, title, split, citation, licence }) => html`<dt>${name}</dt>
<dd>${title === name ? null : html`${sentence(title)}. `}${sentence(citation === DRAWN ? GENERATED : citation)}. Split: ${split}. Licence: ${licence}.</dd>
`,
  );
  return html`<section id="data" aria-labelledby="data-title">
<h2 id="data-title">Data sets</h2>
${datasetTable(study.datasets)}
${study.datasets.length > 0 ? html`<dl class="terms">${origins}</dl>` : null}
</section>
`;
}

/** What the generators of this pipeline say of their data, and how the report says it. */
const DRAWN = 'drawn by this program from a seed; no measurement';
const GENERATED = 'synthetic data generated from a fixed seed';

/** The six terms that a reader needs for the claims; the section on methods defines them exactly. */
const GLOSSARY: readonly (readonly [string, string])[] = [
  ['Fan-in', 'the number of incoming connections of a neuron'],
  [
    'Profile',
    'how the connections of a layer are distributed over its neurons: a distribution of fan-in',
  ],
  [
    'CV',
    'coefficient of variation: the SD of fan-in over its mean; 0 if all neurons have the same fan-in',
  ],
  ['ERK', 'Erdős–Rényi kernel: a rule that keeps small layers denser than large ones'],
  [
    'RigL',
    'training that drops the weakest connections and grows others where the gradient is greatest',
  ],
  ['Equilibrium', 'the distribution of fan-in that RigL converges to, whatever it started from'],
];

/** The words of the claims, in short. */
export function glossary(): Html {
  const terms = GLOSSARY.map(
    ([name, meaning]) => html`<dt>${name}</dt><dd>${meaning}</dd>
`,
  );
  return html`<section id="terms" aria-labelledby="terms-title">
<h2 id="terms-title" class="small">Six terms</h2>
<dl class="glossary">${terms}</dl>
</section>
`;
}

interface Term {
  readonly name: string;
  readonly meaning: string;
  readonly ours: boolean;
}

const TERMS: readonly Term[] = [
  {
    name: 'Sparsity',
    ours: true,
    meaning:
      'One minus the share of possible connections that exist, counted over the hidden layers. ' +
      'The output layer is dense in every network and is not counted. All networks of a setting have ' +
      'the same number of connections in each layer.',
  },
  {
    name: 'Layer rule',
    ours: false,
    meaning:
      'How connections are distributed over the hidden layers: uniform gives each layer the ' +
      'same density; ERK gives density in proportion to (inputs + outputs) / (inputs × ' +
      'outputs) (Evci et al. 2020).',
  },
  {
    name: 'Profile',
    ours: true,
    meaning:
      'How the connections of a layer are distributed over its neurons, as a distribution ' +
      'of fan-in. Which neuron becomes a hub is drawn at random from the seed, and so are the ' +
      'inputs of each neuron.',
  },
  {
    name: 'Fan-in and its CV',
    ours: true,
    meaning:
      'Fan-in is the number of incoming connections of a neuron. CV is the population SD of ' +
      'fan-in over its mean, as achieved by the mask and not as asked for.',
  },
  {
    name: 'Static, RigL and dense',
    ours: false,
    meaning:
      'Static training keeps its mask from beginning to end. RigL (Evci et al. 2020) rewires ' +
      'it at fixed intervals: in each hidden layer, the connections with the smallest weights are ' +
      'dropped, and as many are grown where the gradient is largest, with weight 0; the ' +
      'share that is replaced decays as a cosine. Dense networks have all connections.',
  },
  {
    name: 'Accuracy',
    ours: false,
    meaning:
      'Share of test samples classified correctly: the mean over the last three epochs if ' +
      'the learning rate is constant over them, otherwise the value after the last epoch; never ' +
      'that of the best epoch. Accuracies of earlier epochs are monitored on the same test set ' +
      'but select nothing.',
  },
  {
    name: 'Mean, SD and differences',
    ours: false,
    meaning:
      'Over seeds. SD is the sample SD (n\u00a0−\u00a01); a single seed has none. Differences ' +
      'in tables are of means, in percentage points, without a test; claims are tested. Contrasts ' +
      `of fewer than ${SEEDS_FOR_EVIDENCE} seeds and synthetic data are not assessed (our choice).`,
  },
  {
    name: 'Tests',
    ours: false,
    meaning:
      'A claim is reproduced if a test supports it and refuted if a test contradicts it, each at ' +
      '0.05: Welch’s two-sample t, one-sided bounds at 95\u00a0%, Fisher’s z for correlations. ' +
      'Refutations are after Holm’s adjustment over the contrasts of a claim that are assessed. Cohen’s d is over the pooled SD, its ' +
      'interval a BCa bootstrap. Which test decides a claim was declared before anything ran.',
  },
  {
    name: 'Hubs and gradient concentration',
    ours: true,
    meaning:
      'Hubs are the tenth of a layer’s neurons with the greatest fan-in. Concentration is the mean L2 ' +
      'norm of the gradient at a hub’s incoming weights over that at all neurons, averaged over ' +
      'the batches of the last epochs. The count-only null is the same ratio of √fan-in: what ' +
      'equal gradients at every connection would give.',
  },
  {
    name: 'Contraction',
    ours: true,
    meaning:
      'First Wasserstein distance between relative fan-in (fan-in over its mean) of a run and of ' +
      'runs of other seeds that began uniformly random, at its end over at its start: 0 when ' +
      'the start is forgotten, 1 when nothing moved. The noise floor is that distance between ' +
      'two such runs.',
  },
  {
    name: 'Placement',
    ours: true,
    meaning:
      'Static networks made from one finished RigL run, with its connections per layer: exact ' +
      '(its mask, fresh weights), rewind (its mask, its own initial weights), fan-in-kept ' +
      '(fan-in of each neuron, inputs redrawn), fan-in-permuted (fan-in permuted over neurons), ' +
      'inputs-weighted (inputs drawn by how much the run used them), uniform, and lognormal of ' +
      'the same CV.',
  },
  {
    name: 'Equilibrium',
    ours: true,
    meaning:
      'Fan-in at the end of RigL, pooled over pilot runs whose seeds are not used elsewhere. ' +
      'A lognormal is fitted by maximum likelihood to neurons with connections, μ and σ being ' +
      'the mean and the population SD of ln fan-in; CV of the fit is ' +
      '√(exp\u00a0σ²\u00a0−\u00a01). “Moved” is the mean first Wasserstein distance between ' +
      'the start and the end of a run, on fan-in over its mean; “noise floor” is the same ' +
      'distance between the ends of two pilot runs.',
  },
];

function term({ name, meaning, ours }: Term): Html {
  const mark = ours ? html` <span class="ours">ours</span>` : null;
  return html`<dt>${name}${mark}</dt><dd>${meaning}</dd>
`;
}

function datasetTable(datasets: readonly StudyDataset[]): Html {
  const table = html`<table class="numbers">
<thead><tr><th scope="col">Data set</th><th scope="col">features</th><th scope="col">classes</th>
<th scope="col">training samples</th><th scope="col">test samples</th>
<th scope="col">commonest class</th>
<th scope="col" class="words">origin</th></tr></thead>
<tbody>
${datasets.map(({ name, features, classes, train, test, majority, synthetic }, i) => {
  const cell = (value: number) => html`<td>${sourced(datasetAnchor(i), count(value), name)}</td>`;
  return html`<tr><th scope="row">${name}</th>${[features, classes, train, test].map(cell)}
<td>${sourced(datasetAnchor(i), percentage(majority, 1), 'of the test samples: what a guess attains')}</td>
<td class="words">${synthetic ? 'synthetic' : 'collected'}</td></tr>
`;
})}
</tbody>
</table>`;
  const source = datasets.length > 0 ? sourceLink(datasetAnchor(0)) : undefined;
  return html`<div class="wide">${tableFrame('Data sets', null, table, source)}</div>`;
}

/** Momentum is of SGD: Adam has its own, which nobody can set. */
function inUse({ momentum, ...options }: Options): Options {
  return options.optimizer === 'sgd' && momentum !== undefined ? { ...options, momentum } : options;
}

/** Settings whose names are not plain, in words. */
const SETTINGS: { readonly [name: string]: (value: string) => readonly [string, string] } = {
  hidden: (value) => ['hidden layers', `${value} neurons`],
  batch: (value) => ['batch', `${value} samples`],
  optimizer: (value) => ['optimiser', OPTIMISERS[value] ?? value],
  fraction: (value) => ['replaced at first', `${value} of the connections of a layer`],
  every: (value) => ['rewired every', `${value} batches`],
  stop: (value) => ['until', `${value} of the training`],
  accumulate: (value) => ['gradients of', `${value} batches, averaged`],
};

const OPTIMISERS: { readonly [name: string]: string } = {
  adam: 'Adam (β₁ 0.9, β₂ 0.999)',
  adamw: 'AdamW (β₁ 0.9, β₂ 0.999)',
  sgd: 'SGD with momentum',
};

/** In this order; what is not among them comes last. */
const ORDER = [
  ...['hidden', 'epochs', 'batch', 'optimizer', 'learningRate', 'schedule', 'momentum'],
  ...['weightDecay', 'fraction', 'every', 'stop'],
];

function optionRows(options: Options): readonly Html[] {
  const known = ORDER.filter((name) => Object.hasOwn(options, name));
  const others = Object.keys(options).filter((name) => !ORDER.includes(name));
  const rows = [...known, ...others].map((name) => [name, options[name]] as const);
  return rows.map(([name, value]) => {
    const text = typeof value === 'object' ? value.join(', ') : String(value);
    const setting = Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined;
    const [title, words] = setting?.(text) ?? [spaced(name), text];
    return html`<dt>${title}</dt><dd>${words}</dd>
`;
  });
}

/** `learningRate` as `learning rate`. */
const spaced = (name: string): string =>
  name.replace(
    /([a-z])([A-Z])/g,
    (_, end: string, start: string) => `${end} ${start.toLowerCase()}`,
  );
