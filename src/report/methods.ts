// methods.ts — what the words and numbers of the report mean
import { SEEDS_FOR_EVIDENCE } from './abstract.ts';
import { tableFrame } from './document.ts';
import { count } from './format.ts';
import { type Html, html } from './html.ts';
import type { Options, Study, StudyDataset } from './study.ts';
import { sourced } from './tables.ts';

/** Id of a data set's row in the provenance table, by its place in the study. */
export const datasetAnchor = (index: number): string => `data-${index + 1}`;

/** The section on methods: definitions, settings, data. */
export function methods(study: Study): Html {
  return html`<section id="methods" aria-labelledby="methods-title">
<h2 id="methods-title">Methods and definitions</h2>
<p>Definitions marked <span class="ours">ours</span> are this pipeline’s own, because the study that is reproduced
(arXiv 2604.10560) is known to it by its abstract only.</p>
<dl class="terms">${TERMS.map(term)}</dl>
<h3>Data sets</h3>
${datasetTable(study.datasets)}
<h3>Network and training</h3>
<dl>${optionRows({ 'hidden layers': study.hidden, ...study.training })}</dl>
${study.rigl ? html`<h3>RigL</h3><dl>${optionRows(study.rigl)}</dl>` : null}
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
      'One less the share of possible connections that exist, counted over the hidden layers. ' +
      'The output layer is dense in every arm and is not counted. All arms of a setting have ' +
      'the same number of connections in each layer.',
  },
  {
    name: 'Layer rule',
    ours: false,
    meaning:
      'How connections are shared out between the hidden layers: uniform gives each layer the ' +
      'same density; ERK gives density in proportion to (inputs + outputs) / (inputs × ' +
      'outputs) (Evci et al. 2020).',
  },
  {
    name: 'Profile',
    ours: true,
    meaning:
      'How the connections of a layer are shared out between its neurons, as a distribution ' +
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
      'it at fixed intervals: in each hidden layer the connections of least weight are ' +
      'dropped, and as many are grown where the gradient is greatest, starting at 0; the ' +
      'share that is replaced decays as a cosine. Dense training has all connections.',
  },
  {
    name: 'Accuracy',
    ours: false,
    meaning:
      'Share of test samples classified rightly after the last epoch, never after the best ' +
      'one. Accuracies of earlier epochs are monitored on the same test set and select ' +
      'nothing.',
  },
  {
    name: 'Mean, SD and differences',
    ours: false,
    meaning:
      'Over seeds. SD is the sample SD (n\u00a0−\u00a01); a single seed has none. A ' +
      'difference is one of means, in percentage points, without a test. Arms of fewer than ' +
      `${SEEDS_FOR_EVIDENCE} seeds and synthetic data illustrate (our choice).`,
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
<th scope="col" class="words">origin</th></tr></thead>
<tbody>
${datasets.map(({ name, features, classes, train, test, synthetic }, i) => {
  const cell = (value: number) => html`<td>${sourced(datasetAnchor(i), count(value), name)}</td>`;
  return html`<tr><th scope="row">${name}</th>${[features, classes, train, test].map(cell)}
<td class="words">${synthetic ? 'synthetic' : 'collected'}</td></tr>
`;
})}
</tbody>
</table>`;
  return tableFrame('Data sets', null, table);
}

function optionRows(options: Options): readonly Html[] {
  return Object.entries(options).map(
    ([
      name,
      value,
    ]) => html`<dt>${name}</dt><dd>${typeof value === 'object' ? value.join(', ') : String(value)}</dd>
`,
  );
}
