// plots.ts — `plots:` of pipeline.yaml: plots by name, for `pipeline plot`; never part of a key
import { didYouMean } from '../../hint.ts';
import type { Place } from '../model/event.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import type { Located } from './located.ts';
import { checkName } from './matrix.ts';
import type { StageConfig } from './stage-config.ts';

/** What kinds of plots there are. */
export const PLOT_KIND_NAMES = ['curves', 'dots', 'scatter', 'heatmap', 'parallel'] as const;

/** The keys of a plot. */
export const PLOT_KEYS = [
  'stage',
  'kind',
  'x',
  'y',
  'color',
  'facet',
  'band',
  'where',
  'at',
  'title',
] as const;

/** A plot that a study names. What is left out is chosen when it is drawn. */
export interface PlotConfig {
  readonly name: string;
  readonly place: Place;
  /** `STAGE` or `STAGE:output`. */
  readonly target: string;
  readonly kind?: (typeof PLOT_KIND_NAMES)[number];
  readonly x?: string;
  readonly y?: string;
  readonly color?: string;
  readonly facet?: string;
  readonly band?: string;
  readonly where?: readonly string[];
  readonly at?: string;
  readonly title?: string;
}

/** Reads the plots of a study; what is wrong is told. @param known every stage, those with mistakes too */
export function readPlots(
  reader: DiagnosticCollector,
  located: Located | undefined,
  stages: ReadonlyMap<string, StageConfig>,
  known: readonly string[],
): readonly PlotConfig[] {
  if (located === undefined) return [];
  const hint = 'plots: { NAME: { stage: STAGE, y: METRIC } }';
  if (located.fields === undefined) {
    reader.report(`\`plots\` must be a map, not ${kindOf(located)}`, located.place, hint);
  }
  return [...(located.fields ?? [])].flatMap(([name, plot]) => {
    if (!checkName(reader, 'a plot', name, plot)) return [];
    return readPlot(reader, name, plot, { stages, known }) ?? [];
  });
}

interface KnownStages {
  readonly stages: ReadonlyMap<string, StageConfig>;
  readonly known: readonly string[];
}

/** Reads one plot. @param name what it is called in messages */
export function readPlot(
  reader: DiagnosticCollector,
  name: string,
  located: Located,
  { stages, known }: KnownStages,
): PlotConfig | undefined {
  const what = `plot \`${name}\``;
  const place = located.named ?? located.place;
  const fields = reader.map(located, what, PLOT_KEYS);
  if (fields === undefined) return undefined;
  const target = fields.get('stage');
  if (target === undefined) {
    reader.report(`${what} has no \`stage\``, place, 'stage: STAGE, or STAGE:output');
    return undefined;
  }
  const word = reader.text(target, `\`stage\` of ${what}`);
  if (word === undefined) return undefined;
  const [stage = ''] = word.split(/[:[]/);
  if (!known.includes(stage)) {
    reader.report(`there is no stage \`${stage}\``, target.place, didYouMean(stage, known));
    return undefined;
  }
  const axes = [...(stages.get(stage)?.axes.keys() ?? [])];
  for (const key of ['facet', 'band'] as const) {
    const field = fields.get(key);
    const axis = field?.value;
    if (!field || !stages.has(stage) || typeof axis !== 'string' || axes.includes(axis)) continue;
    const message = `stage \`${stage}\` has no axis \`${axis}\``;
    reader.report(message, field.place, didYouMean(axis, axes));
  }
  const kind = readKind(reader, fields.get('kind'), what);
  const where = readWhere(reader, fields.get('where'), what);
  const texts = (['x', 'y', 'color', 'facet', 'band', 'title'] as const).flatMap((key) => {
    const field = fields.get(key);
    const text = field && reader.text(field, `\`${key}\` of ${what}`);
    return text === undefined ? [] : [[key, text] as const];
  });
  const at = fields.get('at')?.value;
  checkAt(reader, fields.get('at'), what);
  return {
    name,
    place,
    target: word,
    ...Object.fromEntries(texts),
    ...(kind && { kind }),
    ...(where.length > 0 && { where }),
    ...(at !== undefined && { at: String(at) }),
  };
}

function readKind(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): PlotConfig['kind'] {
  if (located === undefined) return undefined;
  const kind = PLOT_KIND_NAMES.find((one) => one === located.value);
  if (kind !== undefined) return kind;
  const hint = didYouMean(String(located.value), PLOT_KIND_NAMES);
  reader.report(`\`kind\` of ${what} is none that there is`, located.place, hint);
  return undefined;
}

function readWhere(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): readonly string[] {
  if (located === undefined) return [];
  const list = located.items ?? [located];
  return list.flatMap((item) => reader.text(item, `\`where\` of ${what}`) ?? []);
}

function checkAt(reader: DiagnosticCollector, located: Located | undefined, what: string): void {
  if (located === undefined) return;
  const { value } = located;
  if (value === 'last' || value === 'best' || (typeof value === 'number' && value >= 0)) return;
  reader.report(`\`at\` of ${what} is last, best or a step`, located.place);
}
