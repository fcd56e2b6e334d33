// pin.ts — pipeline pin RUNS: keep what runs made, whatever gc deletes
import { setPins } from '../../session/pins.ts';
import type { CommonOptions } from '../../session/session.ts';
import { type CommandDeclaration, STORE } from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'pin',
  group: 'Runs',
  about: 'keep what runs made, whatever gc deletes',
  arguments: [{ name: '<runs...>' }],
  options: STORE,
  examples: ['pin last', 'pin 20260412T101502 3fa9'],
};
export { pin as run };

/** The command. */
function pin(words: readonly string[], options: CommonOptions): Promise<number> {
  return setPins(words, true, options);
}
