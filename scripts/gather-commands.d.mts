// gather-commands.d.mts — the types of what tests use of gather-commands.mjs
import type { CommandDeclaration } from '../src/cli/terminal/declaration.ts';

/** What the files of commands declare. @param define values of constants that the build fills in */
export function declaredCommands(define: {
  readonly [name: string]: string;
}): Promise<readonly CommandDeclaration[]>;
