// comparison-causes.ts — what changed between two runs and why, in words: the head of a comparison
import {
  type Both,
  changeOf,
  isOtherVerdict,
  largestFirst,
  type Metrics,
  pairedAccuracies,
  pairedVerdicts,
} from './comparison-data.ts';
import { armName, changeWords } from './comparison-words.ts';
import { count, counted, listed } from './markup/format.ts';
import { type Content, type Html, html } from './markup/html.ts';

/** A value that differs, in words. */
export interface ChangedValue {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** A file that differs. */
export interface ChangedFile {
  readonly file: string;
  readonly change: 'added' | 'removed' | 'changed';
}

/** What differs between two runs before anything is computed, and how many tasks came out otherwise. */
export interface ComparisonCauses {
  readonly params: readonly ChangedValue[];
  /** Source files by name; empty where one of the runs did not note them. */
  readonly sources: readonly ChangedFile[];
  /** Stages whose code differs. */
  readonly code: readonly string[];
  readonly inputs: readonly ChangedFile[];
  readonly tools: readonly ChangedValue[];
  readonly tasks: {
    /** Tasks that both runs have. */
    readonly both: number;
    /** Those of them whose outputs differ. */
    readonly changed: number;
    readonly onlyBefore: number;
    readonly onlyAfter: number;
    /** Tasks that cannot be compared. */
    readonly forgotten: number;
  };
}

/** The difference in one or two sentences. */
export function finding(metrics: Both<Metrics>, causes: ComparisonCauses): string {
  const verdicts = pairedVerdicts(metrics);
  const accuracies = pairedAccuracies(metrics);
  const [others, moved] = [verdicts.filter(isOtherVerdict), accuracies.filter((p) => p.isChanged)];
  const parts = [
    ...changedOf(others.length, verdicts.length, 'verdict', 'verdicts'),
    ...changedOf(moved.length, accuracies.length, 'mean accuracy', 'mean accuracies'),
  ];
  const what = parts.length === 0 ? '' : `${listed(parts)} changed. `;
  return `${what}${why(causes)}`;
}

const changedOf = (changed: number, all: number, one: string, many: string): readonly string[] =>
  all === 0 ? [] : [`${count(changed)} of ${count(all)} ${all === 1 ? one : many}`];

/** More params than these are counted in the sentence, and named below it. */
const PARAMS_NAMED = 2;

/** What differs between the runs themselves: the params by name, the rest counted. */
function why({ params, sources, code, inputs, tools }: ComparisonCauses): string {
  const some = (n: number, noun: string): readonly string[] => (n > 0 ? [counted(n, noun)] : []);
  const found = [
    ...(params.length <= PARAMS_NAMED
      ? params.map(({ path, before, after }) => `${path} (${before} → ${after})`)
      : some(params.length, 'param')),
    ...(sources.length > 0
      ? some(sources.length, 'source file')
      : some(code.length, 'stage').map((words) => `the code of ${words}`)),
    ...some(inputs.length, 'input file'),
    ...some(tools.length, 'tool version'),
  ];
  return found.length === 0
    ? 'No param, source file, input file or tool version is known to differ.'
    : `What differs between the runs: ${listed(found)}.`;
}

/** Every cause by name, and what came of all of them. */
export function causesSection(metrics: Both<Metrics>, causes: ComparisonCauses): Content {
  const { params, sources, code, inputs, tools } = causes;
  const stages = sources.length > 0 ? [] : code.map((stage) => html`<code>${stage}</code>`);
  return html`<dl>
${causeRow('Params', params.map(value))}${causeRow('Source files', sources.map(file))}${causeRow('Code of stages', stages)}
${causeRow('Input files', inputs.map(file))}${causeRow('Tools', tools.map(value))}
<dt>Results</dt><dd>${results(causes)}${largest(metrics)}</dd>
</dl>`;
}

/** More causes of a kind than these are folded. */
const CAUSES_SHOWN = 12;

function causeRow(name: string, items: readonly Html[]): Content {
  if (items.length === 0) return null;
  const list = (some: readonly Html[]): Html =>
    html`<ul class="plain">${some.map((item) => html`<li>${item}</li>`)}</ul>`;
  const rest = items.slice(CAUSES_SHOWN);
  return html`<dt>${name} (${count(items.length)})</dt><dd>${list(items.slice(0, CAUSES_SHOWN))}${
    rest.length > 0
      ? html`<details><summary>${count(rest.length)} more</summary>${list(rest)}</details>`
      : null
  }</dd>
`;
}

const value = ({ path, before, after }: ChangedValue): Html =>
  html`<code>${path}</code>: ${before} → ${after}`;

const file = ({ file: name, change }: ChangedFile): Html => html`<code>${name}</code> ${change}`;

function results({ tasks }: ComparisonCauses): string {
  const { both, changed, onlyBefore, onlyAfter, forgotten } = tasks;
  const only = [
    ...(onlyBefore > 0 ? [`${counted(onlyBefore, 'task')} only before`] : []),
    ...(onlyAfter > 0 ? [`${counted(onlyAfter, 'task')} only after`] : []),
    ...(forgotten > 0 ? [`${counted(forgotten, 'task')} cannot be compared`] : []),
  ];
  const rest = only.length > 0 ? `; ${listed(only)}` : '';
  const those = changed === 0 ? 'none has' : changed === 1 ? 'one has' : `${count(changed)} have`;
  return `Of ${counted(both, 'task')} in both runs ${those} other outputs${rest}.`;
}

/** The accuracy that went farthest. */
function largest(metrics: Both<Metrics>): string {
  const [first] = largestFirst(pairedAccuracies(metrics), 'mean');
  const change = first && changeOf(first, 'mean');
  if (!first || !change) return '';
  return ` The largest change of a mean accuracy is ${changeWords(change)} points (${armName(first.row)}).`;
}
