// format.ts — numbers as they are printed: fixed digits, a true minus sign, no locale
import { rounded } from '../../claims/words.ts';

const NARROW_SPACE = '\u202f';
const MINUS = '\u2212';
const DASH = '\u2013';

/** A number of fixed digits, with a true minus sign, and no sign on a zero. */
export function fixed(value: number, digits: number): string {
  const text = rounded(Math.abs(value), digits);
  return value < 0 && /[1-9]/.test(text) ? `${MINUS}${text}` : text;
}

/** A fraction in percent, without the sign: 0.97412 is `97.41`. */
export function percent(fraction: number, digits = 2): string {
  return fixed(fraction * 100, digits);
}

/** A fraction in percent, with the sign. */
export function percentage(fraction: number, digits = 2): string {
  return `${percent(fraction, digits)}${NARROW_SPACE}%`;
}

/** A number of fixed digits that always has its sign, but for a zero. */
export function signed(value: number, digits: number): string {
  const text = fixed(value, digits);
  return text.startsWith(MINUS) || !/[1-9]/.test(text) ? text : `+${text}`;
}

/** A difference of fractions in percentage points, always signed: `+0.16`, `−0.40`. */
export function points(difference: number, digits = 2): string {
  return signed(difference * 100, digits);
}

/** What stands where no number can. */
export const NOTHING = DASH;

/** A whole number with its thousands set apart: `60 000`, and `9999` as it is. */
export function count(value: number): string {
  const text = String(value);
  return text.length < 5 ? text : text.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE);
}

/** `1 run`, `3 runs`. */
export function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** A probability as papers print it: three digits, `< 0.001` below. */
export const probability = (p: number): string => (p < 0.001 ? '< 0.001' : fixed(p, 3));

/** A list in a sentence: `a, b and c`. */
export function listed(items: readonly string[]): string {
  if (items.length < 2) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items[items.length - 1]}`;
}

/** The coordinate `0.9` as `90 % sparse`; what is no number is shown as it came. */
export function sparsityName(sparsity: string): string {
  const fraction = Number(sparsity);
  if (sparsity.trim() === '' || Number.isNaN(fraction)) return sparsity;
  return `${Number((fraction * 100).toFixed(4))}${NARROW_SPACE}% sparse`;
}

/** The coordinate `erk` as it is written in prose: `ERK layers`. */
export function ruleName(rule: string): string {
  return `${rule === 'erk' ? 'ERK' : rule} layers`;
}

/** Widths of layers, `128-64`, as they are printed. */
export const widths = (network: string): string => network.replace(/(?<=\d)-(?=\d)/g, DASH);

/** The place of a run, `mnist` or `mnist 128-64`, as it is printed. */
export function placeName(place: string): string {
  const [dataset = '', ...network] = place.split(' ');
  return [dataset, ...network.map(widths)].join(' ');
}

/** Whether a word of a label is a sparsity, a layer rule or a network: `0.9`, `erk`, `128-64`. */
export const isPlaceWord = (word: string): boolean =>
  word === 'erk' || /^0?\.\d+$/.test(word) || /^\d+(?:-\d+)+$/.test(word);

/** The words of a contrast's label as prose has them: `0.9 erk uniform` as `90 % sparse`, `ERK layers` and `uniform`. */
export function labelWords(label: string): readonly string[] {
  const told: string[] = [];
  let plain: string[] = [];
  const flush = (): void => {
    if (plain.length > 0) told.push(plain.join(' '));
    plain = [];
  };
  for (const word of label.split(' ').filter((one) => one !== '')) {
    if (!isPlaceWord(word)) {
      plain.push(word);
      continue;
    }
    flush();
    const prose = word === 'erk' ? ruleName(word) : /^0?\./.test(word) ? sparsityName(word) : word;
    told.push(widths(prose));
  }
  flush();
  return told;
}

/** The first digits of a digest, enough to tell blobs of one study apart by eye. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 10);
}

/** Text cut to a number of characters, for a place on a chart that has no more room. */
export function cut(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

/** A text that begins with a capital letter. */
export const sentence = (text: string): string =>
  `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

/** Seconds as people say them: `0.42 s`, `37 s`, `12 min 05 s`, `3 h 20 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${fixed(seconds, 2)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${padded(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${padded(Math.floor(whole / 60) % 60)} min`;
}

function padded(value: number): string {
  return String(value).padStart(2, '0');
}
