/// <reference lib="dom" />
// curves-figure.tsx — curves by name: one chart for each number, those that tell most first
import { headlineRank } from '../../analysis/order.ts';
import { coloursOf } from '../charts/chart-colours.ts';
import { CurveChart } from '../charts/curve-chart.tsx';
import { Legend } from '../charts/figure.tsx';
import type { Curve } from '../forms.ts';
import { setSettings, useShared } from './state.ts';

/** Curves by name: one chart for each number, one line for each task. What tells most comes first. */
export function CurvesFigure({
  curves,
  title,
  limit = 12,
}: {
  readonly curves: readonly Curve[];
  readonly title: string;
  /** So many charts at once. */
  readonly limit?: number;
}) {
  const { place } = useShared();
  const only = place.settings.number ?? '';
  const weight = Math.min(0.99, Math.max(0, Number(place.settings.smooth) || 0));
  const names = [...new Set(curves.map(({ name }) => name))].sort(
    (a, b) => headlineRank(a) - headlineRank(b),
  );
  const tasks = [...new Set(curves.map(({ task }) => task))];
  const shown = names.includes(only) ? [only] : names.slice(0, limit);
  return (
    <section aria-labelledby="curves">
      <h2 id="curves">{title}</h2>
      <p class="controls">
        {names.length > 1 && (
          <label>
            Number{' '}
            <select
              value={only}
              onChange={({ currentTarget }) =>
                setSettings(place, { number: currentTarget.value || undefined }, 'replace')
              }
            >
              <option value="">{names.length > limit ? `the first ${limit}` : 'all'}</option>
              {names.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <label>
          Smoothing{' '}
          <input
            type="range"
            min="0"
            max="0.99"
            step="0.01"
            value={weight}
            onInput={({ currentTarget: { value } }) =>
              setSettings(place, { smooth: value === '0' ? undefined : value }, 'replace')
            }
          />
        </label>
      </p>
      <div class="charts">
        {shown.map((name) => (
          <CurveChart
            key={name}
            name={name}
            weight={weight}
            tasks={tasks}
            curves={curves.filter((curve) => curve.name === name)}
          />
        ))}
      </div>
      {names.length > limit && shown.length > 1 && (
        <p class="empty">{names.length - shown.length} more numbers: choose one above</p>
      )}
      {tasks.length > 1 && <Legend names={tasks} colours={coloursOf(tasks)} />}
    </section>
  );
}
