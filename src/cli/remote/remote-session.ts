// remote-session.ts — the remote of a command: opened by what is set, and only when it is wanted
import { homedir, userInfo } from 'node:os';
import type { RemoteConfig } from '../../engine/config/remote.ts';
import type { Named } from '../../engine/model/key.ts';
import type { ActionRecord } from '../../engine/model/record.ts';
import type { Signer } from '../../engine/signing/signature.ts';
import type { RemoteMode, SharedResults } from '../../engine/store/shared-results.ts';
import type { Store } from '../../engine/store/store.ts';
import type { RemoteResults as Results } from '../../remote/remote-results.ts';
import type { RemoteListener, RemoteTerms } from '../../remote/remote-terms.ts';
import { demand, ownSettings } from '../session/own-settings.ts';
import { host } from '../session/this-process.ts';
import { UsageError } from '../session/usage-error.ts';
import { environmentWithSecrets } from '../settings/remote-secrets.ts';
import {
  type RemoteFlags,
  type RemoteSettings,
  remoteSettings,
  URL_VARIABLE,
} from '../settings/remote-settings.ts';
import { homeIn } from '../settings/settings-places.ts';

/** What a command has when it asks for its remote. */
export interface RemoteRequest {
  readonly flags: RemoteFlags;
  readonly root: string;
  readonly cache: string;
  readonly config: RemoteConfig;
  readonly store: Store;
  readonly listener: RemoteListener;
}

/** Results of others in one run. */
export interface RunRemote extends SharedResults {
  /** How many results came, by the name of their maker. */
  readonly makers: Named<number>;
  /** Fetches all blobs of what came. */
  fetchAll(): Promise<void>;
  /** Waits for what is being published, for a while that goes by how long the run took. Gives what is left. */
  close(run_ms: number): Promise<number>;
}

/** What is set. The environment that it is read from has passwords. */
export const remoteSettingsFor = (flags: RemoteFlags): RemoteSettings =>
  demand(remoteSettings(flags, { ...ownSettings(), environment: environmentWithSecrets() }));

/**
 * A run waits so long for its remote in vain, or this share of its time, whichever is more: for look-ups, and at its end for
 * what is being published. With the rest that a remote costs, that is less than 2 s or 5 %.
 */
const WAIT_MS = 1700;
const WAIT_SHARE = 0.045;

/** The remote of a run. Undefined where none is set, it is off, or nothing could be used or published. @throws UsageError */
export async function openRunRemote(request: RemoteRequest): Promise<RunRemote | undefined> {
  const settings = remoteSettingsFor(request.flags);
  const { mode, url } = settings;
  if (mode.value === 'off') return undefined;
  if (url.value === null) {
    // Whoever asks for a remote has to say which; a variable may be set for many studies.
    if (mode.value === null || mode.origin.kind !== 'flag') return undefined;
    throw new UsageError([noRemote(`--remote ${mode.value}`)]);
  }
  const { terms, Publishing, PublishQueue, RemoteResults } = await openTerms(request, settings);
  const { signer } = terms;
  const doesPublish = ['write', 'read-write', 'require'].includes(terms.mode) && signer !== null;
  if (Object.keys(terms.trust).length === 0 && terms.mode !== 'require' && !doesPublish) {
    request.listener.note('pipeline.yaml trusts nobody: the remote is not asked');
    terms.remote.close();
    return undefined;
  }
  const publishing = doesPublish
    ? new Publishing(
        { ...terms, trust: { ...terms.trust, [OWN_NAME]: signer.key } },
        { signer, queue: new PublishQueue(request.cache), around: aroundOf(request.root) },
      )
    : undefined;
  const records: ActionRecord[] = [];
  const counts: Record<string, number> = Object.create(null);
  const results: Results = new RemoteResults(terms, publishing, (record) => {
    const { task, made, origin, outputs } = record;
    if (origin === undefined) return;
    records.push(record);
    counts[origin.by] = (counts[origin.by] ?? 0) + 1;
    request.listener.note(`${task} was made by ${origin.by} on ${made.host}, ${agoOf(made.at)}`);
    // What cannot be had is told, and made again when it is wanted.
    if (settings.fetch.value === 'all') void results.fetch(Object.values(outputs)).catch(() => 0);
  });
  return {
    makers: counts,
    find: (key) => results.find(key),
    fetch: (blobs) => results.fetch(blobs),
    made: (record) => results.made(record),
    async fetchAll() {
      if (settings.fetch.value !== 'all') return;
      await results.fetch(records.flatMap(({ outputs }) => Object.values(outputs)));
    },
    close: (run_ms) => results.close(Math.max(WAIT_MS, WAIT_SHARE * run_ms)),
  };
}

/** One's own results, where nobody else gave them a name. */
export const OWN_NAME = 'this key';

const noRemote = (by: string) => ({
  message: `${by}: no remote is set`,
  hint: `set ${URL_VARIABLE}, or \`remote: { url: … }\` in ~/.config/pipeline/config.yaml`,
});

/** Loads what remotes need, and opens the one that is set. @throws UsageError */
export async function openTerms(request: RemoteRequest, settings: RemoteSettings) {
  const [{ openCache }, { loadSigner }, { Publishing }, { PublishQueue }, { RemoteResults }] =
    await Promise.all([
      import('../../remote/open-cache.ts'),
      import('../../engine/signing/key-file.ts'),
      import('../../remote/publishing.ts'),
      import('../../remote/publish-queue.ts'),
      import('../../remote/remote-results.ts'),
    ]);
  const environment = environmentWithSecrets();
  const { url, mode } = settings;
  if (url.value === null) throw new UsageError([noRemote('pipeline remote')]);
  const by = 'file' in url.origin ? `${url.origin.file}:${url.origin.line}` : URL_VARIABLE;
  const remote = demand(openCache(url.value, environment, by));
  const signer = demand(loadSigner(environment, homeIn(environment)));
  const isCi = (environment.CI ?? '') !== '' && environment.CI !== 'false';
  const chosen: RemoteMode = mode.value ?? (isCi && signer ? 'read-write' : 'read');
  if ((chosen === 'write' || chosen === 'read-write') && signer === null) {
    const message = `there is no key to sign results with: --remote ${chosen} publishes them`;
    throw new UsageError([{ message, hint: '`pipeline remote key` makes one' }]);
  }
  const { trust, space } = request.config;
  const { store, listener } = request;
  const clock = (): number => performance.now();
  const terms: RemoteTerms = { remote, space, mode: chosen, trust, signer, store, listener, clock };
  return { terms, Publishing, PublishQueue, RemoteResults, aroundOf };
}

/** A remote that is open, and what works with it. */
export type OpenTerms = Awaited<ReturnType<typeof openTerms>>;

/** The key of this person or machine. @throws UsageError where there is none */
export async function ownSigner(): Promise<Signer> {
  const { loadSigner } = await import('../../engine/signing/key-file.ts');
  const environment = environmentWithSecrets();
  const signer = demand(loadSigner(environment, homeIn(environment)));
  if (signer) return signer;
  const hint = '`pipeline remote key` makes one';
  throw new UsageError([{ message: 'there is no key to sign with', hint }]);
}

/** What should not leave this machine. */
export const aroundOf = (root: string) => ({ home: homedir(), root, user: userName(), host });

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** How long ago something was. */
export function agoOf(at: string): string {
  const ms = Date.now() - Date.parse(at);
  for (const [unit, length] of UNITS) {
    const n = Math.floor(ms / length);
    if (n >= 1) return `${n} ${unit}${n === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}
