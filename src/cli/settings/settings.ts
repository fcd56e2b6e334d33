// settings.ts — what is set, and by whom: flag > variable > pipeline.yaml > user file > site file
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Placed } from '../../engine/config/located.ts';
import { failure, type Place, type Result, success } from '../../engine/model/event.ts';
import { JOBS_MAX } from './file-settings.ts';
import type { FinishHook } from './finish-hook-setting.ts';
import type { SettingsFile } from './settings-files.ts';

/** Who says what a setting is. */
export type Origin =
  | { readonly kind: 'flag' | 'variable'; readonly name: string }
  | { readonly kind: 'pipeline' | 'user' | 'site'; readonly file: string; readonly line: number }
  | { readonly kind: 'default' };

/** A value, and who says so. */
export interface Sourced<T> {
  readonly value: T;
  readonly origin: Origin;
}

/** What settings are taken from, beside flags and pipeline.yaml. */
export interface SettingsSources {
  readonly environment: NodeJS.ProcessEnv;
  /** The one that counts first. */
  readonly files: readonly SettingsFile[];
}

const lineOf = ({ text, start }: Place): number => text.slice(0, start).split('\n').length;

const fromFile = <T>(kind: 'pipeline' | 'user' | 'site', { value, place }: Placed<T>) => ({
  value,
  origin: { kind, file: place.file, line: lineOf(place) },
});

/** What the files say, the one that counts first. */
const inFiles = <T>(
  files: readonly SettingsFile[],
  take: (settings: NonNullable<SettingsFile['settings']>) => Placed<T> | undefined,
): readonly Sourced<T>[] =>
  files.flatMap(({ kind, settings }) => {
    const placed = settings && take(settings);
    return placed ? [fromFile(kind, placed)] : [];
  });

const DEFAULT: Origin = { kind: 'default' };

/** How many tasks run at once. */
export function jobsSetting(
  flag: number | undefined,
  { environment, files }: SettingsSources,
): Result<Sourced<number>> {
  if (flag !== undefined) return success({ value: flag, origin: { kind: 'flag', name: '--jobs' } });
  const given = environment.PIPELINE_JOBS ?? '';
  if (given !== '') {
    const value = Number(given);
    if (/^\d+$/.test(given) && value >= 1 && value <= JOBS_MAX) {
      return success({ value, origin: { kind: 'variable', name: 'PIPELINE_JOBS' } });
    }
    const message = `PIPELINE_JOBS must be an integer from 1 to ${JOBS_MAX}, not \`${given}\``;
    return failure({ message });
  }
  const [first = { value: availableParallelism(), origin: DEFAULT }] = inFiles(
    files,
    ({ jobs }) => jobs,
  );
  return success(first);
}

/** What flags and pipeline.yaml say of mirrors. */
export interface MirrorSources {
  readonly flags: readonly string[];
  readonly declared: readonly Placed<string>[];
  /** Folder of pipeline.yaml, from which its mirrors are named. */
  readonly root: string;
}

const isUrl = (place: string): boolean => /^https?:\/\//.test(place);

/** Where data files are looked for, in this order: all count. */
export function mirrorSettings(
  { flags, declared, root }: MirrorSources,
  { environment, files }: SettingsSources,
): readonly Sourced<string>[] {
  const { PIPELINE_MIRROR: variable } = environment;
  return [
    ...flags.map((value) => ({ value, origin: { kind: 'flag', name: '--mirror' } as const })),
    ...(variable
      ? [{ value: variable, origin: { kind: 'variable', name: 'PIPELINE_MIRROR' } as const }]
      : []),
    ...declared.map(({ value, place }) => {
      const path = isUrl(value) || value.startsWith('/') ? value : join(root, value);
      return fromFile('pipeline', { value: path, place });
    }),
    ...files.flatMap(({ kind, settings }) =>
      (settings?.mirrors ?? []).map((mirror) => fromFile(kind, mirror)),
    ),
  ];
}

const STORE_LIMIT_DEFAULT = 20e9;

/** A make keeps the store within so many bytes, if it can. */
export function storeLimitSetting(
  declared: Placed<number> | undefined,
  { files }: SettingsSources,
): Sourced<number> {
  if (declared) return fromFile('pipeline', declared);
  const [first = { value: STORE_LIMIT_DEFAULT, origin: DEFAULT }] = inFiles(
    files,
    ({ storeLimit }) => storeLimit,
  );
  return first;
}

/** The browser that somebody names; undefined where it is to be looked for. */
export function browserSetting({
  environment,
  files,
}: SettingsSources): Sourced<string> | undefined {
  const { PIPELINE_BROWSER: value } = environment;
  if (value) return { value, origin: { kind: 'variable', name: 'PIPELINE_BROWSER' } };
  return inFiles(files, ({ browser }) => browser)[0];
}

/** A stage module may take so long to be loaded: a hundred times what the largest ones need. */
const LOAD_TIMEOUT_MS = 20_000;

/** How long a stage module may be silent when it is planned, in milliseconds. @param variable its name */
export function loadTimeoutSetting(
  variable: string,
  { environment, files }: SettingsSources,
): Result<Sourced<number>> {
  const given = environment[variable] ?? '';
  if (given === '') {
    const [first = { value: LOAD_TIMEOUT_MS, origin: DEFAULT }] = inFiles(
      files,
      ({ loadTimeout }) => loadTimeout,
    );
    return success(first);
  }
  const seconds = Number(given);
  if (seconds > 0 && seconds < 1_000_000) {
    return success({ value: 1000 * seconds, origin: { kind: 'variable', name: variable } });
  }
  const message = `${variable} must be a number of seconds, such as 60, not \`${given}\``;
  return failure({ message });
}

/** Modules that bring executors of their own. @param variable its name */
export function executorsSetting(
  variable: string,
  { environment, files }: SettingsSources,
): Sourced<readonly string[]> {
  const value = environment[variable]?.split(delimiter).filter((path) => path !== '') ?? [];
  if (value.length > 0) return { value, origin: { kind: 'variable', name: variable } };
  const [first = { value: [], origin: DEFAULT }] = inFiles(files, ({ executors }) => executors);
  return first;
}

/** What happens when a run ends. */
export function finishHookSetting({ files }: SettingsSources): Sourced<FinishHook | null> {
  const [first = { value: null, origin: DEFAULT }] = inFiles<FinishHook | null>(
    files,
    ({ onFinish }) => onFinish,
  );
  return first;
}
