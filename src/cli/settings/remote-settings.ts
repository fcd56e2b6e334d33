// remote-settings.ts — where results are shared, and how: flag > variable > user file > site file
import type { Placed } from '../../engine/config/located.ts';
import { failure, type Result, success } from '../../engine/model/event.ts';
import { REMOTE_MODES, type RemoteMode } from '../../engine/store/shared-results.ts';
import { didYouMean } from '../../hint.ts';
import {
  REMOTE_FETCHES,
  type RemoteFetch,
  type RemoteFileSettings,
} from './remote-file-settings.ts';
import type { Origin, SettingsSources, Sourced } from './settings.ts';

export const URL_VARIABLE = 'PIPELINE_REMOTE_URL';
export const MODE_VARIABLE = 'PIPELINE_REMOTE';
const FETCH_VARIABLE = 'PIPELINE_REMOTE_FETCH';

/** What flags say of the remote. */
export interface RemoteFlags {
  readonly remote?: string;
  readonly remoteFetch?: string;
}

/** Where results are shared, how, and who says so. */
export interface RemoteSettings {
  /** Null: nowhere. */
  readonly url: Sourced<string | null>;
  /** Null: nobody says. */
  readonly mode: Sourced<RemoteMode | null>;
  readonly fetch: Sourced<RemoteFetch>;
}

export function remoteSettings(
  { remote, remoteFetch }: RemoteFlags,
  { environment, files }: SettingsSources,
): Result<RemoteSettings> {
  const found = <K extends keyof RemoteFileSettings>(name: K) =>
    files.flatMap(({ kind, settings }) => {
      const placed = settings?.remote?.[name];
      return placed ? [{ placed, kind }] : [];
    })[0];
  const variable = environment[URL_VARIABLE] ?? '';
  const url: Sourced<string | null> =
    variable !== ''
      ? { value: variable, origin: { kind: 'variable', name: URL_VARIABLE } }
      : (fromFile(found('url')) ?? { value: null, origin: { kind: 'default' } });
  const mode = chosen(REMOTE_MODES, [
    [remote, { kind: 'flag', name: '--remote' }],
    [environment[MODE_VARIABLE], { kind: 'variable', name: MODE_VARIABLE }],
  ]);
  if (!mode.ok) return mode;
  const fetch = chosen(REMOTE_FETCHES, [
    [remoteFetch, { kind: 'flag', name: '--remote-fetch' }],
    [environment[FETCH_VARIABLE], { kind: 'variable', name: FETCH_VARIABLE }],
  ]);
  if (!fetch.ok) return fetch;
  return success({
    url,
    mode: mode.value ?? fromFile(found('mode')) ?? { value: null, origin: { kind: 'default' } },
    fetch: fetch.value ??
      fromFile(found('fetch')) ?? { value: 'needed', origin: { kind: 'default' } },
  });
}

function fromFile<T>(
  found: { readonly placed: Placed<T>; readonly kind: 'user' | 'site' } | undefined,
): Sourced<T> | undefined {
  if (found === undefined) return undefined;
  const { placed, kind } = found;
  const line = placed.place.text.slice(0, placed.place.start).split('\n').length;
  return { value: placed.value, origin: { kind, file: placed.place.file, line } };
}

/** The first that is said, if it is one of those that are known. */
function chosen<T extends string>(
  known: readonly T[],
  said: readonly (readonly [
    value: string | undefined,
    origin: Origin & { readonly name: string },
  ])[],
): Result<Sourced<T> | undefined> {
  for (const [text = '', origin] of said) {
    if (text === '') continue;
    const value = known.find((one) => one === text);
    if (value !== undefined) return success({ value, origin });
    const message = `${origin.name} must be ${known.join(', ')}, not \`${text}\``;
    return failure({ message, hint: didYouMean(text, known) });
  }
  return success(undefined);
}
