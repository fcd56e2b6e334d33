// comparison-overlays.ts — what is drawn of both runs at once: accuracies by setting, effects by claim
import {
  type Both,
  changeOf,
  type Metrics,
  number,
  type Pair,
  pairedAccuracies,
  pairedEffects,
  type Row,
  text,
} from './comparison-data.ts';
import { type Estimate, type OverlayRow, overlay, overlayDomain } from './comparison-figure.ts';
import { methodName, settingName } from './comparison-words.ts';
import { group } from './data/arms.ts';
import { splitLabels } from './figures/contrast-figure.ts';
import { count, fixed } from './markup/format.ts';
import { type Content, type Html, html } from './markup/html.ts';
import { INK, type Palette, paintOf } from './markup/palette.ts';

/** Panels beyond these are folded. */
const PANELS_SHOWN = 8;
/** A panel with more rows shows those that changed alone. */
const ROWS_MAX = 24;

interface Panel {
  readonly title: string;
  readonly content: Html;
}

/** A panel for each setting with a change; those of one data set have one axis. */
export function accuracyOverlays(metrics: Both<Metrics>, palette: Palette): Content {
  const pairs = pairedAccuracies(metrics);
  const rowOf = (pair: Pair): OverlayRow => ({
    name: methodName(pair.row),
    color: pair.row.method === 'dense' ? INK.light : paintOf(palette, text(pair.row.profile)).color,
    before: estimate(pair.before, 'mean'),
    after: estimate(pair.after, 'mean'),
  });
  const panels = group(pairs, ({ row }) => text(row.dataset)).flatMap((ofDataset) => {
    const drawn = changedGroups(ofDataset, ({ row }) => settingName(row));
    const domain = overlayDomain(drawn.flat().map(rowOf));
    return drawn.map((some): Panel => {
      const title = settingName(some[0]!.row);
      const label = `Mean test accuracy before and after: ${title}`;
      const rows = some.map(rowOf);
      return { title, content: overlay({ label, unit: 'test accuracy, %', rows, domain }) };
    });
  });
  return figure(
    panels,
    html`<b>${changesOf(pairs, 'means', 'mean')}</b> Test accuracy before and after: means with 95 % intervals, where there are several seeds.
Panels of one data set have one axis. Settings without a change are not drawn.`,
  );
}

/** A panel for each claim and data set with a change; those of one claim and unit have one axis. */
export function effectOverlays(metrics: Both<Metrics>): Content {
  const rowOf = ({ row, before, after }: Pair): OverlayRow => ({
    name: text(row.contrast),
    color: INK.light,
    before: estimate(before, 'effect'),
    after: estimate(after, 'effect'),
  });
  const isMeasured = ({ before, after }: Pair): boolean =>
    [before, after].some((row) => number(row?.effect) !== null);
  const measured = pairedEffects(metrics).filter(isMeasured);
  const panels = group(measured, ({ row }) => JSON.stringify([row.claim, row.unit])).flatMap(
    (ofClaim) => {
      const drawn = changedGroups(ofClaim, ({ row }) => text(row.dataset));
      const domain = overlayDomain(drawn.flat().map(rowOf));
      return drawn.map((some): Panel => {
        const { claim, unit, dataset } = some[0]!.row;
        const { shared, rests } = splitLabels(some.map(({ row }) => text(row.contrast)));
        const title = [text(claim), text(dataset), ...shared].join(', ');
        const label = `Effects before and after: ${title}`;
        const rows = some.map((pair, i) => ({ ...rowOf(pair), name: rests[i] ?? '' }));
        return { title, content: overlay({ label, unit: text(unit), rows, domain }) };
      });
    },
  );
  return figure(
    panels,
    html`<b>${changesOf(measured, 'effects')}</b> Effects behind the verdicts before and after, with their intervals. Panels of one claim have one axis.
Data sets without a change are not drawn.`,
  );
}

/** How many of some numbers changed; of those in percent, in `column`, by how much. */
function changesOf(pairs: readonly Pair[], noun: string, column?: string): string {
  const changed = pairs.filter(({ isChanged }) => isChanged);
  const sizes = changed.flatMap((pair) =>
    column === undefined ? [] : Math.abs(changeOf(pair, column) ?? 0),
  );
  const most = sizes.length === 0 ? 0 : Math.max(...sizes);
  const told = most < 0.005 ? '' : `, by at most ${fixed(most, 2)} points`;
  return `${count(changed.length)} of ${count(pairs.length)} ${noun} changed${told}.`;
}

/** Groups in which something changed, each with all of its rows where these are not too many. */
function changedGroups(
  pairs: readonly Pair[],
  nameOf: (pair: Pair) => string,
): readonly (readonly Pair[])[] {
  return group(pairs, nameOf).flatMap((some) => {
    const changed = some.filter(({ isChanged }) => isChanged);
    return changed.length === 0 ? [] : [some.length > ROWS_MAX ? changed : some];
  });
}

function estimate(row: Row | undefined, column: string): Estimate | null {
  const [value, low, high] = [row?.[column], row?.ci_low, row?.ci_high].map(number);
  if (value === null || value === undefined) return null;
  const interval = low === null || high === null ? null : ([low!, high!] as const);
  return { value, interval };
}

function figure(panels: readonly Panel[], caption: Html): Content {
  if (panels.length === 0) return null;
  const drawn = (some: readonly Panel[]): Html =>
    html`<div class="panels medium">${some.map(
      ({ title, content }) => html`<div><p class="panel-title">${title}</p>${content}</div>
`,
    )}</div>`;
  const rest = panels.slice(PANELS_SHOWN);
  return html`<figure class="wide">${drawn(panels.slice(0, PANELS_SHOWN))}
${rest.length > 0 ? html`<details class="more"><summary>${count(rest.length)} more panels</summary>${drawn(rest)}</details>` : null}
<figcaption>${caption}</figcaption></figure>
`;
}
