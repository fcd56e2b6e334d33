// command-runner.ts — runs a command in a fresh folder, and tells how it ended
import { lstat, realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { plainName } from '../../plain-text.ts';
import { environmentOf, withPrograms } from '../environments/command-variables.ts';
import { makeFolder } from '../files/make-folder.ts';
import { formatSize } from '../files/size.ts';
import { isSystemError, systemSentence } from '../files/system-error.ts';
import { type ActionResult, failed } from '../model/action-result.ts';
import type { Named } from '../model/key.ts';
import {
  type Argument,
  argumentsOf,
  type Fillings,
  formatTooLong,
} from '../planning/command-line.ts';
import { progressInLine } from '../process/lines.ts';
import { causeOf, watchOutOfMemory } from '../process/out-of-memory.ts';
import { type Attempt, openAttempt } from '../process/scratch-folder.ts';
import { type ProgramEnd, runProgram } from '../process/shell.ts';
import { newNonce } from '../process/supervisor.ts';
import { StageError } from '../stage.ts';
import type { CommandSpec } from './command-spec.ts';
import { type Surroundings, surround } from './program-surroundings.ts';
import { because, CommandFailure, LostInput, Scratch, type ScratchWork } from './scratch.ts';

/** The program asks to be started without its checkpoint. */
class StartAnew extends Error {}

/** The exit code by which it does: EX_TEMPFAIL of sysexits.h. */
const START_ANEW = 75;

/** Undeclared files and processes that are named; the rest are counted. */
const EXTRA_SHOWN = 8;
/** So much of a stage's name begins the name of its scratch folders. */
const STAGE_NAME_SHOWN = 48;

/** Runs the command of an action. Its scratch folder is removed, but for a failure, which tells where it is. */
export async function runInScratch(work: ScratchWork): Promise<ActionResult> {
  const end = await runOnce(work);
  if (end !== 'start anew') return end;
  await work.hooks.dropCheckpoint();
  const again = await runOnce(work);
  return again === 'start anew' ? failed({ cause: 'infrastructure', message: STUCK }) : again;
}

const STUCK = 'its checkpoint could not be dropped';

async function runOnce(work: ScratchWork): Promise<ActionResult | 'start anew'> {
  const { key, stage, notes } = work.action;
  const { scratch: parent, identity, root } = work.machine;
  const name = `${stage.slice(0, STAGE_NAME_SHOWN)}-${key.slice(0, 16)}`;
  const nonce = newNonce();
  let attempt: Attempt;
  try {
    attempt = await openAttempt({ parent, name, unique: nonce.slice(0, -1), identity });
  } catch (error) {
    const why = isSystemError(error) ? systemSentence(error) : textOf(error);
    const message = `its scratch folder cannot be made: ${why}`;
    return failed({ cause: 'infrastructure', message });
  }
  const discard = async (): Promise<void> => {
    const obstacle = await attempt.discard();
    if (obstacle === undefined) return;
    work.warn(`the scratch folder could not be removed, and will be tried again: ${obstacle}`);
  };
  try {
    const end = await runIn(attempt, nonce, work);
    await discard();
    return end;
  } catch (error) {
    if (error instanceof LostInput) {
      await discard();
      return { status: 'lost-inputs', digests: error.digests };
    }
    if (error instanceof StartAnew) {
      await discard();
      const said = error.message === '' ? '' : `: ${error.message}`;
      work.warn(`the program cannot use its checkpoint and starts again${said}`);
      return 'start anew';
    }
    if (!(error instanceof CommandFailure)) throw error;
    const there = await lstat(attempt.work).catch(() => undefined);
    if (there === undefined) {
      await discard();
      return failed({ ...error.failure, notes });
    }
    await attempt.keep();
    const keptFolder = relative(root, attempt.work).split(sep).join('/');
    return failed({ ...error.failure, notes, keptFolder });
  }
}

async function runIn(attempt: Attempt, nonce: string, work: ScratchWork): Promise<ActionResult> {
  const { action, machine, signal, log, state, warn } = work;
  const { folder: whole, work: folder } = attempt;
  const { scratch, filled, env, around } = await layOut(attempt, work);
  const argv = filled.map(({ text }) => text);
  const killedForMemory = watchOutOfMemory();
  const enclosed = machine.enclose?.(argv, { cwd: folder, folder: whole }) ?? argv;
  const line = (text: string): void => {
    const progress = progressInLine(text);
    if (progress) work.hooks.progress(progress.done, progress.of, progress.note);
    log(text);
  };
  const { stop, memory_bytes } = action;
  const program = { argv: enclosed, env, nonce, folder, line, state, signal, stop, memory_bytes };
  const end = await runProgram(program).finally(() => around.events?.finish());
  if (signal.aborted) {
    await scratch.inputs.release();
    return { status: 'stopped' };
  }
  if (end.isOverLimit && memory_bytes !== undefined) {
    throw because('memory', formatOverLimit(memory_bytes));
  }
  if (isTooLong(end)) throw because('inputs', formatTooLong(filled, env));
  if (end.refusal) {
    throw because(
      'infrastructure',
      `the command could not be started: ${refusalWords(end.refusal)}`,
    );
  }
  if (end.code === START_ANEW && around.resumes) throw new StartAnew(end.last.at(-1) ?? '');
  if (end.code !== 0) {
    const process = { argv, code: end.code, signal: end.signal, last: end.last };
    throw new CommandFailure({ cause: causeOf(process, killedForMemory), process });
  }
  if (end.left.length > 0) warn(formatLeft(end.left));
  await scratch.unlock();
  await scratch.checkInputs();
  const outputs = await scratch.outputs(around.events);
  const extra = await scratch.extra();
  if (extra.length > 0) warn(formatExtra(extra));
  await scratch.inputs.release();
  const { peak_bytes } = end;
  return { status: 'done', outputs, ...(peak_bytes !== undefined && { peak_bytes }) };
}

const formatOverLimit = (limit: number): string =>
  `it took more memory than the ${formatSize(limit)} of \`memory\` in its resources, and was stopped`;

/** A scratch folder that is ready for its command. */
export interface Layout {
  readonly scratch: Scratch;
  readonly filled: readonly Argument[];
  readonly env: Named<string>;
  readonly around: Surroundings;
}

/** What a scratch folder is filled from. */
export type LayoutWork = Omit<ScratchWork, 'signal' | 'state'>;

/** Fills a scratch folder: inputs, arguments, environment. @throws CommandFailure, LostInput */
export async function layOut(
  { folder: whole, work: folder, home, temporary }: Attempt,
  work: LayoutWork,
): Promise<Layout> {
  const { action, command, machine, log, warn } = work;
  const scratch = new Scratch(await realpath(folder), work);
  await scratch.fill().catch((error: unknown) => {
    const isKnown = error instanceof CommandFailure || error instanceof LostInput;
    if (isKnown || !(error instanceof Error)) throw error;
    throw because('infrastructure', `its scratch folder cannot be filled: ${error.message}`);
  });
  const { places, lists } = scratch;
  const filled = argumentsIn(command, { params: action.parts.params, places, lists });
  const around = await surround({
    ...{ command, places, folder: whole, environment: machine.environment, units: action.units },
    listener: { ...work.hooks, log, warn },
    checkpointFolder: () => work.hooks.checkpointFolder(),
  }).catch((error: unknown) => {
    throw because('infrastructure', `what it declares cannot be made: ${textOf(error)}`);
  });
  const place = machine.environmentOf?.(action.stage);
  const own = sharedHome(command, machine) ?? home;
  const base = environmentOf({ ...command, path: machine.path }, own, temporary);
  const env = {
    ...base,
    // Whatever PATH is: the programs of the environment come first.
    PATH: withPrograms(place, base.PATH ?? machine.path),
    ...withoutNamed({ ...place?.variables, ...around.variables }, command.env),
  };
  return { scratch, filled, env, around };
}

/** The home folder that a command shares, made when it is missing. */
function sharedHome(
  { sharedHome: name }: CommandSpec,
  { homes }: LayoutWork['machine'],
): string | undefined {
  if (name === null || homes === undefined) return undefined;
  const folder = join(homes, name);
  try {
    makeFolder(folder);
  } catch (error) {
    throw because('infrastructure', `its shared home cannot be made: ${textOf(error)}`);
  }
  return folder;
}

/** The arguments, or why they cannot be filled in. */
function argumentsIn(command: CommandSpec, fillings: Fillings): readonly Argument[] {
  try {
    return argumentsOf(command, fillings);
  } catch (error) {
    throw error instanceof StageError ? because('inputs', error.message) : error;
  }
}

/** Which program cannot be started, and why: the message of the system is `spawn PROGRAM CODE`. */
const refusalWords = ({ code, message }: { code: string | undefined; message: string }): string =>
  code === undefined
    ? message
    : systemSentence(Object.assign(new Error(message), { code, syscall: message }));

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Variables without those that the stage sets itself. */
const withoutNamed = (variables: Named<string>, env: Named<string | null>): Named<string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !Object.hasOwn(env, name)));

/** Whether the system refused the arguments: those of the shell, or those of the program that it becomes. */
const isTooLong = ({ refusal, code, last }: ProgramEnd): boolean =>
  refusal?.code === 'E2BIG' || (code === 126 && /argument list too long/i.test(last.join()));

function formatLeft(left: readonly string[]): string {
  const shown = left.slice(0, EXTRA_SHOWN).map(plainName).join(', ');
  const more = left.length > EXTRA_SHOWN ? ` and ${left.length - EXTRA_SHOWN} more` : '';
  return `the command exited and left ${shown}${more} running: they were stopped`;
}

function formatExtra(extra: readonly string[]): string {
  const shown = extra.slice(0, EXTRA_SHOWN).map(plainName).join(', ');
  const more = extra.length > EXTRA_SHOWN ? ` and ${extra.length - EXTRA_SHOWN} more` : '';
  const verdict =
    extra.length > 1
      ? 'which are not declared outputs and are not kept'
      : 'which is not a declared output and is not kept';
  return `the command also wrote ${shown}${more}, ${verdict}`;
}
