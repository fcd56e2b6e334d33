// links.ts — what a page shows, as the part of its address behind `#`: a link to exactly this view
/** A view and its settings. Values are text; a setting that is not there has its default. */
export interface Place {
  readonly view: string;
  readonly settings: { readonly [name: string]: string };
}

const NAMES = /^[A-Za-z][\w-]{0,31}$/;
/** A longer address is cut off by some programs. */
const LENGTH_MAX = 16_000;

/** Reads `#/table?stage=rigl&sort=-accuracy`. Whatever cannot be read is left out. */
export function placeIn(hash: string): Place {
  const text = hash.replace(/^#\/?/, '').slice(0, LENGTH_MAX);
  const question = text.indexOf('?');
  const view = question < 0 ? text : text.slice(0, question);
  const settings: { [name: string]: string } = Object.create(null);
  if (question >= 0) {
    for (const [name, value] of new URLSearchParams(text.slice(question + 1))) {
      if (NAMES.test(name)) settings[name] = value;
    }
  }
  return { view: NAMES.test(view) ? view : '', settings };
}

/** The same back as text. Empty settings are left out. */
export function hashOf({ view, settings }: Place): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(settings)) if (value !== '') words.set(name, value);
  const query = words.toString();
  return `#/${view}${query === '' ? '' : `?${query}`}`;
}

/** A place with some settings changed; undefined removes one. */
export function changed(
  { view, settings }: Place,
  changes: { readonly [name: string]: string | undefined },
): Place {
  const next: { [name: string]: string } = { ...settings };
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete next[name];
    else next[name] = value;
  }
  return { view, settings: next };
}

/** A list within one setting: entries may hold commas. */
export const listIn = (text: string | undefined): readonly string[] =>
  text === undefined || text === '' ? [] : text.split(';').map((one) => one.replaceAll('%3B', ';'));

export const listText = (list: readonly string[]): string =>
  list.map((one) => one.replaceAll(';', '%3B')).join(';');
