// runs.ts — pipeline runs, pin, unpin: what was run, and which runs gc leaves alone
import type { RunRecord } from '../../engine/model/record.ts';
import {
  type CommonOptions,
  stdoutColors as c,
  EXIT,
  placesOf,
  storeAt,
  talk,
  tell,
  tellJson,
} from '../session/session.ts';
import { type CommandDeclaration, STORE } from '../terminal/declaration.ts';
import { duration, quoted } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'runs',
  group: 'Runs',
  about: 'list the runs that made something, the newest first',
  options: [
    { flags: '-n, --number <n>', about: 'at most so many (default: 20)', value: 'positive' },
    ...STORE,
  ],
  examples: ['runs', 'runs -n 3 --json'],
};
export { runs as run };

interface RunsOptions extends CommonOptions {
  readonly number?: number;
}

const RUNS_SHOWN_DEFAULT = 20;

/** Lists runs, the newest first. */
async function runs(options: RunsOptions): Promise<number> {
  const store = storeAt(placesOf(options).cache, 'read');
  try {
    const shown = store.history.runs(options.number ?? RUNS_SHOWN_DEFAULT);
    const pins = store.upkeep?.tables.pins;
    const isPinned = ({ id }: RunRecord): boolean => pins?.doesExist(id) ?? false;
    if (options.json) tellJson(shown.map((run) => ({ ...run, pinned: isPinned(run) })));
    else {
      for (const run of shown) tell(runLine(run, isPinned(run)));
      if (shown.length === 0) talk('no run is known yet');
    }
    return EXIT.made;
  } finally {
    await store.close();
  }
}

function runLine(run: RunRecord, pinned: boolean): string {
  const { id, at, seconds, tally, targets = [], presets = [], sets = [] } = run;
  const state = stateWords(run);
  const ends = Object.entries(tally).flatMap(([outcome, n]) =>
    n > 0 ? [outcome === 'failed' ? c.red(`${n} failed`) : `${n} ${outcome}`] : [],
  );
  const words = [
    ...targets,
    ...presets.map((preset) => `--preset ${preset}`),
    ...sets.map((set) => `--set ${quoted(set)}`),
  ];
  const what = words.length > 0 ? words.join(' ') : 'everything';
  const when = at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
  const took = duration(seconds).padStart(7);
  const mark = pinned ? c.cyan(' pinned') : '';
  const how = [...state, ...ends].join(', ');
  return `${c.bold(id)}  ${when}  ${took}  ${how}  ${c.dim(what)}${mark}`;
}

/** How far a run is, where that is not an orderly end. */
function stateWords({ state = 'finished', host, error }: RunRecord): readonly string[] {
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
