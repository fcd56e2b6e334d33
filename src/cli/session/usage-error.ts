// usage-error.ts — errors that the user can correct: a command ends with exit code 2
import type { Diagnostic } from '../../engine/model/event.ts';

/** A command that cannot go on for a reason that its user can mend. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(({ message }) => message).join('\n'));
    this.diagnostics = diagnostics;
  }
}
