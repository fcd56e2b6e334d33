// export.ts — the page of a finished run as static files, which a browser opens without a server
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunRecord } from '../../engine/model/record.ts';
import { findRuns } from '../../engine/store/history.ts';
import type { Overview } from '../../ui/forms.ts';
import { progressOfRecord } from '../../ui/progress.ts';
import { questionName } from '../../ui/question.ts';
import { UsageError } from '../session/usage-error.ts';
import { outputPage, outputPicture, reportsOf } from './output-answers.ts';
import { OverviewMaker } from './overview.ts';
import { answer } from './routes.ts';
import { assetBytes } from './server.ts';
import { plotList, plotSvg, type StudySources } from './study-answers.ts';

/** Pictures of outputs that are drawn, at most so many. */
const PICTURES_MAX = 2000;
/** Answers that lie together in one file: about so many bytes. */
const CHUNK_BYTES = 2_000_000;

const FILES = ['app.js', 'style.css', 'icon.svg'];

/**
 * Writes what the page would be answered, question by question. @throws UsageError where the folder is not empty or the
 * run is not over
 */
export async function exportPage(
  sources: StudySources,
  folder: string,
  word: string,
): Promise<{ readonly files: number }> {
  const run = await runToExport(sources, word);
  prepare(folder);
  const writer = new PageWriter(folder);
  const ask = async (path: string, words: Record<string, string> = {}): Promise<unknown> => {
    const given = await answer(sources, path, new URLSearchParams(words), async () => overview);
    if (given.ok) writer.put(questionName(path, words), given.value);
    return given.ok ? given.value : undefined;
  };
  const askAs = async (
    name: string,
    path: string,
    words: Record<string, string>,
  ): Promise<void> => {
    const given = await answer(sources, path, new URLSearchParams(words), async () => overview);
    if (given.ok) writer.put(questionName(name, words), given.value);
  };
  const overview = await overviewOf(sources, run);
  writer.put(questionName('/api/overview', {}), overview);
  const stages = (await ask('/api/stages')) as readonly string[] | undefined;
  for (const stage of stages ?? []) {
    await ask('/api/table', { stage });
    await askAs('/api/tasks/whole', '/api/tasks', { run: run.id, stage, limit: '5000' });
  }
  await ask('/api/runs');
  await ask('/api/plots');
  await ask('/api/timeline', { run: run.id });
  await ask('/api/verify', { run: run.id });
  await ask('/api/reports', { run: run.id });
  const before = await runBefore(sources, run);
  if (before) await ask('/api/compare', { before, after: run.id });
  await exportTasks({ sources, run, writer, ask });
  for (const { name } of plotList(sources)) {
    const svg = await plotSvg(sources, name).catch(() => undefined);
    if (svg !== undefined) writer.content('/plot.svg', { name }, 'svg', svg);
  }
  await exportReports(sources, run.id, writer);
  writer.finish();
  return { files: writer.files };
}

interface TaskExport {
  readonly sources: StudySources;
  readonly run: RunRecord;
  readonly writer: PageWriter;
  ask(path: string, words: Record<string, string>): Promise<unknown>;
}

async function exportTasks({ sources, run, writer, ask }: TaskExport): Promise<void> {
  let pictures = 0;
  for (const task of Object.keys(run.outcomes ?? run.tasks)) {
    const words = { task, run: run.id };
    const detail = (await ask('/api/task', words)) as
      | { readonly key: string | null; readonly outputs: readonly { readonly name: string }[] }
      | undefined;
    await ask('/api/log', words);
    await ask('/api/curves', words);
    const { key } = detail ?? {};
    if (!key) continue;
    for (const { name } of detail?.outputs ?? []) {
      const view = (await ask('/api/output', { key, name })) as
        | { hasPicture?: boolean }
        | undefined;
      if (!view?.hasPicture || pictures >= PICTURES_MAX) continue;
      const asked = { key, name, path: undefined };
      const picture = await sources.store.read((open) => outputPicture(open, asked));
      if (picture === undefined) continue;
      pictures += 1;
      writer.content('/picture', { key, name }, picture.type.slice(6), picture.bytes);
    }
  }
}

/** Pages that the run made. They lie beside the page: nothing of this program runs in them. */
async function exportReports(
  { store }: StudySources,
  run: string,
  writer: PageWriter,
): Promise<void> {
  const found = await store.read((open) => reportsOf(open, run));
  for (const { key, output: name, path } of found) {
    // An empty path is the output itself.
    const asked = { key, name, path: path || undefined };
    const page = await store.read((open) => outputPage(open, asked));
    if (page) writer.content('/frame', { key, name, path }, 'html', page);
  }
}

async function runToExport({ store }: StudySources, word: string): Promise<RunRecord> {
  const runs = await store.read(async ({ history }) => history.runs());
  const [run, ...others] = findRuns(runs, word);
  if (run === undefined || others.length > 0) {
    const message =
      runs.length === 0
        ? 'there is no run yet'
        : `\`${word}\` names ${others.length === 0 ? 'no run' : `${others.length + 1} runs`}`;
    throw new UsageError([{ message, hint: 'pipeline runs' }]);
  }
  if (run.state === 'running' || run.state === 'unknown') {
    const hint = 'export it when it is over; `pipeline ui` follows it';
    throw new UsageError([{ message: `run ${run.id} goes on`, hint }]);
  }
  return run;
}

const runBefore = ({ store }: StudySources, { id }: RunRecord): Promise<string | undefined> =>
  store.read(async ({ history }) => {
    const runs = history.runs();
    return runs[runs.findIndex((one) => one.id === id) + 1]?.id;
  });

async function overviewOf(sources: StudySources, run: RunRecord): Promise<Overview> {
  const now = await new OverviewMaker(sources).make();
  const outline = sources.plan.outlineFor(run);
  const shown = now.runs.find(({ id }) => id === run.id) ?? progressOfRecord(run, outline, []);
  return { ...now, root: '', edges: outline?.edges ?? [], runs: [shown], isCopy: true };
}

/** @throws UsageError where something is there already, or it cannot be made */
function prepare(folder: string): void {
  const hint = 'name an empty folder, or one that is not there';
  try {
    if (existsSync(folder) && readdirSync(folder).length > 0) {
      throw new UsageError([{ message: `${folder} is not empty`, hint }]);
    }
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError([{ message: `${folder} cannot be written (${code})`, hint }]);
  }
}

/** Files of a page. A page that was opened as a file may load scripts, and nothing else: so answers are scripts. */
class PageWriter {
  files = 0;
  private readonly folder: string;
  private readonly contents = new Map<string, string>();
  private readonly index: { [question: string]: number } = Object.create(null);
  private waiting: string[] = [];
  private bytes = 0;
  private chunks = 0;

  constructor(folder: string) {
    this.folder = folder;
    for (const file of FILES) this.file(file, assetBytes(file));
  }

  put(question: string, value: unknown): void {
    // Within a script that stands in a file of its own, nothing can end it early but what ends a line.
    const text = JSON.stringify(value).replace(/[\u2028\u2029]/g, (one) =>
      one === '\u2028' ? '\\u2028' : '\\u2029',
    );
    this.waiting.push(`${JSON.stringify(question)}:${text}`);
    this.index[question] = this.chunks;
    this.bytes += text.length;
    if (this.bytes > CHUNK_BYTES) this.flush();
  }

  file(path: string, content: string | Uint8Array): void {
    const target = join(this.folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
    this.files += 1;
  }

  /** Content of a stage, under a name of ours. */
  content(
    path: string,
    words: Record<string, string>,
    ending: string,
    bytes: string | Uint8Array,
  ): void {
    const name = `content/${this.contents.size}.${ending}`;
    this.contents.set(questionName(path, words), name);
    this.file(name, bytes);
  }

  finish(): void {
    this.flush();
    this.file(
      'data/index.js',
      `pipelineIndex(${JSON.stringify({ answers: this.index, contents: Object.fromEntries(this.contents) })});\n`,
    );
    const page = assetBytes('index.html').toString('utf8');
    const script = '<script defer src="data/index.js"></script>';
    this.file('index.html', page.replace('<!-- copy -->', script).replaceAll('"/', '"'));
  }

  private flush(): void {
    if (this.waiting.length === 0) return;
    this.file(
      `data/${this.chunks}.js`,
      `pipelineData(${this.chunks},{${this.waiting.join(',\n')}});\n`,
    );
    this.waiting = [];
    this.bytes = 0;
    this.chunks += 1;
  }
}
