// remote.ts — `remote` of pipeline.yaml: whose results count, and under which names they are shared
import { asPublicKey, type PublicKeyText, type Trust } from '../signing/public-key.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import type { Located } from './located.ts';

/** What a study says of results of others. Where they are is said by a person or a place. */
export interface RemoteConfig {
  readonly trust: Trust;
  /** Keeps studies apart that share a remote. */
  readonly space: string;
}

export const NO_REMOTE: RemoteConfig = { trust: {}, space: '' };
export const REMOTE_KEYS = ['trust', 'space'];
/** Names of those who are trusted, and of spaces. */
export const REMOTE_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

const TRUST_HINT =
  'remote: { trust: { lab: "ed25519:…" } }; `pipeline remote key` prints such a line';
const PERSONAL = ['url', 'mode', 'fetch'];

/** Reads `remote`. What is wrong in it is reported. */
export function readRemote(
  reader: DiagnosticCollector,
  located: Located | undefined,
): RemoteConfig {
  if (located === undefined) return NO_REMOTE;
  const fields = reader.map(located, '`remote`');
  for (const [name, field] of fields ?? []) {
    if (REMOTE_KEYS.includes(name)) continue;
    const at = field.named ?? field.place;
    if (PERSONAL.includes(name)) {
      const message = `\`${name}\` of \`remote\` belongs to a person or a site, not to a study`;
      const hint = 'set PIPELINE_REMOTE_URL, or write it into ~/.config/pipeline/config.yaml';
      reader.report(message, at, hint);
    } else reader.report(`unknown key \`${name}\` in \`remote\``, at, TRUST_HINT);
  }
  return { trust: readTrust(reader, fields?.get('trust')), space: readSpace(reader, fields) };
}

function readTrust(reader: DiagnosticCollector, located: Located | undefined): Trust {
  const names = located && reader.map(located, '`trust` of `remote`');
  const trust: Record<string, PublicKeyText> = Object.create(null);
  for (const [name, line] of names ?? []) {
    const key = typeof line.value === 'string' ? asPublicKey(line.value) : undefined;
    if (!REMOTE_NAME.test(name)) {
      const hint = 'letters, digits, - _ and .';
      reader.report(`\`${name}\` cannot be a name of \`trust\``, line.named ?? line.place, hint);
    } else if (key === undefined) {
      const isPrivate = typeof line.value === 'string' && /PRIVATE KEY/.test(line.value);
      const message = isPrivate
        ? `what \`${name}\` holds is a private key: take it out, and make a new one`
        : `what \`${name}\` holds is no public key`;
      reader.report(message, line.place, TRUST_HINT);
    } else trust[name] = key;
  }
  return trust;
}

function readSpace(
  reader: DiagnosticCollector,
  fields: ReadonlyMap<string, Located> | undefined,
): string {
  const space = fields?.get('space');
  if (space === undefined) return '';
  if (typeof space.value === 'string' && REMOTE_NAME.test(space.value)) return space.value;
  reader.report('`space` of `remote` must be a name', space.place, 'letters, digits, - _ and .');
  return '';
}
