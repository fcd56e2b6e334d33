// declaration.ts — how a command declares itself: as data, from which its words are read, its help is written and shells complete

/** What the value of an option must be; text where nothing is said. */
export type ValueKind = 'positive' | 'not-negative' | 'jobs' | 'size';

export interface OptionDeclaration {
  /** As the help shows it: `-j, --jobs <n>`. `[n]` may be left out: the option is then true. */
  readonly flags: string;
  readonly about: string;
  readonly value?: ValueKind;
  /** Each use adds to a list, which is empty when it is not used. */
  readonly repeatable?: true;
  readonly choices?: readonly string[];
  readonly default?: string | number;
  /** The default as the help shows it, where it differs. */
  readonly defaultShown?: string;
  /**
   * For a make that finds nothing to do, which is told before anything is loaded: `read` decides whether it finds that or how
   * it says so, `ignored` decides nothing. With any other option, the whole program is loaded.
   */
  readonly whenUpToDate?: 'read' | 'ignored';
  /** Whether the command may change something with it (`yes`), or only inspects with it (`no`), whatever it does without. */
  readonly changes?: 'yes' | 'no';
}

export interface ArgumentDeclaration {
  /** `<task>`, `[dir]` when it may be left out, `[targets...]` for any number. */
  readonly name: string;
  readonly about?: string;
  readonly default?: string;
  readonly choices?: readonly string[];
}

/** Headings of `pipeline --help`, in their order. */
export const GROUPS = ['Make', 'Look', 'Runs', 'Store', 'Archives', 'Set up'] as const;

export interface CommandDeclaration {
  readonly name: string;
  readonly group: (typeof GROUPS)[number];
  readonly about: string;
  readonly arguments?: readonly ArgumentDeclaration[];
  readonly options: readonly OptionDeclaration[];
  /** Without the word `pipeline`. */
  readonly examples: readonly string[];
  /**
   * Whether it only inspects: what it printed is printed again while nothing has changed that it depends on. `changes` of an
   * option that is given goes before.
   */
  readonly inspects?: true;
  /** Asked by programs: not in the help, and takes whatever stands behind it. */
  readonly hidden?: true;
}

/** What a command is about. */
export const TARGETS: ArgumentDeclaration = {
  name: '[targets...]',
  about: "stages, tasks, or selections such as 'STAGE[axis=label]' (default: all)",
};
export const TASK: ArgumentDeclaration = {
  name: '<task>',
  about: 'STAGE/LABEL/LABEL, as `pipeline status` lists them',
};
export const RUNS: ArgumentDeclaration = {
  name: '<runs...>',
  about: 'ids or their beginnings, names, tags, or last, last~1, …',
};

const JSON_OPTION: OptionDeclaration = {
  flags: '--json',
  about: 'print everything as JSON on stdout',
  whenUpToDate: 'read',
};

/** Options of a command that reads or writes the store alone. */
export const STORE: readonly OptionDeclaration[] = [
  {
    flags: '-C, --directory <dir>',
    about: 'the folder of the pipeline',
    default: '.',
    whenUpToDate: 'read',
  },
  {
    flags: '--cache <dir>',
    about: 'the store (default: cache, or PIPELINE_CACHE)',
    whenUpToDate: 'read',
  },
  JSON_OPTION,
];

export const FILE: OptionDeclaration = {
  flags: '--file <name>',
  about: 'name of the pipeline file',
  default: 'pipeline.yaml',
  whenUpToDate: 'read',
};

/** Options of a command that reads pipeline.yaml. */
export const COMMON: readonly OptionDeclaration[] = [
  {
    flags: '--preset <name>',
    about: 'apply a preset of pipeline.yaml to its params (repeatable)',
    repeatable: true,
    whenUpToDate: 'read',
  },
  {
    flags: '--params <file>',
    about: 'override params from a YAML or JSON file, after presets and before --set (repeatable)',
    repeatable: true,
    whenUpToDate: 'read',
  },
  {
    flags: '--set <path=value>',
    about: 'set one param, such as training.epochs=3 (repeatable)',
    repeatable: true,
    whenUpToDate: 'read',
  },
  FILE,
  ...STORE,
];

export const JOBS: OptionDeclaration = {
  flags: '-j, --jobs <n>',
  about: 'number of tasks to run at once (default: one per core)',
  value: 'jobs',
  whenUpToDate: 'ignored',
};

export const MIRROR: OptionDeclaration = {
  flags: '--mirror <dir|url>',
  about: 'where to look first for data files (repeatable; PIPELINE_MIRROR)',
  repeatable: true,
  whenUpToDate: 'ignored',
};

/** Where tasks run, in place of what stages say. */
export const ON: OptionDeclaration = {
  flags: '--on <where>',
  about: 'where to run tasks: local, EXECUTOR or EXECUTOR/CLASS; of several, the first that can',
};

/** Whether results of others are used, and own ones published. */
export const REMOTE: readonly OptionDeclaration[] = [
  {
    flags: '--remote <mode>',
    about: 'share results: off, read, write, read-write or require (PIPELINE_REMOTE)',
    choices: ['off', 'read', 'write', 'read-write', 'require'],
    whenUpToDate: 'ignored',
  },
  {
    flags: '--remote-fetch <which>',
    about: 'download only needed results of others, or all (default: needed)',
    choices: ['needed', 'all'],
    whenUpToDate: 'ignored',
  },
];

/** Options of a command that runs tasks, beside `JOBS`. */
export const RUNNING: readonly OptionDeclaration[] = [
  {
    flags: '-k, --keep-going',
    about: 'after a failure, continue with tasks that do not need the failed one',
    whenUpToDate: 'ignored',
  },
  MIRROR,
  ON,
  ...REMOTE,
  {
    flags: '-v, --verbose',
    about: 'also print who made the results from the remote, and why one was not used',
    whenUpToDate: 'ignored',
  },
  {
    flags: '-q, --quiet',
    about: 'print only warnings and errors',
    whenUpToDate: 'read',
  },
];

/** For a command that prints nothing but what it was asked for. */
export const JSON_ACCEPTED: OptionDeclaration = {
  flags: '--json',
  about: 'accepted for consistency; has no effect',
};

/** A value that is not of its kind. The message is a sentence. */
export class ValueError extends Error {}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['K', 2 ** 10],
  ['M', 2 ** 20],
  ['G', 2 ** 30],
]);

function integer(text: string, least: number, most: number): number {
  const number = Number(text);
  const plain = /^\d+(?:e\d+)?$/i.test(text);
  if (plain && Number.isInteger(number) && number >= least && number <= most) return number;
  const bounds =
    most < Number.MAX_SAFE_INTEGER ? `from ${least} to ${most}` : `of at least ${least}`;
  throw new ValueError(`It must be an integer ${bounds}.`);
}

/** `512M`, `2G`, `1000`: bytes. */
function bytes(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([KMG]?)i?B?$/i.exec(text) ?? [];
  if (number === undefined) throw new ValueError('It must be a size such as 512M.');
  return Number(number) * (UNITS.get(unit.toUpperCase()) ?? 1);
}

const READERS: { readonly [kind in ValueKind]: (text: string) => number } = {
  positive: (text) => integer(text, 1, Number.MAX_SAFE_INTEGER),
  'not-negative': (text) => integer(text, 0, Number.MAX_SAFE_INTEGER),
  // No machine runs more tasks than this at once.
  jobs: (text) => integer(text, 1, 4096),
  size: bytes,
};

/** What the text of an option means. @throws ValueError */
export const readValue = ({ value }: OptionDeclaration, text: string): string | number =>
  value === undefined ? text : READERS[value](text);

/** The words that name an option: `-j` and `--jobs`. */
export const namesOf = ({ flags }: OptionDeclaration): readonly string[] =>
  flags.match(/(?<![\w-])--?[\w-]+/g) ?? [];

/** The name under which an action gets an option: `keepGoing` for `--keep-going`. */
export const attributeOf = (option: OptionDeclaration): string =>
  (namesOf(option).at(-1) ?? '').slice(2).replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

/** Whether a word follows it. */
export const takesValue = ({ flags }: OptionDeclaration): boolean => /[<[]/.test(flags);

/** Whether that word may be left out. */
export const valueMayBeLeftOut = ({ flags }: OptionDeclaration): boolean => flags.includes('[');
