// plot.ts — pipeline plot: results as curves, dots, scatter plots, heat maps and parallel coordinates

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawPage, drawSvg } from '../../analysis/plot/draw.ts';
import type { PlotKind, PlotRequest } from '../../analysis/plot/plan.ts';
import type { Plot } from '../../analysis/plot/plot.ts';
import type { PlotConfig } from '../../engine/config/plots.ts';
import type { Named } from '../../engine/model/key.ts';
import { elementAt, entryOf } from '../../present.ts';
import { withRemoteBlobs } from '../remote/far-blobs.ts';
import { printSvg } from '../session/browser.ts';
import { checkOutput, writeOutput } from '../session/output-files.ts';
import { placesOf } from '../session/places.ts';
import { stderrColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type AskedPlot, plotOf } from '../session/result-table.ts';
import { type CommonOptions, EXIT, type Session, storeAt } from '../session/session.ts';
import { plannedStudy, readConfig } from '../session/study.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { shownPath } from '../terminal/format.ts';
import { writeBytes } from '../terminal/ink.ts';
import { studyFor, tellProblems } from './metrics.ts';

export const command: CommandDeclaration = {
  name: 'plot',
  group: 'Look',
  about: 'plot the numbers of a stage, or the plots defined in pipeline.yaml',
  arguments: [
    {
      name: '[stage]',
      about: "a stage, 'STAGE[axis=label]' or STAGE:output",
    },
  ],
  options: [
    {
      flags: '--kind <kind>',
      about: 'the kind of plot (default: chosen from the data)',
      choices: ['curves', 'dots', 'scatter', 'heatmap', 'parallel'],
    },
    { flags: '--x <name>', about: 'an axis, a number, or step' },
    { flags: '--y <name>', about: 'a number; for a heat map, an axis' },
    { flags: '--color <name>', about: 'an axis or a number' },
    { flags: '--facet <axis>', about: 'one panel for each label of this axis' },
    { flags: '--band <axis>', about: 'means and 95 % intervals over this axis' },
    { flags: '--title <text>', about: 'the title of the plot' },
    {
      flags: '--where <condition>',
      about: 'only tasks with this label or number (repeatable)',
      repeatable: true,
    },
    {
      flags: '--at <step>',
      about: 'the value of a series: last (the default), best, or a step number',
    },
    { flags: '--run <run>', about: 'the results of this run' },
    {
      flags: '--format <format>',
      about: 'format (default: from the file extension, or svg)',
      choices: ['svg', 'html', 'png', 'pdf', 'json'],
    },
    { flags: '-o, --output <file>', about: 'the file (default: plots/NAME.svg); - is stdout' },
    ...COMMON,
  ],
  examples: [
    'plot',
    'plot rigl',
    'plot rigl --x profile --y accuracy --color dataset -o accuracy.html',
    "plot 'sweep[dataset=synth-digits]' --kind heatmap --x sparsity --y profile -o grid.png",
  ],
};
export { plot as run };

type PlotFormat = 'svg' | 'html' | 'png' | 'pdf' | 'json';

interface PlotOptions extends CommonOptions, PlotRequest {
  readonly kind?: PlotKind;
  readonly where?: readonly string[];
  readonly at?: string;
  readonly run?: string;
  readonly format?: PlotFormat;
  readonly output?: string;
}

const BY_ENDING: Named<PlotFormat> = {
  '.svg': 'svg',
  '.html': 'html',
  '.htm': 'html',
  '.png': 'png',
  '.pdf': 'pdf',
  '.json': 'json',
};

/** Says something that is to be known of a plot. */
const tell = (note: string): void => writeStderr(c.dim(note));

/** Folder of the pipeline in which plots are written that nobody named a file for. */
const FOLDER = 'plots';

/** Draws a stage, a plot that pipeline.yaml names, or all that it names. */
async function plot(target: string | undefined, options: PlotOptions): Promise<number> {
  const { root, cache } = placesOf(options);
  const format = formatOf(options);
  const asked = askedOf(target, options);
  const { output } = options;
  if (output !== undefined && output !== '-') checkOutput(output);
  if (output !== undefined && asked.length > 1 && format !== 'html') {
    const message = `${asked.length} plots cannot be in one file of ${format}`;
    const hint = 'name one: pipeline plot NAME -o FILE; a page can: pipeline plot -o plots.html';
    throw new UsageError([{ message, hint }]);
  }
  const store = withRemoteBlobs(storeAt(cache, 'read'), placesOf(options));
  try {
    const study = await studyFor(options, store);
    tellProblems(study);
    const drawn: object[] = [];
    const made: Plot[] = [];
    for (const one of asked) {
      const plot = await plotOf(study, one, store, tell);
      made.push(plot);
      for (const note of plot.notes) writeStderr(c.dim(`${one.name}: ${note}`));
      if (output !== undefined && asked.length > 1) continue;
      const file = output ?? fileFor(root, one.name, format);
      await writePlot(file, await drawnAs(format, [plot]), output === undefined);
      drawn.push({ name: one.name, file, ...plot.plan });
      if (!options.json && file !== '-') writeStdout(shownPath(file));
    }
    if (output !== undefined && asked.length > 1) {
      await writePlot(output, await drawnAs(format, made), false);
      for (const [at, { plan }] of made.entries())
        drawn.push({ name: elementAt(asked, at).name, file: output, ...plan });
      if (!options.json && output !== '-') writeStdout(shownPath(output));
    }
    if (options.json && output !== '-') writeJson({ plots: drawn });
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/**
 * Draws all plots that pipeline.yaml names, into `plots/` beside it. What cannot be drawn is told, and stops nothing.
 * @param warn takes a sentence
 */
export async function drawAll(
  session: Session,
  options: CommonOptions,
  warn: (message: string) => void,
): Promise<readonly string[]> {
  const { root, store } = session;
  const files: string[] = [];
  const study = plannedStudy(session, options, store);
  for (const { place: _, where = [], ...named } of session.pipeline.plots) {
    const file = fileFor(root, named.name, 'svg');
    try {
      const plot = await plotOf(study, { ...named, where }, store, tell);
      await writePlot(file, await drawnAs('svg', [plot]), true);
      files.push(file);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const [{ message } = { message: '' }] = error.diagnostics;
      warn(`plot \`${named.name}\` is not drawn: ${message}`);
    }
  }
  return files;
}

const fileFor = (root: string, name: string, format: PlotFormat): string =>
  join(root, FOLDER, `${name}.${format === 'json' ? 'vl.json' : format}`);

async function writePlot(
  file: string,
  bytes: Uint8Array | string,
  mayMakeFolder: boolean,
): Promise<void> {
  if (file === '-') {
    writeBytes(process.stdout, bytes);
    return;
  }
  if (mayMakeFolder) makeFolder(dirname(file));
  await writeOutput(file, bytes);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch {
    const message = `the folder ${shownPath(folder)} cannot be made`;
    throw new UsageError([{ message, hint: 'name a file with -o FILE' }]);
  }
}

function formatOf({ format, output }: PlotOptions): PlotFormat {
  const ending = extname(output ?? '').toLowerCase();
  return format ?? (Object.hasOwn(BY_ENDING, ending) ? entryOf(BY_ENDING, ending) : 'svg');
}

/** What is to be drawn: flags go over what pipeline.yaml says. @throws UsageError */
function askedOf(target: string | undefined, options: PlotOptions): readonly AskedPlot[] {
  const plots = readConfig(options)?.pipeline.plots ?? [];
  const { kind, x, y, color, facet, band, at, title } = options;
  const given = { kind, x, y, color, facet, band, at, title };
  const flags = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  const fromConfig = ({ place: _, where = [], ...plot }: PlotConfig): AskedPlot => ({
    ...plot,
    ...flags,
    where: [...where, ...(options.where ?? [])],
  });
  if (target === undefined) {
    if (plots.length > 0) return plots.map(fromConfig);
    const hint =
      'pipeline plot STAGE draws a stage; plots: in pipeline.yaml names plots of a study';
    throw new UsageError([{ message: 'pipeline.yaml names no plots', hint }]);
  }
  const named = plots.find(({ name }) => name === target);
  if (named) return [fromConfig(named)];
  const name = target.replace(/[^A-Za-z0-9.-]+/g, '-').replace(/^[-.]+|-+$/g, '') || 'plot';
  return [{ name, target, where: options.where ?? [], ...flags }];
}

/** Only a page holds several. */
async function drawnAs(format: PlotFormat, plots: readonly Plot[]): Promise<Uint8Array | string> {
  const { spec, title } = elementAt(plots, 0);
  if (format === 'json') return `${JSON.stringify(spec, null, 2)}\n`;
  if (format === 'html') {
    return drawPage(plots.length > 1 ? 'Plots' : title, plots, vegaScript());
  }
  const svg = await drawSvg(spec);
  return format === 'svg' ? svg : printSvg(svg, format);
}

/** Vega as a script: it lies beside this bundle. */
function vegaScript(): string {
  const file = fileURLToPath(new URL('./vega.min.js', import.meta.url));
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const hint = 'install pipeline again; SVG does not need it';
  throw new UsageError([{ message: `${file} is missing: pages with plots carry it`, hint }]);
}
