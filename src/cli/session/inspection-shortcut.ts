// inspection-shortcut.ts — what status, why and a dry run printed, printed again while nothing has changed that it depends on
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { submittedIds } from '../../cluster/records/submitted-ids.ts';
import type { Sources } from '../../engine/bundler/code.ts';
import type { EnvironmentMark } from '../../engine/files/environment-mark.ts';
import type { Stamp } from '../../engine/files/stamp.ts';
import type { Digest, Named } from '../../engine/model/key.ts';
import {
  lookUpMeant,
  lookUpPrinted,
  type Printed,
  type ReadText,
  type Request,
  recordPrinted,
  stateFor,
} from '../../engine/rebuilder/up-to-date.ts';
import { journalIds } from '../../engine/store/journal.ts';
import { settingsStamps } from '../settings/settings-places.ts';
import type { CommandDeclaration } from '../terminal/declaration.ts';
import { colorsFor } from '../terminal/format.ts';
import { writeRendered } from '../terminal/ink.ts';
import { readWords, type Words } from '../terminal/words.ts';
import { cacheFolder, isOff, program, withFiles } from './up-to-date-shortcut.ts';

/**
 * The words of a command that only inspects, read by what it declares; undefined for all others, and for a command line that
 * could be meant otherwise.
 */
export function readInspection(
  words: readonly string[],
  declarations: readonly CommandDeclaration[],
): Words | undefined {
  const declaration = declarations.find(({ name }) => name === words[0]);
  const read = declaration && readWords(words, declaration);
  if (read === undefined) return undefined;
  const said = read.given.flatMap(({ changes }) => changes ?? []);
  const inspects = said.length > 0 ? !said.includes('yes') : declaration?.inspects === true;
  return inspects ? read : undefined;
}

/** What a command line is asked for. All its words count as they stand. */
function requestOf(
  words: readonly string[],
  { values }: Words,
  environment: NodeJS.ProcessEnv,
): Request {
  const textOf = (option: string): string | undefined => {
    const value = values.get(option);
    return typeof value === 'string' ? value : undefined;
  };
  // Every command that inspects has these options, and defaults for the first two.
  const root = resolve(textOf('directory') ?? '.');
  const file = textOf('file') ?? 'pipeline.yaml';
  const streams = [process.stdout, process.stderr].map((stream) => [
    stream.isTTY ?? false,
    colorsFor(stream, environment).isColorSupported,
  ]);
  const inspection = {
    words,
    folder: process.cwd(),
    streams,
    slots: availableParallelism(),
    variables: ownVariables(environment),
  };
  const cache = cacheFolder(root, textOf('cache'));
  const settings = [...settingsStamps(environment).keys()];
  return { root, file, cache, ...NOTHING_ASKED, settings, inspection };
}

/** Status also tells where the tasks of a run are that goes on now, or of a head that is a job: no state of the store says that. */
const isLive = ([name]: readonly string[], { cache }: Request): boolean =>
  name === 'status' && (journalIds(cache).length > 0 || submittedIds(cache).length > 0);

/** Its words say it all. */
const NOTHING_ASKED = { presets: [], paramsFiles: [], sets: [], targets: [] };

/** Variables that this program reads itself. */
function ownVariables(environment: NodeJS.ProcessEnv): Named<string | undefined> {
  const names = Object.keys(environment).filter((name) => /^(PIPELINE|ESBUILD)_/.test(name));
  return Object.fromEntries(names.sort().map((name) => [name, environment[name]]));
}

/** Prints again what a command printed that only inspects, if that is still so. */
export function repeatInspection(
  words: readonly string[],
  declarations: readonly CommandDeclaration[],
): boolean {
  const read = isOff() ? undefined : readInspection(words, declarations);
  if (read === undefined) return false;
  const request = requestOf(words, read, process.env);
  if (isLive(words, request)) return false;
  const printed = lookUpPrinted(request, program(), process.env);
  if (printed === undefined) return false;
  print(printed);
  return true;
}

function print(printed: Printed): void {
  for (const [stream, text] of printed) writeRendered(process[stream], text);
}

/** Printed text beyond this size is not kept. */
const PRINTED_LENGTH_MAX = 4_000_000;

/** What a command that only inspects knows when it is over. */
export interface InspectedFacts {
  readonly root: string;
  /** Name of the pipeline file within `root`. */
  readonly file: string;
  readonly cache: string;
  readonly text: Digest;
  /** What the pipeline means; undefined where only its text counts. */
  readonly meaning: Digest | undefined;
  readonly sources: Sources;
  /** What other files looked like that decide what is printed, by absolute path. */
  readonly paramsFiles: ReadonlyMap<string, Stamp | null>;
  readonly environment: readonly EnvironmentMark[];
}

/** Keeps what a command prints. */
export interface InspectionRecorder {
  /** Prints again what was printed of a pipeline file that meant the same, if that is still so. */
  repeat(read: ReadText): boolean;
  hear(stream: 'stdout' | 'stderr', text: string): void;
  /** To be called when the store is closed, and only where files decide all that was printed. */
  keep(facts: InspectedFacts): void;
}

/** To be called before the store is opened and the plan is made. Undefined where nothing is kept. */
export function recordInspection(
  words: readonly string[],
  declarations: readonly CommandDeclaration[],
): InspectionRecorder | undefined {
  const read = isOff() ? undefined : readInspection(words, declarations);
  if (read === undefined) return undefined;
  const since = Date.now();
  const request = requestOf(words, read, process.env);
  const store = isLive(words, request) ? null : stateFor(request);
  if (store === null) return undefined;
  const settings = settingsStamps(process.env);
  const printed: [stream: 'stdout' | 'stderr', text: string][] = [];
  let length = 0;
  return {
    repeat(read) {
      const kept = lookUpMeant(request, program(), process.env, read);
      if (kept !== undefined) print(kept);
      return kept !== undefined;
    },
    hear(stream, text) {
      length += text.length;
      if (length > PRINTED_LENGTH_MAX) return;
      const last = printed.at(-1);
      if (last?.[0] === stream) last[1] += text;
      else printed.push([stream, text]);
    },
    keep({ root, file, cache, text, meaning, environment, ...facts }) {
      const isRight = root === request.root && file === request.file && cache === request.cache;
      if (!isRight || length > PRINTED_LENGTH_MAX) return;
      const kept: Printed = printed;
      const sources = withFiles(facts.sources, facts.paramsFiles, settings);
      recordPrinted(
        request,
        { since, program: program(), text, meaning, store, sources, environment },
        kept,
      );
    },
  };
}
