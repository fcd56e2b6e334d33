// comparison-words.ts — how a comparison names arms and words differences
import { number, type Row, text } from './comparison-data.ts';
import { fixed, NOTHING, placeName, ruleName, signed, sparsityName } from './markup/format.ts';

/** Where an arm was trained: `digits, 90 % sparse, ERK layers`. */
export const settingName = (row: Row): string =>
  row.method === 'dense'
    ? placeName(text(row.dataset))
    : [
        placeName(text(row.dataset)),
        sparsityName(text(row.sparsity)),
        ruleName(text(row.rule)),
      ].join(', ');

/** What was trained there: `RigL uniform`. */
export const methodName = (row: Row): string =>
  row.method === 'dense'
    ? 'dense'
    : `${METHODS.get(text(row.method)) ?? text(row.method)} ${text(row.profile)}`;

const METHODS: ReadonlyMap<string, string> = new Map([['rigl', 'RigL']]);

export const armName = (row: Row): string => `${settingName(row)}: ${methodName(row)}`;

/** A difference with its sign; one that rounds to nothing is said to be small. */
export function changeWords(change: number, digits = 2): string {
  const words = signed(change, digits);
  if (change === 0 || /[1-9]/.test(words)) return words;
  return `${change < 0 ? '\u2212' : '+'}\u202f<\u202f0.${'0'.repeat(digits - 1)}1`;
}

/** A mean and its SD. */
export function meanWords(row: Row | undefined): string {
  const [centre, sd] = [number(row?.mean), number(row?.sd)];
  if (centre === null) return NOTHING;
  return sd === null ? `${fixed(centre, 2)} (one seed)` : `${fixed(centre, 2)} (${fixed(sd, 2)})`;
}

/** How many runs, and of how many where some are missing. */
export const runsOf = (row: Row | undefined): string =>
  row === undefined || row.n === row.n_expected
    ? text(row?.n)
    : `${text(row.n)} of ${text(row.n_expected)}`;
