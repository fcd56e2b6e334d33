// chart-colours.ts — colours of charts: of profiles as in the report, and others that can be told apart
import { isKnownProfile, paletteOf } from '../../report/markup/palette.ts';

/** Colours that can be told apart, also by most who see few colours (Okabe and Ito), on light and on dark. */
const COLOURS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#b58900',
  '#56b4e9',
  '#7a5195',
  '#888888',
];
export const colourAt = (at: number): string => COLOURS[at % COLOURS.length] ?? '#888888';

/**
 * The colours of several names, groups or tasks. Where each is of a profile of its own they are those of the report, so that a
 * profile looks the same on all pages; else they go by place.
 */
export function coloursOf(names: readonly string[]): readonly string[] {
  const keys = names.map((name) => profileIn(name) ?? name);
  const isFixed = new Set(keys).size === names.length && keys.some(isKnownProfile);
  const palette = isFixed ? paletteOf(keys) : undefined;
  return keys.map((key, at) => palette?.get(key)?.color ?? colourAt(at));
}

/** The profile that a group or a task is of: `uniform`, `rigl[mnist,0.9,erk,uniform,0]`. */
const profileIn = (name: string): string | undefined =>
  [name, ...(/\[(.*)\]$/s.exec(name)?.[1]?.split(',') ?? [])].find(isKnownProfile);

/** From blue by grey to orange. */
export function rampAt(share: number): string {
  const [a, b] =
    share < 0.5
      ? [
          [0, 114, 178],
          [136, 136, 136],
        ]
      : [
          [136, 136, 136],
          [213, 94, 0],
        ];
  const part = share < 0.5 ? 2 * share : 2 * share - 1;
  const mixed = [0, 1, 2].map((at) =>
    Math.round((a[at] ?? 0) + part * ((b[at] ?? 0) - (a[at] ?? 0))),
  );
  return `rgb(${mixed.join(',')})`;
}
