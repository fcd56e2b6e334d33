// remote-file-settings.ts — `remote` of a settings file
import type { DiagnosticCollector } from '../../engine/config/diagnostic-collector.ts';
import type { Located, Placed } from '../../engine/config/located.ts';
import { REMOTE_MODES, type RemoteMode } from '../../engine/store/shared-results.ts';
import { didYouMean } from '../../hint.ts';

export const REMOTE_FETCHES = ['needed', 'all'] as const;
/** Which blobs are fetched: those that somebody wants, or all of every result that is used. */
export type RemoteFetch = (typeof REMOTE_FETCHES)[number];

/** `remote` of a settings file. */
export interface RemoteFileSettings {
  readonly url?: Placed<string>;
  readonly mode?: Placed<RemoteMode>;
  readonly fetch?: Placed<RemoteFetch>;
}

const KEYS = ['url', 'mode', 'fetch'];

export function readRemoteSettings(
  reader: DiagnosticCollector,
  located: Located | undefined,
): RemoteFileSettings | undefined {
  if (located === undefined) return undefined;
  const fields = reader.map(located, '`remote`');
  for (const [name, field] of fields ?? []) {
    const at = field.named ?? field.place;
    if (name === 'trust' || name === 'space') {
      const message = `\`${name}\` of \`remote\` belongs to a study: write it into pipeline.yaml`;
      reader.report(message, at, 'so that it is reviewed with everything else');
    } else if (!KEYS.includes(name)) {
      reader.report(`unknown key \`${name}\` in \`remote\``, at, didYouMean(name, KEYS));
    }
  }
  const url = readUrl(reader, fields?.get('url'));
  const mode = oneOf(reader, fields?.get('mode'), 'mode', REMOTE_MODES);
  const fetch = oneOf(reader, fields?.get('fetch'), 'fetch', REMOTE_FETCHES);
  return { ...(url && { url }), ...(mode && { mode }), ...(fetch && { fetch }) };
}

function readUrl(
  reader: DiagnosticCollector,
  located: Located | undefined,
): Placed<string> | undefined {
  const text = located && reader.text(located, '`url` of `remote`');
  if (located === undefined || text === undefined) return undefined;
  if (/^[a-z0-9+.-]+:\/\/[^/@]*:[^/@]*@/i.test(text)) {
    const hint = 'set PIPELINE_REMOTE_USER and PIPELINE_REMOTE_PASSWORD';
    reader.report('a settings file cannot hold a password', located.place, hint);
    return undefined;
  }
  return { value: text, place: located.place };
}

function oneOf<T extends string>(
  reader: DiagnosticCollector,
  located: Located | undefined,
  name: string,
  known: readonly T[],
): Placed<T> | undefined {
  if (located === undefined) return undefined;
  const value = known.find((one) => one === located.value);
  if (value !== undefined) return { value, place: located.place };
  // YAML reads `off` as a word, and some writers as false.
  if (located.value === false && known.includes('off' as T)) {
    return { value: 'off' as T, place: located.place };
  }
  reader.report(`\`${name}\` of \`remote\` must be ${known.join(', ')}`, located.place);
  return undefined;
}
