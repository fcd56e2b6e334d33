// pin.ts — pipeline pin RUNS: make gc keep the results of runs
import { setPins } from '../../session/pins.ts';
import type { CommonOptions } from '../../session/session.ts';
import { type CommandDeclaration, RUNS, STORE } from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'pin',
  group: 'Runs',
  about: 'make gc keep the results of runs',
  arguments: [RUNS],
  options: STORE,
  examples: ['pin last', 'pin 20260412T101502 3fa9'],
};
export { pin as run };

/** The command. */
function pin(words: readonly string[], options: CommonOptions): Promise<number> {
  return setPins(words, true, options);
}
