// finish-hook-setting.ts — `on-finish` of a settings file: what is run or told when a run ends
import { join } from 'node:path';
import { type DiagnosticCollector, kindOf } from '../../engine/config/diagnostic-collector.ts';
import { readDuration } from '../../engine/config/duration.ts';
import type { Located, Placed } from '../../engine/config/located.ts';

/** What happens when a run ends. */
export type FinishHook = CommandHook | PostHook;

/** A program is run, without a shell. */
export interface CommandHook {
  readonly kind: 'command';
  readonly words: readonly string[];
  readonly timeout_ms: number;
}

/** JSON is posted to a URL. */
export interface PostHook {
  readonly kind: 'post';
  readonly url: string;
  readonly timeout_ms: number;
}

/** What the process that does it reads from its stdin. */
export interface HookTask {
  readonly hook: FinishHook;
  /** Where a program is started: the folder of the pipeline. */
  readonly folder: string;
  /** What is posted, and what a program reads from its stdin. */
  readonly body: string;
  /** Who posts. */
  readonly agent: string;
}

/** What that process prints: why it failed, or null. */
export interface HookAnswer {
  readonly fault: string | null;
}

/** A hook may take so long, where it does not say. */
const TIMEOUT_MS = 10_000;
/** Nobody waits longer at the end of a run. */
const TIMEOUT_MS_MAX = 600_000;

const FORMS =
  'on-finish: [PROGRAM, ARGUMENT, …], { command: […], timeout: 10s } or { url: https://…, timeout: 10s }';

/** Reads `on-finish`. Nothing, an empty list and `false` turn off what a file says that counts less. */
export function readFinishHook(
  reader: DiagnosticCollector,
  located: Located | undefined,
  home: string,
): Placed<FinishHook | null> | undefined {
  if (located === undefined) return undefined;
  const { value, place, items } = located;
  if (value === null || value === false || items?.length === 0) return { value: null, place };
  const hook = items
    ? readCommand(reader, located, TIMEOUT_MS, home)
    : readForm(reader, located, home);
  return hook && { value: hook, place };
}

function readForm(
  reader: DiagnosticCollector,
  located: Located,
  home: string,
): FinishHook | undefined {
  if (located.fields === undefined) {
    const hint = typeof located.value === 'string' ? `no shell reads it; ${FORMS}` : FORMS;
    const message = `\`on-finish\` must be a list of words or a mapping, not ${kindOf(located)}`;
    reader.report(message, located.place, hint);
    return undefined;
  }
  const fields = reader.map(located, '`on-finish`', ['command', 'url', 'timeout']);
  const [command, url] = [fields?.get('command'), fields?.get('url')];
  const timeout_ms = readTimeout(reader, fields?.get('timeout'));
  if ((command === undefined) === (url === undefined)) {
    const message = '`on-finish` needs either a `command` or a `url`';
    reader.report(message, located.named ?? located.place, FORMS);
    return undefined;
  }
  if (command) return readCommand(reader, command, timeout_ms, home);
  return url && readPost(reader, url, timeout_ms);
}

function readTimeout(reader: DiagnosticCollector, located: Located | undefined): number {
  if (located === undefined) return TIMEOUT_MS;
  const timeout_ms = readDuration(reader, located, '`timeout` of `on-finish`') ?? TIMEOUT_MS;
  if (timeout_ms <= TIMEOUT_MS_MAX) return timeout_ms;
  const hint = 'start what takes longer in the background, by setsid or a batch system';
  reader.report('`timeout` of `on-finish` may be 10m at most', located.place, hint);
  return TIMEOUT_MS_MAX;
}

function readCommand(
  reader: DiagnosticCollector,
  located: Located,
  timeout_ms: number,
  home: string,
): CommandHook | undefined {
  if (located.items === undefined || located.items.length === 0) {
    reader.report('`command` of `on-finish` must be a list of words', located.place, FORMS);
    return undefined;
  }
  const words = located.items.flatMap((item) => {
    const isNumber = typeof item.value === 'number';
    return (isNumber ? String(item.value) : reader.text(item, 'a word of `on-finish`')) ?? [];
  });
  const [program, ...rest] = words;
  const [first = located] = located.items;
  if (program === undefined || words.length < located.items.length) return undefined;
  if (program.startsWith('~/')) {
    return { kind: 'command', words: [join(home, program.slice(2)), ...rest], timeout_ms };
  }
  if (program === '' || (program.includes('/') && !program.startsWith('/'))) {
    const hint = 'begin with / or ~/, or name a program on PATH: this counts for every study';
    reader.report('the program of `on-finish` must be an absolute path', first.place, hint);
    return undefined;
  }
  return { kind: 'command', words, timeout_ms };
}

function readPost(
  reader: DiagnosticCollector,
  located: Located,
  timeout_ms: number,
): PostHook | undefined {
  const text = reader.text(located, '`url` of `on-finish`');
  if (text === undefined) return undefined;
  const url = /^https?:\/\//.test(text) && URL.canParse(text) ? text : undefined;
  if (url !== undefined) return { kind: 'post', url, timeout_ms };
  const hint = 'such as https://example.org/hook';
  reader.report('`url` of `on-finish` must be an http or https URL', located.place, hint);
  return undefined;
}

/** A URL as it may be shown: it may hold a secret in its path, its query or as a password. */
export function shownUrl(url: string): string {
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname === '/' && search === '' ? '' : '/…'}`;
}
