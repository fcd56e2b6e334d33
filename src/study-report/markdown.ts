// markdown.ts — Markdown as markup: what it may say is escaped, no HTML passes, and nothing is fetched
import { type Content, type Html, html, rawHtml } from '../report/markup/html.ts';

/** Nested lists and quotes end here: deeper ones are text. */
const DEPTH_MAX = 8;

/**
 * Draws headings, paragraphs, lists, quotes, code, tables, rules, emphasis and links. HTML is shown as it is written.
 * Images are links to what they would show, since a page fetches nothing.
 * @param level of a heading of the first rank
 */
export function markdown(text: string, level = 3): Html {
  const lines = text.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n');
  return html`${blocks(lines, level, 0)}`;
}

interface Block {
  readonly content: Content;
  /** The line after it. */
  readonly next: number;
}

function blocks(lines: readonly string[], level: number, depth: number): readonly Content[] {
  const found: Content[] = [];
  for (let at = 0; at < lines.length; ) {
    if (lineAt(lines, at).trim() === '') {
      at += 1;
      continue;
    }
    const block = blockAt(lines, at, level, depth);
    found.push(block.content, '\n');
    at = block.next;
  }
  return found;
}

const lineAt = (lines: readonly string[], at: number): string => lines[at] ?? '';

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})(?: +|$)(.*?)(?: +#+)? *$/;
const RULE = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])(?: +|$)/;
const DIVIDER = /^ *\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$/;

function blockAt(lines: readonly string[], at: number, level: number, depth: number): Block {
  const line = lineAt(lines, at);
  const fence = FENCE.exec(line)?.[1];
  if (fence !== undefined) return fenced(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) {
    const rank = Math.min(6, level + (heading[1]?.length ?? 1) - 1);
    return { content: headingOf(rank, inline(heading[2] ?? '')), next: at + 1 };
  }
  if (RULE.test(line)) return { content: rawHtml('<hr>'), next: at + 1 };
  if (depth < DEPTH_MAX && QUOTE.test(line)) return quoted(lines, at, level, depth);
  if (depth < DEPTH_MAX && ITEM.test(line)) return listed(lines, at, level, depth);
  if (
    line.includes('|') &&
    DIVIDER.test(lineAt(lines, at + 1)) &&
    lineAt(lines, at + 1).includes('-')
  ) {
    return tabled(lines, at);
  }
  return paragraph(lines, at, depth);
}

const headingOf = (rank: number, content: Html): Html =>
  html`${rawHtml(`<h${rank}>`)}${content}${rawHtml(`</h${rank}>`)}`;

function fenced(lines: readonly string[], at: number, fence: string): Block {
  const end = new RegExp(`^ {0,3}${fence[0] === '`' ? '`' : '~'}{${fence.length},} *$`);
  let next = at + 1;
  while (next < lines.length && !end.test(lineAt(lines, next))) next += 1;
  const code = lines.slice(at + 1, next).join('\n');
  const label = html`<div class="scroll" role="region" tabindex="0" aria-label="Code"><pre><code>${code}</code></pre></div>`;
  return { content: label, next: next + 1 };
}

function quoted(lines: readonly string[], at: number, level: number, depth: number): Block {
  let next = at;
  while (QUOTE.test(lineAt(lines, next))) next += 1;
  const inner = lines.slice(at, next).map((line) => line.replace(QUOTE, ''));
  return { content: html`<blockquote>${blocks(inner, level, depth + 1)}</blockquote>`, next };
}

/** Items with what is indented below them. */
function listed(lines: readonly string[], at: number, level: number, depth: number): Block {
  const number = ITEM.exec(lineAt(lines, at))?.[3];
  const items: string[][] = [];
  let next = at;
  let indent = 0;
  for (; next < lines.length; next++) {
    const line = lineAt(lines, next);
    const item = ITEM.exec(line);
    const isIndented = /^ */.exec(line)?.[0].length ?? 0;
    if (
      item &&
      isIndented < Math.max(2, indent) &&
      (item[3] !== undefined) === (number !== undefined)
    ) {
      indent = item[0].length;
      items.push([line.slice(indent)]);
    } else if (line.trim() === '') {
      const after = lineAt(lines, next + 1);
      const goesOn = after.startsWith('  ') || (ITEM.test(after) && !RULE.test(after));
      if (!goesOn) break;
      items.at(-1)?.push('');
    } else if (isIndented >= 2) items.at(-1)?.push(line.slice(Math.min(isIndented, indent)));
    else if (item || startsBlock(line)) break;
    else items.at(-1)?.push(line);
  }
  const drawn = items.map((item) => html`<li>${itemContent(item, level, depth)}</li>\n`);
  const start = Number(number ?? 1);
  if (number === undefined) return { content: html`<ul>\n${drawn}</ul>`, next };
  return { content: html`<ol start="${start}">\n${drawn}</ol>`, next };
}

/** One paragraph alone is the item itself. */
function itemContent(lines: readonly string[], level: number, depth: number): Content {
  const end = lines.findIndex((line, at) => at > 0 && (line.trim() === '' || startsBlock(line)));
  const first = end < 0 ? lines : lines.slice(0, end);
  const rest = end < 0 ? [] : lines.slice(end);
  const isText = !startsBlock(first[0] ?? '');
  if (!isText) return blocks(lines, level, depth + 1);
  return [inline(first.join('\n').trim()), rest.length > 0 ? blocks(rest, level, depth + 1) : null];
}

const startsBlock = (line: string): boolean =>
  [FENCE, HEADING, RULE, QUOTE, ITEM].some((pattern) => pattern.test(line));

function tabled(lines: readonly string[], at: number): Block {
  const head = cellsOf(lineAt(lines, at));
  const isRight = cellsOf(lineAt(lines, at + 1)).map((cell) => cell.endsWith(':'));
  let next = at + 2;
  while (lineAt(lines, next).includes('|') && lineAt(lines, next).trim() !== '') next += 1;
  const cell = (text: string, column: number): Html =>
    html`<td class="${isRight[column] ? 'right' : 'words'}">${inline(text)}</td>`;
  const rows = lines.slice(at + 2, next).map((line) => {
    const cells = cellsOf(line).slice(0, head.length);
    return html`<tr>${head.map((_, column) => cell(cells[column] ?? '', column))}</tr>\n`;
  });
  const heads = head.map(
    (text, column) =>
      html`<th scope="col" class="${isRight[column] ? 'right' : 'words'}">${inline(text)}</th>`,
  );
  const table = html`<table><thead><tr>${heads}</tr></thead><tbody>\n${rows}</tbody></table>`;
  const content = html`<div class="table"><div class="scroll" role="region" tabindex="0" aria-label="Table">${table}</div></div>`;
  return { content, next };
}

const cellsOf = (line: string): readonly string[] =>
  line
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));

function paragraph(lines: readonly string[], at: number, depth: number): Block {
  let next = at + 1;
  const goesOn = (line: string): boolean =>
    line.trim() !== '' &&
    (depth >= DEPTH_MAX ||
      !startsBlock(line) ||
      (/^ {0,3}\d+[.)] /.test(line) && !/^ {0,3}1[.)] /.test(line)));
  while (next < lines.length && goesOn(lineAt(lines, next))) next += 1;
  const text = lines
    .slice(at, next)
    .map((line) => line.replace(/^ +/, ''))
    .join('\n');
  return { content: html`<p>${inline(text.trimEnd())}</p>`, next };
}

/** A longer span of emphasis or code is none: whoever forgot its end. */
const SPAN_MAX = 4000;

/** Whatever begins something within a line, with the text before it. */
const INLINE =
  /(\\[!-/:-@[-`{-~])|(`+)(?!`)|(!?)\[|(\*\*|__|\*|_|~~)|<((?:https?:\/\/|mailto:)[^\s<>]+)>|( {2,}|\\)\n/;

/** Text with emphasis, code and links. */
function inline(text: string, depth = 0): Html {
  const parts: Content[] = [];
  let rest = text;
  while (rest !== '') {
    const match = INLINE.exec(rest);
    if (match === null || depth > DEPTH_MAX) break;
    const before = rest.slice(0, match.index);
    parts.push(before);
    const from = rest.slice(match.index);
    const one = spanOf(
      from,
      match,
      before.at(-1) ?? text[text.length - rest.length - 1] ?? ' ',
      depth,
    );
    parts.push(one?.content ?? match[0]);
    rest = from.slice(one?.length ?? match[0].length);
  }
  parts.push(rest);
  return html`${parts}`;
}

interface Span {
  readonly content: Content;
  readonly length: number;
}

function spanOf(
  from: string,
  match: RegExpExecArray,
  before: string,
  depth: number,
): Span | undefined {
  const [whole, escaped, ticks, image, mark, address, end] = match;
  if (escaped !== undefined) return { content: escaped.slice(1), length: 2 };
  if (end !== undefined) return { content: rawHtml('<br>\n'), length: whole.length };
  if (address !== undefined) return { content: linkTo(address, address), length: whole.length };
  if (ticks !== undefined) return codeSpan(from, ticks);
  if (mark !== undefined) return emphasis(from, mark, before, depth);
  return image === undefined ? undefined : linkSpan(from, image, depth);
}

function codeSpan(from: string, ticks: string): Span | undefined {
  const end = new RegExp(`(?<!\`)\`{${ticks.length}}(?!\`)`).exec(
    from.slice(ticks.length, SPAN_MAX),
  );
  if (end === null) return undefined;
  const code = from.slice(ticks.length, ticks.length + end.index).replaceAll('\n', ' ');
  const bare = /^ .*[^ ].* $/s.test(code) ? code.slice(1, -1) : code;
  return { content: html`<code>${bare}</code>`, length: 2 * ticks.length + end.index };
}

function emphasis(from: string, mark: string, before: string, depth: number): Span | undefined {
  const isWord = mark.startsWith('_') && /\w/.test(before);
  if (isWord || !/^\S/.test(from.slice(mark.length))) return undefined;
  const within = from.slice(0, SPAN_MAX);
  for (
    let end = within.indexOf(mark, mark.length + 1);
    end > 0;
    end = within.indexOf(mark, end + 1)
  ) {
    const after = from[end + mark.length] ?? ' ';
    const isLonger = mark.length === 1 && (after === mark || from[end - 1] === mark);
    if (/\s/.test(from[end - 1] ?? ' ') || isLonger || from[end - 1] === '\\') continue;
    if (mark.startsWith('_') && /\w/.test(after)) continue;
    const inner = inline(from.slice(mark.length, end), depth + 1);
    const content =
      mark === '~~'
        ? html`<del>${inner}</del>`
        : mark.length === 2
          ? html`<strong>${inner}</strong>`
          : html`<em>${inner}</em>`;
    return { content, length: end + mark.length };
  }
  return undefined;
}

function linkSpan(from: string, image: string, depth: number): Span | undefined {
  const match =
    /^!?\[((?:[^[\]\\]|\\.|\[[^[\]]*\])*)\]\(\s*<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/.exec(
      from.slice(0, SPAN_MAX),
    );
  if (match === null) return undefined;
  const [whole, label = '', address = ''] = match;
  const words = image === '' ? inline(label, depth + 1) : html`${label === '' ? 'image' : label}`;
  return { content: linkTo(address, words), length: whole.length };
}

/** Pages, mail, and places beside or within the page: no other address becomes a link. */
const ADDRESS = /^(?:https?:\/\/|mailto:|#|\.{0,2}\/?[\w%][\w%./#?=&+-]*$)/i;

function linkTo(address: string, words: Content): Content {
  if (!ADDRESS.test(address)) return words;
  return html`<a href="${address}" rel="noreferrer">${words}</a>`;
}
