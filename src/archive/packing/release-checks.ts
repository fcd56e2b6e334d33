// release-checks.ts — what should not leave this machine by accident: secrets, paths, names, sizes, a missing licence

/** Something that keeps an archive from being written, until it is allowed by its name. */
export interface Hold {
  /** What `--allow` takes, such as `secret:pipeline.yaml:12`. */
  readonly item: string;
  readonly message: string;
}

/** What is known of this machine. */
export interface Surroundings {
  readonly home: string;
  readonly root: string;
  readonly user: string;
  readonly host: string;
}

/** What secrets look like. A pattern must be narrow: a check that everybody allows is no use. */
const SECRETS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a private key', /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/],
  ['an AWS key', /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b/],
  ['a GitLab token', /\bglpat-[A-Za-z0-9_-]{20,}/],
  ['a Slack token', /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/],
  ['a Google key', /\bAIza[0-9A-Za-z_-]{35}\b/],
  ['an API key', /\bsk-(?:ant-|proj-|live-)?[A-Za-z0-9_-]{32,}/],
  ['a Hugging Face token', /\bhf_[A-Za-z0-9]{30,}\b/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}\b/],
  ['a JSON web token', /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/],
  ['a password in an address', /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@"'`$]+:[^\s/:@"'`$]{3,}@/],
  [
    'a secret',
    /\b(?:password|passwd|secret|api[_-]?key|access[_-]?token)["']?\s*[:=]\s*["'][^"'\s$]{8,}["']/i,
  ],
];

/** Homes of people, on any machine. */
const HOMES = /(?:\/(?:home|Users)\/|\b[A-Z]:\\{1,2}Users\\{1,2})([\w.-]+)/;
/** Names that tell nothing of anybody. */
const COMMON = new Set([
  'root',
  'user',
  'node',
  'admin',
  'runner',
  'ubuntu',
  'debian',
  'localhost',
  'build',
]);

/** A text that is looked through in pieces of this size. */
const PIECE_CHARACTERS = 2 ** 20;
/** What is looked for is shorter: a line that is longer than a piece is looked at with so much of it twice. */
const OVERLAP_CHARACTERS = 4096;

/** Looks a text through, line by line; each line is told once for each kind of find. */
export const holdsIn = (place: string, text: string, around: Surroundings): readonly Hold[] =>
  holdsFrom(place, text, 1, patternsFor(around));

/** The same for a text that comes piece by piece, of which only a piece is held in memory. */
export async function holdsInStream(
  place: string,
  content: AsyncIterable<Uint8Array>,
  around: Surroundings,
): Promise<readonly Hold[]> {
  const patterns = patternsFor(around);
  const holds = new Map<string, Hold>();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let [line, rest] = [1, ''];
  const look = (text: string): void => {
    for (const hold of holdsFrom(place, text, line, patterns)) {
      if (!holds.has(hold.item)) holds.set(hold.item, hold);
    }
  };
  for await (const chunk of content) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length < PIECE_CHARACTERS) continue;
    look(rest);
    const end = rest.lastIndexOf('\n') + 1;
    line += newlinesIn(rest);
    rest = rest.slice(Math.max(end, rest.length - OVERLAP_CHARACTERS));
  }
  look(rest + decoder.decode());
  return [...holds.values()];
}

function newlinesIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

type Patterns = readonly (readonly [kind: string, what: string, pattern: RegExp])[];

const patternsFor = (around: Surroundings): Patterns => [
  ...SECRETS.map(([what, pattern]) => ['secret', what, pattern] as const),
  ...pathPatterns(around).map((pattern) => ['path', 'a path of this machine', pattern] as const),
  ['path', 'a path below somebody\u2019s home', HOMES],
  ...namePatterns(around),
];

/** @param first number of the first line */
function holdsFrom(
  place: string,
  text: string,
  first: number,
  patterns: Patterns,
): readonly Hold[] {
  const holds = new Map<string, Hold>();
  // Few texts hold anything: a look at the whole is cheaper than at its lines.
  for (const [kind, what, pattern] of patterns) {
    if (!pattern.test(text)) continue;
    text.split('\n').forEach((line, index) => {
      const found = pattern.exec(line);
      if (found === null) return;
      const item = `${kind}:${place}:${index + first}`;
      const shown = kind === 'secret' ? '' : `: ${found[0].slice(0, 80)}`;
      if (!holds.has(item)) holds.set(item, { item, message: `${what}${shown}` });
    });
  }
  return [...holds.values()];
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function pathPatterns({ home, root }: Surroundings): readonly RegExp[] {
  // The root of a file system, or of a container, is no secret.
  return [...new Set([home, root])]
    .filter((path) => path.split(/[\\/]/).filter(Boolean).length >= 1 && path.length > 4)
    .map((path) => new RegExp(`${escaped(path)}(?![\\w.-])`));
}

function namePatterns({
  user,
  host,
}: Surroundings): readonly (readonly [string, string, RegExp])[] {
  const word = (name: string): RegExp => new RegExp(`(?<![\\w.-])${escaped(name)}(?![\\w-])`);
  const tells = (name: string): boolean => name.length >= 4 && !COMMON.has(name.toLowerCase());
  return [
    ...(tells(user) ? [['user', 'the name of this user', word(user)] as const] : []),
    ...(tells(host) ? [['host', 'the name of this machine', word(host)] as const] : []),
  ];
}
