// remote.ts — pipeline remote: the place where results are shared, and the key that signs them
import { openTerms, remoteSettingsFor } from '../remote/remote-session.ts';
import { planFor } from '../session/named-tasks.ts';
import { stderrColors as c, writeStderr } from '../session/printing.ts';
import { type CommonOptions, openSession } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';

const ACTIONS = ['key', 'status', 'push', 'pull', 'verify', 'gc'] as const;
type RemoteAction = (typeof ACTIONS)[number];

export const command: CommandDeclaration = {
  name: 'remote',
  group: 'Store',
  about: 'share results: create a key, list, publish, download, verify or delete',
  arguments: [
    { name: '<action>', about: 'what to do', choices: ACTIONS },
    { name: '[targets...]', about: 'tasks to push, pull or verify (default: all)' },
  ],
  options: [
    { flags: '--name <name>', about: 'key: the name in the line for pipeline.yaml' },
    { flags: '--delegate <file>', about: 'key: let this SSH key (a .pub file) certify it' },
    {
      flags: '--keep-days <n>',
      about: 'gc: keep results published within this many days (default: 30)',
      value: 'not-negative',
    },
    { flags: '-n, --dry-run', about: 'gc: print what would be deleted, without deleting it' },
    { flags: '-v, --verbose', about: 'print why a result was not used or not published' },
    ...COMMON,
  ],
  examples: ['remote key --name lab', 'remote status', 'remote push', 'remote gc --keep-days 90'],
};
export { remote as run };

interface RemoteOptions extends CommonOptions {
  readonly name?: string;
  readonly delegate?: string;
  readonly keepDays?: number;
  readonly dryRun?: boolean;
  readonly verbose?: boolean;
}

const KEEP_DAYS_DEFAULT = 30;

async function remote(
  action: RemoteAction,
  targets: readonly string[],
  options: RemoteOptions,
): Promise<number> {
  if (action === 'key') {
    const { remoteKey } = await import('../remote/remote-key.ts');
    return remoteKey(options);
  }
  if (targets.length > 0 && (action === 'status' || action === 'gc')) {
    throw new UsageError([{ message: `remote ${action} takes no targets` }]);
  }
  const json = options.json ?? false;
  const settings = remoteSettingsFor({});
  const session = await openSession(options, 'write');
  try {
    const listener = {
      warn: (message: string) => writeStderr(`${c.yellow('warning')}: ${message}`),
      note: (message: string) => {
        if (options.verbose) writeStderr(c.dim(message));
      },
    };
    const { root, cache, store, pipeline } = session;
    const mode = action === 'push' ? 'read-write' : (settings.mode.value ?? 'read');
    const asked = { ...settings, mode: { ...settings.mode, value: mode } };
    const request = { flags: {}, root, cache, config: pipeline.remote, store, listener };
    const shown = action === 'status' ? settings : asked;
    const opened = await openTerms(request, shown);
    const planned = { ...session, plan: planFor(session.plan, targets) };
    return await take(action, planned, opened, { ...options, json });
  } finally {
    await session.store.close();
  }
}

async function take(
  action: Exclude<RemoteAction, 'key'>,
  session: Awaited<ReturnType<typeof openSession>>,
  opened: Awaited<ReturnType<typeof openTerms>>,
  { json, keepDays, dryRun }: RemoteOptions & { readonly json: boolean },
): Promise<number> {
  if (action === 'push' || action === 'pull') {
    const { remotePush, remotePull } = await import('../remote/remote-transfer.ts');
    return action === 'push'
      ? remotePush(session, opened, json)
      : remotePull(session, opened, json);
  }
  const { remoteStatus, remoteVerify, remoteGc } = await import('../remote/remote-check.ts');
  if (action === 'status') return remoteStatus(session, opened, json);
  if (action === 'verify') return remoteVerify(session, opened, json);
  const days = keepDays ?? KEEP_DAYS_DEFAULT;
  return remoteGc(opened, { days, dryRun: dryRun ?? false, json });
}
