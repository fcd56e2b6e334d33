// up-to-date-shortcut.ts — a make that has nothing to do, told from the up-to-date cache: neither the plan, the store nor their libraries are loaded
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sources } from '../../engine/bundler/code.ts';
import type { EnvironmentMark } from '../../engine/files/environment-mark.ts';
import { type Stamp, stampOf } from '../../engine/files/stamp.ts';
import type { Event, Tally } from '../../engine/model/event.ts';
import type { Digest } from '../../engine/model/key.ts';
import { lookUp, type Output, type Request, record } from '../../engine/rebuilder/up-to-date.ts';
import { storeState } from '../../engine/store/store-state.ts';
import { settingsStamps } from '../settings/settings-places.ts';
import type { CommandDeclaration } from '../terminal/declaration.ts';
import { type Colors, colorsFor, count, duration, shownPath } from '../terminal/format.ts';
import { rendered, writeRendered } from '../terminal/ink.ts';
import { readWords } from '../terminal/words.ts';

/** What of a command line decides whether there is something to do. */
export interface Asked {
  readonly directory: string;
  readonly file: string;
  readonly cache?: string;
  readonly preset: readonly string[];
  readonly params: readonly string[];
  readonly set: readonly string[];
}

/** Tells this program, and the Node under it, from any other: each build writes cli.cjs anew. */
export const program = (): string => {
  const path = fileURLToPath(new URL('./cli.cjs', import.meta.url));
  return JSON.stringify([process.version, path, stampOf(path)]);
};

/** `PIPELINE_NO_MEMO=1` disables the up-to-date shortcut. */
export const isOff = (): boolean => (process.env.PIPELINE_NO_MEMO ?? '') !== '';

/** The folder of the store: `--cache`, PIPELINE_CACHE, or `cache` beside the pipeline file. */
export const cacheFolder = (root: string, cache: string | undefined): string =>
  resolve(root, cache ?? process.env.PIPELINE_CACHE ?? 'cache');

function requestOf(asked: Asked, targets: readonly string[]): Request {
  const root = resolve(asked.directory);
  const { file, preset: presets, set: sets } = asked;
  const paramsFiles = asked.params.map((path) => resolve(path));
  const cache = cacheFolder(root, asked.cache);
  const settings = [...settingsStamps(process.env).keys()];
  return { root, file, cache, presets, paramsFiles, sets, targets, settings };
}

// ---- before anything is loaded ----

interface PlainMake extends Asked {
  readonly targets: readonly string[];
  readonly json: boolean;
  readonly quiet: boolean;
}

/** A plain `make`: one whose options all may be read or ignored where there is nothing to do. */
export function readMake(
  words: readonly string[],
  declaration: CommandDeclaration,
): PlainMake | undefined {
  const read = readWords(words, declaration);
  if (read?.given.every(({ whenUpToDate }) => whenUpToDate !== undefined) !== true)
    return undefined;
  const { targets, values } = read;
  const {
    directory,
    file,
    cache,
    preset,
    params,
    set,
    json = false,
    quiet = false,
  } = Object.fromEntries(values);
  const said = { targets, json, quiet, ...(cache && { cache }) };
  const made = { directory, file, preset, params, set, ...said };
  // The declaration of make has these options, of these kinds.
  return made as PlainMake;
}

/** Says that there is nothing to do, if the up-to-date cache proves it. */
export function sayNothingToDo(words: readonly string[], make: CommandDeclaration): boolean {
  const start = performance.now();
  const wish = isOff() ? undefined : readMake(words, make);
  const output = wish && lookUp(requestOf(wish, wish.targets), program(), process.env);
  if (wish === undefined || output === undefined) return false;
  const seconds = (performance.now() - start) / 1000;
  if (wish.json) {
    const finished = rendered(`${JSON.stringify({ ...output.finished, seconds })}\n`);
    process.stdout.write(Buffer.concat([output.events, Buffer.from(finished)]));
    return true;
  }
  const colors = colorsFor(process.stderr, process.env);
  const last = nothingToDo(output.finished.tally as Tally, seconds, paint);
  if (wish.quiet) write(output.warnings ?? [], colors);
  else write([...output.talk, rendered(last)], colors);
  if (output.results.length > 0) {
    process.stdout.write(output.results.map((path) => `${shownPath(path)}\n`).join(''));
  }
  return true;
}

function write(stderr: readonly string[], colors: Colors): void {
  const lines = stderr.map((line) => `${line}\n`).join('');
  // Rendered when they were kept, in colours.
  writeRendered(process.stderr, colors.isColorSupported ? lines : withoutColors(lines));
}

const paint = colorsFor({ isTTY: true }, {});

/** Whether a make that ended so found everything made, but for what cannot be. */
export const isIdle = ({ reused, infeasible }: Tally, tasks: number): boolean =>
  reused + infeasible === tasks;

/** The last line of a make that had nothing to do. */
export function nothingToDo({ reused, infeasible }: Tally, seconds: number, c: Colors): string {
  const without = infeasible > 0 ? `, ${infeasible} infeasible` : '';
  const words = `nothing to do: ${count(reused, 'task')} up to date${without}`;
  return `${words} ${c.dim(`(${duration(seconds)})`)}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with an escape
const withoutColors = (text: string): string => text.replace(/\u001b\[[\d;]*m/g, '');

// ---- after a make ----

/** Hears what a make says, and keeps it if that was that there is nothing to do. */
export interface Recorder {
  hear(event: Event): void;
  /** To be called when the store is closed. */
  keep(facts: MadeFacts): void;
}

/** What a make knows when it is over. */
export interface MadeFacts {
  readonly text: Digest;
  readonly sources: Sources;
  /** What other files looked like that decide what is made, by absolute path. */
  readonly paramsFiles: ReadonlyMap<string, Stamp | null>;
  readonly environment: readonly EnvironmentMark[];
  readonly tasks: number;
  readonly artifacts: ReadonlyMap<string, Digest>;
  /** What is told as made: artifacts, absolute; a folder of files once. */
  readonly results: readonly string[];
  /** Files beside the artifacts that tell their provenance. */
  readonly companions: ReadonlyMap<string, Digest>;
  /** The lines that an event leaves for people, coloured. */
  readonly lineFor: (event: Event, colors: Colors) => string | undefined;
}

/** Whether a make that did nothing may say this. */
const isIdleEvent = (event: Event): boolean =>
  ['planned', 'reused', 'finished'].includes(event.event) ||
  // Of pipeline.yaml, and so as true the next time.
  (event.event === 'warning' && event.file !== undefined) ||
  (event.event === 'infeasible' && event.known);

/** Sources, and other files that decide as much. */
export const withFiles = (
  sources: Sources,
  ...others: readonly ReadonlyMap<string, Stamp | null>[]
): Sources => {
  const files = others.flatMap((some) => [...some]);
  return { ...sources, files: new Map([...sources.files, ...files]) };
};

/** To be called before the store is opened and the plan is made. */
export function recordMake(asked: Asked, targets: readonly string[]): Recorder {
  const since = Date.now();
  const request = requestOf(asked, targets);
  const store = isOff() ? null : storeState(request.cache);
  const settings = settingsStamps(process.env);
  const heard: Event[] = [];
  let idle = store !== null;
  return {
    hear(event) {
      idle &&= isIdleEvent(event);
      if (idle) heard.push(event);
    },
    keep({ text, environment, tasks, artifacts, results, companions, lineFor, ...facts }) {
      const finished = heard.at(-1);
      if (!idle || finished?.event !== 'finished' || !isIdle(finished.tally, tasks)) return;
      const others = heard.slice(0, -1);
      const lineOf = (event: Event): readonly string[] => {
        const line = lineFor(event, paint);
        return line === undefined ? [] : [rendered(line)];
      };
      const output: Output = {
        talk: others.flatMap((event) => lineOf(event)),
        warnings: others.flatMap((event) => (event.event === 'warning' ? lineOf(event) : [])),
        results,
        finished,
        events: rendered(others.map((event) => `${JSON.stringify(event)}\n`).join('')),
      };
      const sources = withFiles(facts.sources, facts.paramsFiles, settings);
      const known = { text, store, sources, environment, artifacts, companions };
      const dependencies = { since, program: program(), ...known };
      record(request, dependencies, output);
    },
  };
}
