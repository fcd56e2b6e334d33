// cluster.ts — pipeline cluster gc: clears the depots of clusters
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import prettyBytes from 'pretty-bytes';
import { DepotError, depotFolder, openLayout, projectId } from '../../cluster/layout.ts';
import {
  DEPOT_KINDS,
  type DepotGarbage,
  type DepotItem,
  dropDepotGarbage,
  findDepotGarbage,
} from '../../cluster/records/collect-depot.ts';
import type { ExecutorConfig } from '../../engine/config/executors.ts';
import { isSystemError, systemHint, systemSentence } from '../../engine/files/system-error.ts';
import { batchFor } from '../cluster/open-batch.ts';
import { executorsHere } from '../cluster/placements.ts';
import { placesOf } from '../session/places.ts';
import { stderrColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, loadFor } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { count } from '../terminal/format.ts';

const ACTIONS = ['gc'] as const;
type ClusterAction = (typeof ACTIONS)[number];

export const command: CommandDeclaration = {
  name: 'cluster',
  group: 'Store',
  about: 'delete from the depots of clusters what no head and no job needs',
  arguments: [{ name: '<action>', about: 'what to do', choices: ACTIONS }],
  options: [
    {
      flags: '--keep-days <n>',
      about: 'keep what was used within this many days (default: 30)',
      value: 'not-negative',
    },
    { flags: '-n, --dry-run', about: 'print what would be deleted, without deleting it' },
    ...COMMON,
  ],
  examples: ['cluster gc --dry-run', 'cluster gc --keep-days 7'],
};
export { cluster as run };

interface ClusterOptions extends CommonOptions {
  readonly keepDays?: number;
  readonly dryRun?: boolean;
}

const KEEP_DAYS_DEFAULT = 30;
const DAY_MS = 86_400_000;

/** Clears the depot of each executor that is known here. */
async function cluster(_: ClusterAction, options: ClusterOptions): Promise<number> {
  const { pipeline } = await loadFor(options, 'look');
  const executors = executorsHere(pipeline);
  if (executors.size === 0) {
    const hint = 'declare one under `executors:` in pipeline.yaml or a file of settings';
    throw new UsageError([{ message: 'no executor is declared that has a depot', hint }]);
  }
  const byFolder = new Map([...executors.values()].map((one) => [depotFolder(one.depot), one]));
  const told: object[] = [];
  for (const [folder, config] of byFolder) told.push(await collect(folder, config, options));
  if (options.json) writeJson(told);
  return EXIT.success;
}

async function collect(
  folder: string,
  config: ExecutorConfig,
  options: ClusterOptions,
): Promise<object> {
  const { json, dryRun = false, keepDays = KEEP_DAYS_DEFAULT } = options;
  if (!existsSync(join(folder, 'format'))) {
    if (!json) writeStderr(`there is no depot in ${folder}`);
    return { depot: folder, dryRun, bytes: 0, kept: 0, dropped: {} };
  }
  try {
    const layout = openLayout(folder, projectId(placesOf(options).root));
    const garbage = await findDepotGarbage({
      layout,
      keep_ms: keepDays * DAY_MS,
      async jobsThere(project, names) {
        const sights = await batchFor(config, layout.logsOf(project)).look(names);
        if (sights === 'unknown') return sights;
        return new Set(sights.filter(({ state }) => state !== 'over').map(({ name }) => name));
      },
    });
    const gone = dryRun ? garbage.items : dropDepotGarbage(garbage);
    if (!json) tell(folder, garbage, gone, dryRun);
    return {
      ...{ depot: folder, dryRun, bytes: bytesOf(gone), kept: garbage.kept_bytes },
      dropped: Object.fromEntries(
        DEPOT_KINDS.map((kind) => [kind, gone.filter((item) => item.kind === kind).length]),
      ),
      unanswered: garbage.unanswered,
    };
  } catch (error) {
    if (error instanceof DepotError) {
      throw new UsageError([{ message: error.message, hint: error.hint }]);
    }
    if (!isSystemError(error)) throw error;
    const message = `the depot ${folder} cannot be cleared: ${systemSentence(error)}`;
    throw new UsageError([{ message, hint: systemHint(error) }]);
  }
}

const bytesOf = (items: readonly DepotItem[]): number =>
  items.reduce((sum, { bytes }) => sum + bytes, 0);

const NOUNS = {
  blobs: 'blob',
  checkpoints: 'checkpoint',
  sets: 'lot of jobs',
  heads: 'head',
  records: 'list of results',
  logs: 'log',
} as const;
const PLURALS: { readonly [noun: string]: string } = {
  'lot of jobs': 'lots of jobs',
  'list of results': 'lists of results',
};

function tell(
  folder: string,
  { kept_bytes, unanswered }: DepotGarbage,
  gone: readonly DepotItem[],
  dryRun: boolean,
): void {
  const parts = DEPOT_KINDS.flatMap((kind) => {
    const n = gone.filter((item) => item.kind === kind).length;
    const plural = PLURALS[NOUNS[kind]];
    if (n === 0) return [];
    return n > 1 && plural !== undefined ? `${n} ${plural}` : count(n, NOUNS[kind]);
  });
  const verb = dryRun ? 'would drop' : 'dropped';
  writeStdout(
    parts.length > 0
      ? `${folder}: ${verb} ${parts.join(', ')}: ${prettyBytes(bytesOf(gone))}`
      : `${folder}: nothing to drop`,
  );
  writeStderr(`kept what was used lately or is needed: ${prettyBytes(kept_bytes)}`);
  if (unanswered.length > 0) {
    const message = 'the batch system does not answer: what jobs may need was left alone';
    writeStderr(`${c.yellow('warning')}: ${message}`);
  }
}
