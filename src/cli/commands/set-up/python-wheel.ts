// python-wheel.ts — pipeline python-wheel: where the wheel of the Python module lies, for pip

import { writeJson, writeStdout } from '../../session/printing.ts';
import { EXIT } from '../../session/session.ts';
import type { CommandDeclaration } from '../../terminal/declaration.ts';
import { wheelFile } from './python-module.ts';

export const command: CommandDeclaration = {
  name: 'python-wheel',
  group: 'Set up',
  about: 'print the path of the wheel of the Python module, for pip and uv',
  options: [{ flags: '--json', about: 'print JSON' }],
  examples: ['python-wheel'],
};
export { pythonWheel as run };

/** Prints one path, so that a shell can put it into a command: `pip install "$(pipeline python-wheel)"`. */
async function pythonWheel({ json }: { readonly json?: boolean }): Promise<number> {
  const wheel = wheelFile();
  if (json) writeJson({ wheel });
  else writeStdout(wheel);
  return EXIT.success;
}
