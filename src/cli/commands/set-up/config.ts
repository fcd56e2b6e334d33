// config.ts — pipeline config: what is set for a person and a place, and who says so
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../../engine/model/key.ts';
import { executorJson, formatExecutor } from '../../cluster/placements.ts';
import { findBrowser } from '../../session/browser.ts';
import { EXECUTORS_VARIABLE } from '../../session/outside-executors.ts';
import { demand, ownSettings } from '../../session/own-settings.ts';
import { placesOf } from '../../session/places.ts';
import { stdoutColors as c, writeJson, writeStderr, writeStdout } from '../../session/printing.ts';
import { type CommonOptions, EXIT, LOAD_LIMIT_VARIABLE } from '../../session/session.ts';
import { readConfig } from '../../session/study.ts';
import { executorSettings } from '../../settings/executor-settings.ts';
import { type FinishHook, shownUrl } from '../../settings/finish-hook-setting.ts';
import {
  browserSetting,
  executorsSetting,
  finishHookSetting,
  jobsSetting,
  loadTimeoutSetting,
  mirrorSettings,
  type Origin,
  type Sourced,
  storeLimitSetting,
} from '../../settings/settings.ts';
import { type CommandDeclaration, FILE, JOBS, MIRROR, STORE } from '../../terminal/declaration.ts';
import { quoted, shownPath } from '../../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'config',
  group: 'Set up',
  about: 'show each setting and its source: flag, variable or settings file',
  options: [JOBS, MIRROR, FILE, ...STORE],
  examples: ['config', 'config --json', 'config -j 4 --mirror /data'],
};
export { config as run };

interface ConfigOptions extends CommonOptions {
  readonly jobs?: number;
  readonly mirror: readonly string[];
}

/** A setting, as it is shown: each mirror by itself. */
interface Shown {
  readonly name: string;
  readonly text: string;
  readonly value: Json;
  readonly from: Origin | { readonly kind: 'found' };
}

/** Shows what is set. */
function config(options: ConfigOptions): number {
  const { root } = placesOf(options);
  const sources = ownSettings();
  const shown = settingsFor(options);
  const files = sources.files.map(({ kind, path, settings }) => ({
    kind,
    path,
    present: settings !== undefined,
  }));
  const read = readConfig(options);
  if (read === undefined && existsSync(join(root, options.file))) {
    writeStderr(`${options.file} cannot be read, and is left out here: pipeline check tells why`);
  }
  if (options.json) {
    const settings = shown.map(({ name, value, from }) => ({ name, value, from }));
    writeJson({ settings, files });
    return EXIT.success;
  }
  const [names, texts] = [
    Math.max(...shown.map(({ name }) => name.length)),
    Math.min(TEXT_WIDTH, Math.max(...shown.map(({ text }) => text.length))),
  ];
  for (const { name, text, from } of shown) {
    const words = `${name.padEnd(names)}  ${text.padEnd(texts)}`;
    writeStdout(`${words}  ${c.dim(formatOrigin(from))}`.trimEnd());
  }
  writeStdout('');
  for (const { kind, path, present } of files) {
    writeStdout(`${kind} file  ${shownPath(path)}${present ? '' : c.dim(' (not there)')}`);
  }
  writeStdout(c.dim('what counts: flag, variable, pipeline.yaml, user file, site file, default'));
  return EXIT.success;
}

/** Values that are longer push what stands behind them aside. */
const TEXT_WIDTH = 40;

function settingsFor(options: ConfigOptions): readonly Shown[] {
  const sources = ownSettings();
  const { root, cache } = placesOf(options);
  const pipeline = readConfig(options)?.pipeline;
  const jobs = demand(jobsSetting(options.jobs, sources));
  const asked = { flags: options.mirror, declared: pipeline?.mirrors ?? [], root };
  const mirrors = mirrorSettings(asked, sources).map((mirror) =>
    shownAs('mirrors', mirror, withoutPassword),
  );
  const limit = storeLimitSetting(pipeline?.storeLimit, sources);
  const load = demand(loadTimeoutSetting(LOAD_LIMIT_VARIABLE, sources));
  const hook = finishHookSetting(sources);
  const executors = executorsSetting(EXECUTORS_VARIABLE, sources);
  const clusters = [...executorSettings(pipeline?.executors ?? new Map(), sources)];
  return [
    shownAs('jobs', jobs, String),
    ...(mirrors.length > 0 ? mirrors : [{ ...NONE, name: 'mirrors', value: [] }]),
    shownAs('store.limit', limit, formatBytes),
    shownBrowser(),
    { ...shownAs('load-timeout', load, (ms) => `${ms / 1000}s`), value: load.value / 1000 },
    ...clusters.map(([name, cluster]) => ({
      name: `executors.${name}`,
      text: formatExecutor(cluster.value),
      value: executorJson(cluster.value),
      from: cluster.origin,
    })),
    shownAs('executors', executors, (paths) => (paths.length > 0 ? paths.join(', ') : '–')),
    {
      name: 'on-finish',
      text: formatHook(hook.value),
      value: hookJson(hook.value),
      from: hook.origin,
    },
    { name: 'cache', text: cache, value: cache, from: cacheOrigin(options) },
  ];
}

const NONE = { text: '–', from: { kind: 'default' } } as const;

const shownAs = <T extends Json>(
  name: string,
  { value, origin }: Sourced<T>,
  words: (value: T) => string,
): Shown => {
  const text = words(value);
  return { name, text, value: name === 'mirrors' ? text : value, from: origin };
};

function shownBrowser(): Shown {
  const set = browserSetting(ownSettings());
  if (set) return shownAs('browser', set, String);
  const found = findBrowser();
  if (found === undefined) return { ...NONE, name: 'browser', value: null };
  return { name: 'browser', text: found, value: found, from: { kind: 'found' } };
}

function cacheOrigin({ cache }: ConfigOptions): Origin {
  if (cache !== undefined) return { kind: 'flag', name: '--cache' };
  const isNamed = process.env.PIPELINE_CACHE !== undefined;
  return isNamed ? { kind: 'variable', name: 'PIPELINE_CACHE' } : { kind: 'default' };
}

const formatOrigin = (from: Shown['from']): string => {
  if ('file' in from) return `${shownPath(from.file)}:${from.line}`;
  if ('name' in from) return from.name;
  return from.kind === 'found' ? 'found' : 'default';
};

const withoutPassword = (mirror: string): string =>
  mirror.replace(/^(https?:\/\/)[^\s/@]+@/, '$1***@');

const formatBytes = (bytes: number): string =>
  bytes >= 1e9 ? `${bytes / 1e9}GB` : bytes >= 1e6 ? `${bytes / 1e6}MB` : `${bytes}`;

const formatHook = (hook: FinishHook | null): string => {
  if (hook === null) return '–';
  return hook.kind === 'post' ? `POST ${shownUrl(hook.url)}` : hook.words.map(quoted).join(' ');
};

const hookJson = (hook: FinishHook | null): Json => {
  if (hook === null) return null;
  const timeout = hook.timeout_ms / 1000;
  return hook.kind === 'post'
    ? { url: shownUrl(hook.url), timeout }
    : { command: hook.words, timeout };
};
