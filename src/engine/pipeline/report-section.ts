// report-section.ts — one section of `report:`: text, a table, a plot or claims
import { didYouMean } from '../../hint.ts';
import type { DiagnosticCollector } from '../config/diagnostic-collector.ts';
import type { Located } from '../config/located.ts';
import { PLOT_KEYS, type PlotConfig, readPlot } from '../config/plots.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { readClaims } from './report-claims.ts';
import {
  atOf,
  listAt,
  type ReadSection,
  type SectionContext,
  sourceParams,
  targetOf,
  textsOf,
} from './report-fields.ts';

/** What a section may show, of which each has one. */
export const SECTION_KINDS = ['text', 'markdown', 'table', 'plot', 'claims'] as const;
type SectionKind = (typeof SECTION_KINDS)[number];
/** What any section may have beside. */
export const SECTION_WORDS = ['title', 'note'];
/** The keys of a table. */
export const TABLE_KEYS = ['stage', 'value', 'rows', 'columns', 'where', 'at', 'sort', 'top'];
/** Reads a section; undefined where something is wrong with it, which is told. */
export function readSection(
  reader: DiagnosticCollector,
  located: Located,
  context: SectionContext,
): ReadSection | undefined {
  const fields = reader.map(located, 'a section', [...SECTION_WORDS, ...SECTION_KINDS]);
  if (fields === undefined) return undefined;
  const kinds = SECTION_KINDS.filter((kind) => fields.has(kind));
  const [kind] = kinds;
  const content = kind && fields.get(kind);
  if (kinds.length !== 1 || kind === undefined || content === undefined) {
    const what = kinds.length === 0 ? 'shows nothing' : `has both \`${kinds.join('` and `')}\``;
    const hint = `it has one of ${SECTION_KINDS.join(', ')}`;
    reader.report(`this section ${what}`, located.place, hint);
    return undefined;
  }
  const words = textsOf(reader, fields, SECTION_WORDS, 'a section');
  const read = READERS[kind](reader, content, context);
  return (
    read && {
      ...read,
      params: { kind: kind === 'markdown' ? 'text' : kind, ...words, ...read.params },
    }
  );
}

type SectionReader = (
  reader: DiagnosticCollector,
  content: Located,
  context: SectionContext,
) => ReadSection | undefined;

const READERS: { readonly [kind in SectionKind]: SectionReader } = {
  text(reader, content) {
    const text = reader.text(content, '`text` of a section');
    return text === undefined ? undefined : { params: { markdown: text }, sources: [] };
  },
  markdown(reader, content) {
    const path = reader.text(content, '`markdown` of a section');
    return path === undefined ? undefined : { params: {}, sources: [], file: content };
  },
  table: readTable,
  plot: readPlotSection,
  claims: readClaims,
};

/** Reads names of axes, which have to be there. */
function axesAt(
  reader: DiagnosticCollector,
  field: Located | undefined,
  what: string,
  stage: StageConfig | undefined,
): readonly string[] {
  const names = listAt(reader, field, what);
  const axes = [...(stage?.axes.keys() ?? [])];
  for (const item of field?.items ?? (field ? [field] : [])) {
    const name = String(item.value);
    if (stage === undefined || !names.includes(name) || axes.includes(name)) continue;
    const message = `stage \`${stage.name}\` has no axis \`${name}\``;
    reader.report(message, item.place, didYouMean(name, axes));
  }
  return names;
}

function readTable(
  reader: DiagnosticCollector,
  content: Located,
  { stages, known }: SectionContext,
): ReadSection | undefined {
  const what = 'a table';
  const fields = reader.map(content, what, TABLE_KEYS);
  if (fields === undefined) return undefined;
  const source = targetOf(reader, fields.get('stage'), what, { at: content, known });
  const stage = source && stages.get(source.stage);
  const rows = axesAt(reader, fields.get('rows'), '`rows` of a table', stage);
  const [columns, ...more] = axesAt(reader, fields.get('columns'), '`columns` of a table', stage);
  const top = fields.get('top');
  if (more.length > 0) {
    const place = fields.get('columns')?.place ?? content.place;
    reader.report('`columns` of a table is one axis', place, 'rows: [AXIS, AXIS], columns: AXIS');
  }
  if (top && !(Number.isSafeInteger(top.value) && Number(top.value) > 0)) {
    reader.report('`top` of a table is a number of rows', top.place);
  }
  const value = listAt(reader, fields.get('value'), '`value` of a table');
  const where = listAt(reader, fields.get('where'), '`where` of a table');
  const sort = listAt(reader, fields.get('sort'), '`sort` of a table');
  const at = atOf(reader, fields.get('at'), what);
  if (source === undefined) return undefined;
  const params = {
    ...sourceParams(source),
    ...{ value, rows, where, sort },
    ...(columns !== undefined && { columns }),
    ...(at !== undefined && { at }),
    ...(top && { top: top.value }),
  };
  return { params, sources: [source] };
}

/** A plot of `plots:`, or one that is declared here. */
function readPlotSection(
  reader: DiagnosticCollector,
  content: Located,
  { stages, known, plots, plotNames }: SectionContext,
): ReadSection | undefined {
  if (content.fields === undefined) {
    const name = reader.text(content, '`plot` of a section');
    if (name === undefined) return undefined;
    const plot = plots.find((one) => one.name === name);
    if (plot) return plotSection(reader, plot, content);
    if (plotNames.includes(name)) return undefined; // What is wrong with it is told there.
    const hint =
      plotNames.length > 0
        ? didYouMean(name, plotNames)
        : `plots: { ${name}: { stage: STAGE, y: METRIC } }, or plot: { stage: STAGE }`;
    reader.report(`there is no plot \`${name}\` in \`plots\``, content.place, hint);
    return undefined;
  }
  reader.map(content, 'a plot', PLOT_KEYS);
  const plot = readPlot(reader, 'this section', content, { stages, known });
  return plot && plotSection(reader, plot, content);
}

function plotSection(
  reader: DiagnosticCollector,
  { name, place: _, target, where = [], ...plot }: PlotConfig,
  content: Located,
): ReadSection | undefined {
  const match = /^([\w-]+)(?:\[([^\]]*)\])?(?::([\w-]+))?$/.exec(target);
  const [, stage = '', labels = '', output = ''] = match ?? [];
  const isPlain = labels === '' || labels.split(',').every((part) => part.includes('='));
  if (match === null || !isPlain) {
    const hint = 'stage: STAGE, where: [AXIS=LABEL]';
    reader.report(`a report cannot show \`${target}\` of plot \`${name}\``, content.place, hint);
    return undefined;
  }
  const source = { stage, output, place: content.place };
  const chosen = labels === '' ? where : [labels, ...where];
  const params = { ...sourceParams(source), where: [...chosen], plot: { ...plot } };
  return { params, sources: [source] };
}
