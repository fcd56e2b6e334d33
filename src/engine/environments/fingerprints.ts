// fingerprints.ts — what tools say of their versions, for the keys of commands that use them
import type { Word } from '../config/command.ts';
import type { Diagnostic } from '../model/event.ts';
import type { Named } from '../model/key.ts';
import { askProgram } from '../process/ask-program.ts';
import { type CommandVariables, environmentOf } from './command-variables.ts';

/** Where tools are started. */
export interface FingerprintPlaces {
  readonly root: string;
  /** Their home and their folder for temporary files. */
  readonly cache: string;
}

/** Asks each tool once a plan. */
export class Fingerprints {
  private readonly places: FingerprintPlaces;
  private readonly answers = new Map<string, Promise<string | Diagnostic>>();

  constructor(places: FingerprintPlaces) {
    this.places = places;
  }

  /**
   * What a tool says of its version, or why that is unknown.
   * @param words the command that is asked
   * @param surroundings variables beside those that every command has
   */
  find(
    words: readonly Word[],
    variables: CommandVariables,
    surroundings: Named<string>,
  ): Promise<string | Diagnostic> {
    const argv = words.map(({ text }) => text);
    const { env, path } = variables;
    const question = JSON.stringify([argv, env, path, surroundings]);
    const known = this.answers.get(question);
    if (known) return known;
    const { root, cache } = this.places;
    const all = { ...surroundings, ...environmentOf(variables, cache, cache) };
    const answer = ask(argv, all, root).then((said) =>
      typeof said === 'string' ? said : { ...said, place: words[0]?.place },
    );
    this.answers.set(question, answer);
    return answer;
  }
}

async function ask(
  argv: readonly string[],
  env: Named<string>,
  folder: string,
): Promise<string | Diagnostic> {
  const { text, end, excess } = await askProgram({ argv, env, folder });
  const command = argv.join(' ');
  const unknown = 'so that the version of the tool is unknown';
  if (excess !== undefined) {
    const hint = 'a fingerprint is a command that prints a version, such as [python3, --version]';
    return { message: `\`${command}\` ${excess}, ${unknown}`, hint };
  }
  if (text.includes('\ufffd')) {
    return { message: `what \`${command}\` prints is not UTF-8, ${unknown}` };
  }
  if (end.code === 0 && text !== '') return text;
  const how =
    end.code === 0 ? 'printed nothing' : `ended with ${end.signal ?? `exit code ${end.code}`}`;
  return { message: `\`${command}\` ${how}, ${unknown}`, hint: end.last.at(-1) };
}
