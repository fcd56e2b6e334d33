// unpin.ts — pipeline unpin RUNS: let gc delete the results of runs again
import { setPins } from '../../session/pins.ts';
import type { CommonOptions } from '../../session/session.ts';
import { type CommandDeclaration, RUNS, STORE } from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'unpin',
  group: 'Runs',
  about: 'let gc delete the results of runs again',
  arguments: [RUNS],
  options: STORE,
  examples: ['unpin last', 'unpin 20260412T101502 3fa9'],
};
export { unpin as run };

/** The command. */
function unpin(words: readonly string[], options: CommonOptions): Promise<number> {
  return setPins(words, false, options);
}
