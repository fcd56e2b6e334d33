// references.ts — the paper that is reproduced, and those whose methods are used
import { type Html, html } from '../markup/html.ts';

/** The paper that the study reproduces. */
const PAPER = 'arXiv 2604.10560';

/** A link to the reproduced paper: followed by a reader, never fetched by the page. */
export const paperLink = (): Html => html`<a href="https://arxiv.org/abs/2604.10560">${PAPER}</a>`;

interface Reference {
  readonly authors: string;
  readonly year: number;
  readonly title: string;
  readonly where: string;
  readonly url: string;
}

const REFERENCES: readonly Reference[] = [
  {
    authors: 'Efron',
    year: 1987,
    title: 'Better bootstrap confidence intervals',
    where: 'JASA 82, 171–185',
    url: 'https://doi.org/10.1080/01621459.1987.10478410',
  },
  {
    authors: 'Evci, Gale, Menick, Castro and Elsen',
    year: 2020,
    title: 'Rigging the lottery: making all tickets winners',
    where: 'ICML',
    url: 'https://arxiv.org/abs/1911.11134',
  },
  {
    authors: 'Holm',
    year: 1979,
    title: 'A simple sequentially rejective multiple test procedure',
    where: 'Scandinavian Journal of Statistics 6, 65–70',
    url: '',
  },
  {
    authors: 'Welch',
    year: 1947,
    title:
      'The generalization of ‘Student’s’ problem when several different population variances are involved',
    where: 'Biometrika 34, 28–35',
    url: 'https://doi.org/10.1093/biomet/34.1-2.28',
  },
];

/** The works behind the methods. */
export const references = (): Html => html`<h3>References</h3>
<ul class="references">${REFERENCES.map(
  ({ authors, year, title, where, url }) => html`<li>${authors} (${year}). ${
    url === '' ? title : html`<a href="${url}">${title}</a>`
  }. ${where}.</li>
`,
)}</ul>`;
