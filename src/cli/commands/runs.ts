// runs.ts — pipeline runs, pin, unpin: what was run, and which runs gc leaves alone
import { changesSince, filterRuns, type RunChanges } from '../../analysis/runs.ts';
import type { Json } from '../../engine/model/key.ts';
import type { RunRecord } from '../../engine/model/record.ts';
import { paramWords } from '../session/named-tasks.ts';
import { placesOf } from '../session/places.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, storeAt } from '../session/session.ts';
import { analysed } from '../session/study.ts';
import { type CommandDeclaration, STORE } from '../terminal/declaration.ts';
import { brief, duration } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'runs',
  group: 'Runs',
  about: 'list the runs that built something, newest first',
  options: [
    {
      flags: '--where <condition>',
      about: 'only runs with this state, name, tag, target, outcome or param (repeatable)',
      repeatable: true,
    },
    {
      flags: '-n, --number <n>',
      about: 'the number of runs to list (default: 20)',
      value: 'positive',
    },
    ...STORE,
  ],
  examples: ['runs', 'runs -n 3 --json', "runs --where 'state=finished,failed>0'"],
};
export { runs as run };

interface RunsOptions extends CommonOptions {
  readonly number?: number;
  readonly where: readonly string[];
}

const RUNS_SHOWN_DEFAULT = 20;

/** Lists runs, the newest first. */
async function runs(options: RunsOptions): Promise<number> {
  const store = storeAt(placesOf(options).cache, 'read');
  try {
    const number = options.number ?? RUNS_SHOWN_DEFAULT;
    const { where } = options;
    // One more than is shown: what a run changed is told beside the one before it.
    const known = store.history.runs(where.length > 0 ? undefined : number + 1);
    const shown = (await analysed(() => filterRuns(known, where))).slice(0, number);
    const pins = store.upkeep?.tables.pins;
    const isPinned = ({ id }: RunRecord): boolean => pins?.doesExist(id) ?? false;
    const changesOf = (run: RunRecord): RunChanges | undefined => {
      const before = known[known.indexOf(run) + 1];
      return before && changesSince(before, run);
    };
    if (options.json) {
      writeJson(
        shown.map((run) => {
          const changes = changesOf(run);
          return { ...run, pinned: isPinned(run), ...(changes && { changes }) };
        }),
      );
    } else {
      for (const run of shown) {
        const changes = changesOf(run);
        writeStdout(`${runLine(run, isPinned(run))}${c.dim(changes ? formatChange(changes) : '')}`);
      }
      if (shown.length === 0) writeStderr('there is no run yet');
    }
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** What a run changed, as much of it as a line holds. */
function formatChange({ params, sources }: RunChanges): string {
  const value = (json: Json | undefined): string => (json === undefined ? '–' : brief(json, 16));
  const all = [
    ...params.map(({ path, before, after }) => `${path}: ${value(before)} → ${value(after)}`),
    ...sources.map(({ file, change }) => `${file} ${change}`),
  ];
  const more = all.length > CHANGES_SHOWN ? `, and ${all.length - CHANGES_SHOWN} more` : '';
  return all.length === 0 ? '' : `  (${all.slice(0, CHANGES_SHOWN).join(', ')}${more})`;
}

const CHANGES_SHOWN = 3;

function runLine(run: RunRecord, pinned: boolean): string {
  const { id, at, seconds, tally, targets = [] } = run;
  const state = formatState(run);
  const ends = Object.entries(tally).flatMap(([outcome, n]) =>
    n > 0 ? [outcome === 'failed' ? c.red(`${n} failed`) : `${n} ${outcome}`] : [],
  );
  const makers = Object.entries(run.makers ?? {}).map(([by, n]) => `${n} made by ${by}`);
  const words = [...targets, ...paramWords(run)];
  const what = words.length > 0 ? words.join(' ') : 'everything';
  const when = at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
  const took = duration(seconds).padStart(7);
  const name = run.name === undefined ? '' : c.cyan(`  ${run.name}`);
  const tags = (run.tags ?? []).map((tag) => c.green(` #${tag}`)).join('');
  const mark = `${name}${tags}${pinned ? c.cyan(' pinned') : ''}`;
  const how = [...state, ...ends, ...makers].join(', ');
  return `${c.bold(id)}  ${when}  ${took}  ${how}  ${c.dim(what)}${mark}`;
}

/** How far a run is, where that is not an orderly end. */
function formatState({ state = 'finished', host, error }: RunRecord): readonly string[] {
  switch (state) {
    case 'finished':
      return [];
    case 'running':
      return [c.cyan('running')];
    case 'unknown':
      return [c.yellow(`unknown: its process is on ${host}`)];
    case 'aborted':
      return [c.red(`aborted${error ? ` (${error})` : ''}`)];
    default:
      return [c.yellow(state)];
  }
}
