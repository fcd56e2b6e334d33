// printing.ts — what commands print: results on stdout, everything else on stderr
import type { Diagnostic } from '../../engine/model/event.ts';
import { colorsFor, count, diagnosticJson, drawDiagnostic } from '../terminal/format.ts';
import { rendered, writeRendered } from '../terminal/ink.ts';

export const stderrColors = colorsFor(process.stderr, process.env);
export const stdoutColors = colorsFor(process.stdout, process.env);

/** Talk: everything that is not a result. */
export function writeStderr(line: string): void {
  print('stderr', `${line}\n`);
}

/** A result. No terminal obeys what is in it; JSON means what it meant. */
export function writeStdout(line: string): void {
  print('stdout', `${line}\n`);
}

/** Hears all that is printed. */
export interface PrintListener {
  hear(stream: 'stdout' | 'stderr', text: string): void;
}

let listener: PrintListener | undefined;

/** From now on, somebody hears all that is printed. */
export function hearPrinted(by: PrintListener | undefined): void {
  listener = by;
}

function print(stream: 'stdout' | 'stderr', line: string): void {
  const text = rendered(line);
  listener?.hear(stream, text);
  writeRendered(process[stream], text);
}

/** A result as JSON: indented for people, on one line for programs. */
export function writeJson(value: unknown): void {
  writeStdout(JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined));
}

/** Of a mistake that is made a thousand times, this many tell enough. */
const SHOWN_MAX = 50;
const LISTED_MAX = 1000;

/** Prints what stands in the way. */
export function reportDiagnostics(diagnostics: readonly Diagnostic[], json: boolean): void {
  const n = diagnostics.length;
  if (json) {
    const listed = diagnostics.slice(0, LISTED_MAX).map(diagnosticJson);
    const more = n > listed.length && { more: n - listed.length };
    writeStdout(JSON.stringify({ event: 'diagnostics', diagnostics: listed, ...more }));
    return;
  }
  for (const diagnostic of diagnostics.slice(0, SHOWN_MAX)) {
    writeStderr(`${drawDiagnostic(diagnostic, stderrColors)}\n`);
  }
  const part = n > SHOWN_MAX ? `, of which the first ${SHOWN_MAX} are shown` : '';
  if (n > 1) writeStderr(`${count(n, 'error')}${part}; nothing was run`);
}
