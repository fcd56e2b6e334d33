// report.ts — `report:` of pipeline.yaml: a stage that shows results of others on one page
import type { PipelineParts } from '../config/config.ts';
import { DiagnosticCollector, kindOf } from '../config/diagnostic-collector.ts';
import { type InputConfig, type InputSource, isWithin } from '../config/input.ts';
import type { Located } from '../config/located.ts';
import type { PlotConfig } from '../config/plots.ts';
import { readPolicy } from '../config/policy.ts';
import { lookupIn, substitute } from '../config/reference.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { inReadingOrder } from '../model/event.ts';
import type { Json, Named } from '../model/key.ts';
import type { ReadSection } from './report-fields.ts';
import { readSection } from './report-section.ts';

/** The stage that `report:` is. */
export const REPORT_STAGE = 'report';
/** Its module, which is a part of this program. */
export const REPORT_MODULE = '@profiled-sparse/pipeline/report';
/** An output that is not named: all JSON outputs of the stage. They are known when its module is loaded. */
export const ANY_OUTPUT = '';

/** The keys of a report. */
export const REPORT_KEYS = ['title', 'abstract', 'sections'];
/** A report takes no more files of Markdown than it has ports. */
export const REPORT_FILES_MAX = 24;
/** The port of a file of Markdown, counted from 0. */
export const filePort = (at: number): string => `file${at + 1}`;

/** What a report is read with. */
export interface ReportContext {
  readonly stages: ReadonlyMap<string, StageConfig>;
  /** Every stage, those with mistakes too. */
  readonly known: readonly string[];
  readonly plots: readonly PlotConfig[];
  /** Plots that are named, those with mistakes too. */
  readonly plotNames: readonly string[];
  readonly params: Located;
}

/** A pipeline with the stage that its report is, and with what is wrong with that. */
export function withReport(parts: PipelineParts): PipelineParts {
  const { pipeline, problems, stages, plotNames } = parts;
  const { report: written, plots, params } = pipeline;
  if (written === undefined) return parts;
  const reader = new DiagnosticCollector();
  const known = [...stages.keys()];
  const context = { stages: pipeline.stages, known, plots, plotNames, params };
  const report = readReport(reader, written, context);
  const { place, named } = written;
  return {
    ...parts,
    pipeline: report
      ? { ...pipeline, stages: new Map([...pipeline.stages, [REPORT_STAGE, report]]) }
      : pipeline,
    problems: inReadingOrder([...problems, ...reader.problems]),
    stages: new Map([[REPORT_STAGE, { ...place, start: named?.start ?? place.start }], ...stages]),
  };
}

/** Reads a report as a stage; undefined where nothing can be made of it. */
function readReport(
  reader: DiagnosticCollector,
  located: Located | undefined,
  context: ReportContext,
): StageConfig | undefined {
  if (located === undefined) return undefined;
  const place = located.named ?? located.place;
  if (context.known.includes(REPORT_STAGE)) {
    const message = '`report:` is a stage called `report`, and there is one of this name';
    reader.report(message, place, 'give the stage another name, or leave `report:` out');
    return undefined;
  }
  const resolved = reader.take(
    substitute(located, (path, at) => lookupIn(context.params, path, at)),
  );
  const fields = resolved && reader.map(resolved, '`report`', REPORT_KEYS);
  if (fields === undefined) return undefined;
  const before = reader.problems.length;
  const text = (key: string): string | undefined => {
    const field = fields.get(key);
    return field && reader.text(field, `\`${key}\` of \`report\``);
  };
  const [title = 'Report', abstract] = [text('title'), text('abstract')];
  const sections = readSections(reader, fields.get('sections'), place, context);
  if (reader.problems.length > before) return undefined;
  const sources = sections.flatMap((one) => one.sources);
  if (sources.length === 0) {
    const hint = 'sections: [{ table: { stage: STAGE } }]';
    reader.report('no section of `report` shows a result', place, hint);
    return undefined;
  }
  const files = sections.flatMap(({ file }) => file ?? []);
  const told: Named<Json> = {
    title,
    ...(abstract !== undefined && { abstract }),
    sections: withPorts(sections),
  };
  return {
    name: REPORT_STAGE,
    place,
    run: REPORT_MODULE,
    runPlace: place,
    command: null,
    axes: new Map(),
    include: [],
    exclude: [],
    infeasible: 'fail',
    inputs: new Map([
      ['results', inputFrom(located, sources)],
      ...files.map((file, at) => [filePort(at), inputOfFile(file)] as const),
    ]),
    params: new Map(Object.entries(told).map(([name, value]) => [name, { value, place }])),
    artifacts: new Map([['html', { value: 'report.html', place }]]),
    policy: readPolicy(reader, new Map(), '`report`'),
  };
}

function readSections(
  reader: DiagnosticCollector,
  located: Located | undefined,
  place: Located['place'],
  context: ReportContext,
): readonly ReadSection[] {
  const hint = 'sections: [{ table: { stage: STAGE } }, { plot: NAME }, { markdown: FILE }]';
  if (located?.items === undefined) {
    const message = located
      ? `\`sections\` of \`report\` must be a list, not ${kindOf(located)}`
      : '`report` has no `sections`';
    reader.report(message, located?.place ?? place, hint);
    return [];
  }
  const sections = located.items.flatMap((item) => readSection(reader, item, context) ?? []);
  const files = sections.flatMap(({ file }) => file ?? []);
  const extra = files[REPORT_FILES_MAX];
  if (extra) {
    const message = `a report has at most ${REPORT_FILES_MAX} files of Markdown`;
    reader.report(message, extra.place, 'put some of them together');
  }
  for (const file of files) checkFile(reader, file);
  return sections;
}

function checkFile(reader: DiagnosticCollector, { value, place }: Located): void {
  const path = String(value);
  if (!isWithin(path)) {
    const message = path === '' ? '`markdown` is empty' : '`markdown` is outside the project';
    reader.report(message, place, 'a path relative to the folder of pipeline.yaml, without ..');
  } else if (/[*?[\]{}]/.test(path)) {
    reader.report('`markdown` names one file, and no pattern', place, 'a section for each file');
  }
}

/** Sections as params of the stage; files by the ports that they come through. */
function withPorts(sections: readonly ReadSection[]): Json {
  let files = 0;
  return sections.map(({ params, file }) => {
    if (file === undefined) return params;
    files += 1;
    return { ...params, port: filePort(files - 1) };
  });
}

function inputFrom({ place }: Located, sources: readonly InputSource[]): InputConfig {
  return { place, named: place, from: distinct(sources), where: new Map(), files: null, ...PLAIN };
}

function inputOfFile({ value, place }: Located): InputConfig {
  const files = { pattern: String(value), outside: false, place };
  return { place, named: place, from: [], where: new Map(), files, ...PLAIN };
}

const PLAIN = { partial: false, as: null };

/** Each output once; those of a stage stand together, by code unit, as the stage is told of them. */
function distinct(sources: readonly InputSource[]): readonly InputSource[] {
  const byStage = new Map<string, Map<string, InputSource>>();
  for (const source of sources) {
    const outputs = byStage.get(source.stage) ?? new Map<string, InputSource>();
    byStage.set(source.stage, outputs);
    if (!outputs.has(source.output)) outputs.set(source.output, source);
  }
  return [...byStage.values()].flatMap((outputs) =>
    [...outputs.keys()].sort().flatMap((name) => outputs.get(name) ?? []),
  );
}

/**
 * The report with the outputs that it reads, once it is known which there are. What it says of a stage without an output is
 * about all its JSON outputs.
 * @param jsonOutputs of a stage; undefined where its module could not be loaded
 */
export function connectReport(
  reader: DiagnosticCollector,
  stage: StageConfig,
  jsonOutputs: (stage: string) => readonly string[] | undefined,
): StageConfig {
  const input = stage.inputs.get('results');
  if (stage.run !== REPORT_MODULE || input === undefined) return stage;
  const from = input.from.flatMap((source): readonly InputSource[] => {
    if (source.output !== ANY_OUTPUT) return [source];
    const outputs = jsonOutputs(source.stage);
    if (outputs?.length === 0) {
      const message = `stage \`${source.stage}\` has no JSON output that a report could show`;
      reader.report(message, source.place, 'outputs: { metrics: metrics.json }');
    }
    return (outputs ?? []).map((output) => ({ ...source, output }));
  });
  return {
    ...stage,
    inputs: new Map([...stage.inputs, ['results', { ...input, from: distinct(from) }]]),
  };
}
