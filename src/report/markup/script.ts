// script.ts — what a browser adds to the report: sorting, filtering, highlighting, links. All is there without it

/**
 * Runs in the reader's browser, alone: it asks for nothing and stores nothing. Without it every number and figure is there.
 * Sorting moves rows within their group, by the number that a cell begins with, else by its text.
 */
export const SCRIPT = `
(() => {
'use strict';
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// Tables scroll by keyboard only where they are wider than their place.
const settle = () => {
  // All are measured before any is changed, and none that is folded: measures and changes in turn lay the page out each time.
  const shown = all('.scroll, .chart').filter((box) => !box.closest('details:not([open])'));
  const boxes = shown.map((box) => [box, box.scrollWidth > box.clientWidth + 1]);
  for (const [box, scrolls] of boxes) {
    box.classList.toggle('scrolls', scrolls);
    if (scrolls) box.tabIndex = 0;
    else if (!box.matches('[data-points]')) box.removeAttribute('tabindex');
  }
};
addEventListener('resize', settle);
addEventListener('toggle', settle, true);
settle();

// Sorting.
const valueOf = (cell) => {
  const text = (cell?.textContent ?? '').trim().replaceAll('\\u2212', '-').replaceAll('\\u202f', '');
  const number = parseFloat(text.replace(/^[<+]\\s*/, ''));
  return Number.isNaN(number) ? text : number;
};
const compare = (a, b) =>
  typeof a === 'number' && typeof b === 'number' ? a - b
  : typeof a === 'number' ? -1 : typeof b === 'number' ? 1 : a < b ? -1 : a > b ? 1 : 0;
const original = new WeakMap();
function sortBy(bodies, column, direction) {
  for (const body of bodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains('group'));
    if (!original.has(body)) original.set(body, rows);
    const sorted = direction === 'none' ? original.get(body)
      : [...original.get(body)].sort((a, b) => {
          const by = compare(valueOf(a.cells[column]), valueOf(b.cells[column]));
          return direction === 'ascending' ? by : -by;
        });
    body.append(...sorted);
  }
}
const NEXT = { none: 'ascending', ascending: 'descending', descending: 'none' };
for (const table of all('table.numbers')) {
  const heads = all('thead tr:last-child th[scope="col"]', table);
  // Two rows need no sorting, and where cells span columns there is nothing to sort by.
  const bodies = [...table.tBodies].filter((body) =>
    body.rows.length > 3 &&
    [...body.rows].every((row) => row.classList.contains('group') || row.cells.length >= heads.length));
  if (bodies.length === 0) continue;
  const buttons = heads.map((head, column) => {
    const button = make('button', { type: 'button', className: 'sort', tabIndex: column === 0 ? 0 : -1 });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const direction = NEXT[head.getAttribute('aria-sort') ?? 'none'];
      for (const other of heads) other.removeAttribute('aria-sort');
      if (direction !== 'none') head.setAttribute('aria-sort', direction);
      sortBy(bodies, column, direction);
    });
    return button;
  });
  table.tHead.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = buttons.indexOf(document.activeElement);
    const next = step && at >= 0 ? buttons[at + step] : undefined;
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  });
}

// Filtering of long tables.
for (const table of all('table.numbers, table.sources')) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => !row.classList.contains('group'));
  if (rows.length < 20) continue;
  const name = table.closest('[aria-label]')?.getAttribute('aria-label') ?? 'this table';
  const input = make('input', { type: 'search', placeholder: 'Filter rows' });
  input.setAttribute('aria-label', 'Filter rows of ' + name);
  input.addEventListener('input', () => {
    const words = input.value.toLowerCase().split(/\\s+/).filter(Boolean);
    for (const row of rows) {
      const group = row.parentElement.querySelector('.group')?.textContent ?? '';
      const text = (group + ' ' + row.textContent).toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.closest('.table')?.insertBefore(make('p', { className: 'filter' }, input), table.closest('.scroll'));
}

// One or two profiles or seeds, highlighted everywhere.
const nav = document.querySelector('nav[aria-label="Contents"]');
const profiles = [...new Set(all('[data-profile]').map((one) => one.dataset.profile))];
if (nav && profiles.length > 1) {
  const seeds = [...new Set(all('svg title').flatMap((title) => /\\b(seed \\S+?)(?=[:,]|$)/.exec(title.textContent)?.[1] ?? []))];
  const choice = (label, blank, names) => {
    const select = make('select', {}, make('option', { value: '' }, blank),
      ...names.map((name) => make('option', { value: name }, name)));
    select.setAttribute('aria-label', label);
    return select;
  };
  const first = choice('Profile to highlight', 'a profile', profiles);
  const second = choice('Profile to compare it with', 'another', profiles);
  const seed = choice('Seed to highlight', 'any seed', seeds);
  const holds = (text, name) => {
    for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
      if (!/[\\w.-]/.test(text[at - 1] ?? ' ') && !/[\\w-]/.test(text[at + name.length] ?? ' ')) return true;
    }
    return false;
  };
  const show = () => {
    const names = [first.value, second.value].filter(Boolean);
    const chosen = names.length > 0 || seed.value !== '';
    for (const row of all('tr[data-profile]')) {
      row.classList.toggle('lit', names.includes(row.dataset.profile));
    }
    for (const title of all('figure svg title')) {
      const text = title.textContent;
      const isNamed = names.length === 0 || names.some((name) => holds(text, name)) || !profiles.some((name) => holds(text, name));
      const isSeed = seed.value === '' || !/\\bseed /.test(text) || holds(text, seed.value);
      title.parentElement.classList.toggle('dim', chosen && !(isNamed && isSeed));
    }
    compareProfiles(first.value, second.value);
  };
  for (const select of [first, second, seed]) select.addEventListener('change', show);
  nav.append(make('p', { className: 'highlight' }, 'Highlight ', first, ' and ', second,
    ...(seeds.length > 1 ? [' ', seed] : [])));
}

// Two profiles compared: what the tables of accuracy say of both, and the difference.
const board = make('aside', { className: 'compare', hidden: true });
board.setAttribute('aria-label', 'Comparison of two profiles');
board.setAttribute('aria-live', 'polite');
document.querySelector('main')?.append(board);
const signed = (value) => (value < -0.005 ? '\u2212' : value > 0.005 ? '+' : '') + Math.abs(value).toFixed(2);
function compareProfiles(a, b) {
  board.hidden = a === '' || b === '' || a === b;
  if (board.hidden) return;
  const lines = [];
  for (const body of all('table.accuracy tbody')) {
    const rows = [a, b].map((name) => [...body.rows].find((row) => row.dataset.profile === name));
    if (rows.includes(undefined)) continue;
    const place = [body.closest('.table').querySelector('.caption b')?.textContent, body.querySelector('.group')?.textContent.trim()];
    for (const [method, column] of [['static', 1], ['RigL', 5]]) {
      const [x, y] = rows.map((row) => valueOf(row.cells[column]));
      if (typeof x === 'number' && typeof y === 'number') {
        lines.push(make('tr', {}, make('th', { scope: 'row' }, [...place, method].filter(Boolean).join(', ')),
          ...[x.toFixed(2), y.toFixed(2), signed(x - y)].map((text) => make('td', {}, text))));
      }
    }
  }
  const heads = ['Mean test accuracy, %', a, b, 'difference'].map((text) => make('th', { scope: 'col' }, text));
  const close = make('button', { type: 'button', className: 'step' }, 'Close');
  close.addEventListener('click', () => { board.hidden = true; });
  board.replaceChildren(close, lines.length === 0 ? make('p', {}, 'No table has both.')
    : make('table', { className: 'numbers' }, make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...lines)));
}

// Values of points: at once under the pointer, and by arrow keys from a figure.
const tip = make('div', { className: 'tip' });
tip.setAttribute('role', 'status');
document.body.append(tip);
const titleOf = (element) => [...(element?.children ?? [])].find((child) => child.tagName === 'title');
let shown;
const hide = () => {
  if (shown) {
    shown.title.textContent = shown.text;
    shown.mark.classList.remove('at');
  }
  shown = undefined;
  tip.textContent = '';
};
function tell(mark) {
  const title = titleOf(mark);
  if (shown?.mark === mark || !title) return;
  hide();
  // Without its title for as long as it is shown: the browser would show it a second time.
  shown = { mark, title, text: title.textContent };
  title.textContent = '';
  mark.classList.add('at');
  tip.textContent = shown.text;
  const at = mark.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const left = Math.min(Math.max(4, at.left + at.width / 2 - size.width / 2), innerWidth - size.width - 4);
  const above = at.top - size.height - 8;
  tip.style.left = left + 'px';
  tip.style.top = (above > 4 ? above : Math.min(at.bottom + 8, innerHeight - size.height - 4)) + 'px';
}
document.addEventListener('pointerover', ({ target }) => {
  let mark = target;
  while (mark instanceof SVGElement && !titleOf(mark)) mark = mark.parentElement;
  if (mark instanceof SVGElement) tell(mark);
  else hide();
});
document.addEventListener('keydown', ({ key }) => { if (key === 'Escape') hide(); });
for (const figure of all('figure')) {
  const chart = all('.chart', figure).find((one) => one.querySelector('svg title'));
  if (!chart) continue;
  chart.dataset.points = '';
  chart.tabIndex = 0;
  chart.setAttribute('role', 'group');
  const name = figure.querySelector('figcaption b')?.textContent ?? chart.getAttribute('aria-label') ?? 'Figure';
  chart.setAttribute('aria-label', name.trim() + ' Left and right arrow keys read its values.');
  let marks = [];
  let at = -1;
  chart.addEventListener('focus', () => {
    marks = all('svg title', figure).map((title) => title.parentElement)
      .filter((mark) => mark.tagName !== 'text' && !mark.closest('details:not([open])'));
    at = -1;
  });
  chart.addEventListener('blur', hide);
  chart.addEventListener('keydown', (event) => {
    const next = { ArrowRight: at + 1, ArrowLeft: at < 0 ? marks.length - 1 : at - 1, Home: 0, End: marks.length - 1 }[event.key];
    if (next === undefined || marks.length === 0) return;
    event.preventDefault();
    at = (next + marks.length) % marks.length;
    marks[at].scrollIntoView({ block: 'nearest', inline: 'nearest' });
    tell(marks[at]);
  });
}
settle();

// Zooming timelines.
for (const chart of all('.chart.timeline')) {
  const bands = chart.querySelector('.bands');
  let factor = 1;
  const zoom = (step) => {
    const middle = (chart.scrollLeft + chart.clientWidth / 2) / chart.scrollWidth;
    factor = Math.min(64, Math.max(1, factor * step));
    bands.style.width = factor * 100 + '%';
    chart.scrollLeft = middle * chart.scrollWidth - chart.clientWidth / 2;
    settle();
  };
  const button = (text, label, step) => {
    const one = make('button', { type: 'button', className: 'step' }, text);
    one.setAttribute('aria-label', label);
    one.addEventListener('click', () => zoom(step));
    return one;
  };
  chart.before(make('p', { className: 'zoom' }, 'Zoom ', button('\u2212', 'Zoom out', 0.5), ' ', button('+', 'Zoom in', 2)));
  chart.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.25 : 0.8);
  }, { passive: false });
}

// The section that is read is marked in the contents: the one that crosses a line a third down the window.
const linkOf = new Map(all('nav a[href^="#"]').flatMap((link) => {
  const section = document.getElementById(link.hash.slice(1));
  return section ? [[section, link]] : [];
}));
const reading = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const link = linkOf.get(target);
    if (!isIntersecting) link.removeAttribute('aria-current');
    else {
      link.setAttribute('aria-current', 'location');
      const box = link.closest('nav');
      // Only the contents scroll, and only where they are longer than the window.
      if (box.scrollHeight > box.clientHeight) box.scrollTop = link.offsetTop - box.clientHeight / 2;
    }
  }
}, { rootMargin: '-33% 0px -66% 0px' });
for (const section of linkOf.keys()) reading.observe(section);

// Links to sections, figures and rows.
for (const target of all('h2[id], h3[id], figure[id], section[id] > h2')) {
  const id = target.id.replace(/-title$/, '') || target.parentElement.id;
  const place = target.matches('figure') ? target.querySelector('figcaption') : target;
  const link = make('a', { className: 'permalink', href: '#' + id, tabIndex: -1, title: 'Copy a link to this' }, '#');
  link.setAttribute('aria-hidden', 'true');
  link.addEventListener('click', () => navigator.clipboard?.writeText(new URL('#' + id, location.href).href).catch(() => undefined));
  place?.append(' ', link);
}
})();
`;

/** The digest by which the page's policy knows the script, in base64. A test holds it to account. */
export const SCRIPT_SHA256 = 'vvlW1QrH9FWpY8ikxyOKUhj5HHEYzoWCagLFWyj3iiY=';
