// terminal.mjs — a small terminal: follows what a program writes to one, and draws its screen as an SVG

const COLORS = new Map([
  [31, 'red'],
  [32, 'green'],
  [33, 'yellow'],
  [34, 'blue'],
  [35, 'magenta'],
  [36, 'cyan'],
]);
/** The size of a character in the drawing. */
const CELL = { width: 8.4, height: 19 };
const MARGIN = 16;

/** The screen of a program: `write` what it prints, then ask for `lines`. */
export function createTerminal({ columns }) {
  const rows = [[]];
  let row = 0;
  let column = 0;
  let style = {};

  const put = (character) => {
    if (column >= columns) newLine();
    rows[row][column++] = { character, ...style };
  };
  const newLine = () => {
    row += 1;
    column = 0;
    rows[row] ??= [];
  };
  /** SGR: colours and weights. */
  const restyle = (codes) => {
    for (const code of codes) {
      if (code === 0) style = {};
      else if (code === 1) style = { ...style, bold: true };
      else if (code === 2) style = { ...style, dim: true };
      else if (code === 22) style = { color: style.color };
      else if (code === 39) style = { ...style, color: undefined };
      else if (COLORS.has(code)) style = { ...style, color: COLORS.get(code) };
    }
  };
  const control = (parameters, letter) => {
    const numbers = parameters.split(';').map(Number);
    const count = numbers[0] || 1;
    if (letter === 'm') restyle(numbers);
    else if (letter === 'A') row = Math.max(0, row - count);
    else if (letter === 'B') {
      row += count;
      while (rows.length <= row) rows.push([]);
    } else if (letter === 'C') column += count;
    else if (letter === 'G') column = count - 1;
    else if (letter === 'K' && numbers[0] === 2) rows[row] = [];
    else if (letter === 'K') rows[row].length = Math.min(rows[row].length, column);
    else if (letter === 'J') {
      rows[row].length = Math.min(rows[row].length, column);
      rows.length = row + 1;
    }
  };

  return {
    write(text) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal obeys
      for (const [whole, parameters, letter] of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|./gsu)) {
        if (letter !== undefined) {
          if (!parameters.startsWith('?')) control(parameters, letter);
        } else if (whole === '\n') newLine();
        else if (whole === '\r') column = 0;
        else if (whole >= ' ') put(whole);
      }
    },
    /** What stands on the screen, as runs of one style, without empty lines at the end. */
    lines() {
      const lines = rows.map(runsOf);
      while (lines.at(-1)?.length === 0) lines.pop();
      return lines;
    },
    text: () => rows.map((cells) => textOf(cells)).join('\n'),
  };
}

const textOf = (cells) => Array.from(cells, (cell) => cell?.character ?? ' ').join('');

function runsOf(cells) {
  const runs = [];
  for (const [at, cell] of Array.from(cells, (cell) => cell ?? { character: ' ' }).entries()) {
    const last = runs.at(-1);
    const style = [cell.color, cell.bold && 'bold', cell.dim && 'dim'].filter(Boolean).join(' ');
    if (last?.style === style) last.text += cell.character;
    else runs.push({ at, style, text: cell.character });
  }
  return runs.filter(({ text }) => text.trim() !== '');
}

const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** Colours of a terminal on light and on dark paper; the contrast of each on its paper is at least 4.5. */
const STYLE = `
.paper{fill:#f6f8fa;stroke:#d0d7de}.t{fill:#1f2328}.dim{fill:#59636e}.bold{font-weight:600}
.green{fill:#0f7030}.red{fill:#b3202c}.yellow{fill:#7d5600}.cyan{fill:#0b6a7a}.blue{fill:#0a56b0}.magenta{fill:#8a2f9c}
@media (prefers-color-scheme:dark){.paper{fill:#151b23;stroke:#3d444d}.t{fill:#e6edf3}.dim{fill:#9aa4af}
.green{fill:#5fd07a}.red{fill:#ff8a80}.yellow{fill:#e0b354}.cyan{fill:#5cc8dc}.blue{fill:#7ab7ff}.magenta{fill:#d9a0e8}}`;

/**
 * Draws lines as an SVG that follows the reader's light or dark setting.
 * @param lines as `lines()` gives them @param title for people who do not see it
 */
export function drawScreen(lines, { columns, title }) {
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = Math.ceil(lines.length * CELL.height + 2 * MARGIN);
  const rows = lines.flatMap((runs, line) =>
    runs.map(({ at, style, text }) => {
      const lead = text.length - text.trimStart().length;
      const shown = text.trim();
      const x = (MARGIN + (at + lead) * CELL.width).toFixed(1);
      const y = (MARGIN + (line + 0.75) * CELL.height).toFixed(1);
      const length = (Array.from(shown).length * CELL.width).toFixed(1);
      return `<text class="t ${style}" x="${x}" y="${y}" textLength="${length}" xml:space="preserve">${escaped(shown)}</text>`;
    }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14">
<title>${escaped(title)}</title><style>${STYLE}</style>
<rect class="paper" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${rows.join('\n')}
</svg>
`;
}
