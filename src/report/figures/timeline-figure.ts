// timeline-figure.ts — when each task of a run was made, side by side where they ran at once
import { duration } from '../markup/format.ts';
import { escapeHtml, type Html, rawHtml } from '../markup/html.ts';
import { FAINT, PROFILE_HUES, SOFT } from '../markup/palette.ts';
import { ticks } from '../charts/scale.ts';

/** A task that was made: when it ended, in milliseconds, and how long it took. */
export interface TimedTask {
  readonly task: string;
  readonly stage: string;
  readonly seconds: number;
  readonly endedAt: number;
}

const WIDTH = 960;
const LANE = 13;
const EDGE = 14;

/** One bar a task, in as many lanes as ran at once. At least one task. */
export function timelineSvg(tasks: readonly TimedTask[], stages: readonly string[]): Html {
  const bars = tasks
    .map((task) => ({
      ...task,
      end: task.endedAt / 1000,
      start: task.endedAt / 1000 - task.seconds,
    }))
    .sort((a, b) => a.start - b.start);
  const origin = bars.reduce((least, { start }) => Math.min(least, start), bars[0]!.start);
  const length = Math.max(
    0.001,
    bars.reduce((most, { end }) => Math.max(most, end), bars[0]!.end) - origin,
  );
  const lanes: number[] = [];
  const x = (at: number): number => round(EDGE + ((WIDTH - 2 * EDGE) * (at - origin)) / length);
  const rects = bars.map(({ task, stage, seconds, start, end }) => {
    // Clocks of tasks that follow each other may overlap by a little.
    const free = lanes.findIndex((until) => until <= start + 0.005);
    const lane = free < 0 ? lanes.length : free;
    lanes[lane] = end;
    const color = PROFILE_HUES[Math.max(0, stages.indexOf(stage)) % PROFILE_HUES.length]!.light;
    const width = Math.max(0.6, round(x(end) - x(start) - 0.3));
    return `<rect x="${x(start)}" y="${lane * LANE}" width="${width}" height="${LANE - 2}" fill="${color}"><title>${escapeHtml(task)}, ${duration(seconds)}</title></rect>`;
  });
  const base = lanes.length * LANE + 3;
  const marks = ticks([0, length], 8).map((at) => {
    const place = x(origin + at);
    return (
      `<line x1="${place}" x2="${place}" y1="${base}" y2="${base + 4}" stroke="${FAINT.light}"/>` +
      `<text x="${place}" y="${base + 16}" text-anchor="middle" font-family="sans-serif" font-size="11" fill="${SOFT.light}">${escapeHtml(at === 0 ? '0' : duration(at))}</text>`
    );
  });
  const height = base + 22;
  return rawHtml(
    `<svg xmlns="http://www.w3.org/2000/svg" class="timeline" role="img" aria-label="When each of ${tasks.length} tasks was made" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">` +
      `<line x1="${EDGE}" x2="${WIDTH - EDGE}" y1="${base}" y2="${base}" stroke="${FAINT.light}"/>${rects.join('')}${marks.join('')}</svg>`,
  );
}

const round = (value: number): number => Math.round(value * 100) / 100;
