// html.ts — markup that cannot be forged: what is interpolated is escaped, unless it is markup already

/** A piece of HTML. Only `html` and `rawHtml` make one, so whatever is one has been escaped. */
export interface Html {
  readonly markup: string;
}

/** What a template takes: null and lists included, so that callers need no joins and no empty strings. */
export type Content = Html | string | number | null | readonly Content[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text made safe inside elements and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Markup from a trusted writer (the chart renderer, the style sheet); never from a study. */
export function rawHtml(markup: string): Html {
  return { markup };
}

/** A template whose values are escaped; attributes have to be quoted by the template. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  const parts = [strings[0]];
  values.forEach((value, i) => {
    parts.push(markupOf(value), strings[i + 1]);
  });
  return { markup: parts.join('') };
}

/** A list in a sentence, of pieces of HTML: `a, b and c`. */
export const listing = (items: readonly Html[]): Html =>
  html`${items.map((item, i) => [i === 0 ? '' : i === items.length - 1 ? ' and ' : ', ', item])}`;

function markupOf(content: Content): string {
  if (content === null) return '';
  if (typeof content === 'string') return escapeHtml(content);
  if (typeof content === 'number') return String(content);
  return 'markup' in content ? content.markup : content.map(markupOf).join('');
}
