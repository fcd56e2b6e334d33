// timeline-figure.ts — when the tasks of a run were made: a band for each stage, a bar for each task
import { counted, duration } from '../markup/format.ts';
import { escapeHtml, type Html, html, rawHtml } from '../markup/html.ts';
import { FAINT, GRID, PROFILE_HUES, SOFT } from '../markup/palette.ts';
import { ticks } from '../charts/scale.ts';

/** A task that was made: when it ended, in milliseconds, and how long it took. */
export interface TimedTask {
  readonly task: string;
  readonly stage: string;
  readonly seconds: number;
  readonly endedAt: number;
}

/** Bars are this high, and lower where many tasks of a stage ran at once. */
const [LANE, LOW_LANE, LANES_HIGH] = [9, 4, 6];
/** Tasks beyond these lanes share the last one. */
const LANES_MAX = 16;
/** In percent of the width: bars that are closer than that are one. */
const APART = 0.01;

interface Bar {
  readonly task: string;
  readonly seconds: number;
  readonly start: number;
  readonly end: number;
}

/** Several tasks of a lane that cannot be told apart. */
interface Piece {
  readonly first: Bar;
  count: number;
  start: number;
  end: number;
}

/** Bands of stages in the order given, on one axis of time. At least one task. Widths are in percent: the page may zoom. */
export function timeline(tasks: readonly TimedTask[], stages: readonly string[]): Html {
  const bars = new Map<string, Bar[]>();
  let [origin, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { task, stage, seconds, endedAt } of tasks) {
    const end = endedAt / 1000;
    const own = bars.get(stage) ?? [];
    bars.set(stage, own);
    own.push({ task, seconds, start: end - seconds, end });
    origin = Math.min(origin, end - seconds);
    last = Math.max(last, end);
  }
  const length = Math.max(0.001, last - origin);
  const at = (time: number): number => round((100 * (time - origin)) / length);
  const marks = ticks([0, length], 8);
  const order = [...stages.filter((stage) => bars.has(stage))];
  const bands = order.map((stage, index) => band(stage, bars.get(stage) ?? [], index, at));
  const grid = marks.map((mark) => `${at(origin + mark)}%`);
  return html`<div class="bands">
${bands.map((one) => html`<p class="band-name">${one.name}</p>${one.draw(grid)}`)}
${axis(marks, (mark) => at(origin + mark))}</div>`;
}

interface Band {
  readonly name: Html;
  readonly draw: (grid: readonly string[]) => Html;
}

function band(
  stage: string,
  bars: readonly Bar[],
  index: number,
  at: (time: number) => number,
): Band {
  const lanes = lanesOf(bars, at);
  const high = lanes.length > LANES_HIGH ? LOW_LANE : LANE;
  const height = lanes.length * (high + 1) + 1;
  const color = PROFILE_HUES[index % PROFILE_HUES.length]!.light;
  const seconds = bars.reduce((sum, bar) => sum + bar.seconds, 0);
  const rects = lanes.flatMap((pieces, lane) =>
    pieces.map(({ first, count, start, end }) => {
      const title =
        count === 1
          ? `${first.task}, ${duration(first.seconds)}`
          : `${first.task} and ${count - 1} more, ${duration(end - start)}`;
      const width = Math.max(0.05, round(at(end) - at(start) - 0.02));
      return `<rect x="${at(start)}%" y="${lane * (high + 1) + 1}" width="${width}%" height="${high}"><title>${escapeHtml(title)}</title></rect>`;
    }),
  );
  const label = `${stage}: ${counted(bars.length, 'task')}, ${duration(seconds)} of work, at most ${lanes.length} at once`;
  return {
    name: html`<b>${stage}</b> ${counted(bars.length, 'task')}, ${duration(seconds)}`,
    draw: (grid) =>
      rawHtml(
        `<svg xmlns="http://www.w3.org/2000/svg" class="band" role="img" aria-label="${escapeHtml(label)}" width="100%" height="${height}">` +
          `${grid.map((x) => `<line x1="${x}" x2="${x}" y1="0" y2="${height}" stroke="${GRID.light}"/>`).join('')}` +
          `<g fill="${color}">${rects.join('')}</g></svg>`,
      ),
  };
}

/** As many lanes as tasks ran at once; what cannot be told apart is one piece. */
function lanesOf(
  bars: readonly Bar[],
  at: (time: number) => number,
): readonly (readonly Piece[])[] {
  const lanes: Piece[][] = [];
  const until: number[] = [];
  for (const bar of [...bars].sort((a, b) => a.start - b.start)) {
    // Clocks of tasks that follow each other may overlap by a little.
    const free = until.findIndex((end) => end <= bar.start + 0.005);
    const lane = free >= 0 ? free : Math.min(until.length, LANES_MAX - 1);
    until[lane] = Math.max(until[lane] ?? 0, bar.end);
    const pieces = lanes[lane] ?? [];
    lanes[lane] = pieces;
    const before = pieces[pieces.length - 1];
    const isOne =
      before !== undefined &&
      at(bar.end) - at(before.start) < APART * 10 &&
      at(bar.start) - at(before.end) < APART;
    if (before !== undefined && (isOne || bar.start < before.end - 0.005)) {
      before.count += 1;
      before.end = Math.max(before.end, bar.end);
    } else pieces.push({ first: bar, count: 1, start: bar.start, end: bar.end });
  }
  return lanes;
}

function axis(marks: readonly number[], at: (mark: number) => number): Html {
  const words = marks.map((mark) => {
    const x = at(mark);
    const anchor = x < 3 ? 'start' : x > 97 ? 'end' : 'middle';
    return `<line x1="${x}%" x2="${x}%" y1="0" y2="4" stroke="${FAINT.light}"/><text x="${x}%" y="16" text-anchor="${anchor}" font-family="sans-serif" font-size="11" fill="${SOFT.light}">${escapeHtml(mark === 0 ? '0' : duration(mark))}</text>`;
  });
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" class="band" aria-hidden="true" width="100%" height="20"><line x1="0" x2="100%" y1="0.5" y2="0.5" stroke="${FAINT.light}"/>${words.join('')}</svg>`,
  );
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
