// file-settings.ts — what a settings file says, or everything that is wrong with it
import { isAbsolute, join } from 'node:path';
import { COMMAND_KEYS } from '../../engine/config/command.ts';
import { PERSONAL_SETTINGS, PIPELINE_KEYS, readStoreLimit } from '../../engine/config/config.ts';
import { DiagnosticCollector, kindOf } from '../../engine/config/diagnostic-collector.ts';
import { readDuration } from '../../engine/config/duration.ts';
import { type ExecutorConfig, readExecutors } from '../../engine/config/executors.ts';
import { type Located, locatedMap, type Placed } from '../../engine/config/located.ts';
import { POLICY_KEYS } from '../../engine/config/policy.ts';
import { STAGE_KEYS } from '../../engine/config/stage-config.ts';
import { type DocumentKind, parseYaml } from '../../engine/config/yaml.ts';
import { type Diagnostic, failure, type Result, success } from '../../engine/model/event.ts';
import { didYouMean } from '../../hint.ts';
import { type FinishHook, readFinishHook } from './finish-hook-setting.ts';
import { type RemoteFileSettings, readRemoteSettings } from './remote-file-settings.ts';

/** The settings that a file may have. */
export const SETTING_NAMES = [
  ...['jobs', 'mirrors', 'store', 'remote', 'executors'],
  ...PERSONAL_SETTINGS.slice(1),
];
/** What decides what is computed. */
const KEY_RELEVANT: readonly string[] = [
  ...['params', 'presets', 'stages'],
  ...STAGE_KEYS,
  ...COMMAND_KEYS,
];
const POLICY_NAMES: readonly string[] = POLICY_KEYS;
/** No machine runs more tasks than this at once. */
export const JOBS_MAX = 4096;

/** What a settings file says; what is left out, it does not say. */
export interface FileSettings {
  readonly jobs?: Placed<number>;
  readonly mirrors: readonly Placed<string>[];
  readonly storeLimit?: Placed<number>;
  readonly browser?: Placed<string>;
  /** In milliseconds. */
  readonly loadTimeout?: Placed<number>;
  /** Modules that bring executors of their own. */
  readonly executors?: Placed<readonly string[]>;
  /** Clusters by name. */
  readonly clusters?: ReadonlyMap<string, ExecutorConfig>;
  /** `null`: nothing, whatever a file says that counts less. */
  readonly onFinish?: Placed<FinishHook | null>;
  readonly remote?: RemoteFileSettings;
}

const SETTINGS_DOCUMENT: DocumentKind = { what: 'a settings file', whenEmpty: '' };

/** Reads a settings file. @param file what diagnostics call it @param home for `~/` */
export function readFileSettings(text: string, file: string, home: string): Result<FileSettings> {
  if (/^(?:\s*(?:#.*)?(?:\n|$))*$/.test(text)) return success({ mirrors: [] });
  const parsed = parseYaml(text, file, undefined, SETTINGS_DOCUMENT);
  if (!parsed.ok) return parsed;
  const reader = new DiagnosticCollector();
  const fields = reader.map(parsed.value, 'a settings file');
  for (const [name, field] of fields ?? []) {
    if (!SETTING_NAMES.includes(name)) refuse(reader, name, field);
  }
  const read: FileSettings = {
    ...given('jobs', readJobs(reader, fields?.get('jobs'))),
    mirrors: readMirrors(reader, fields?.get('mirrors'), home),
    ...given('storeLimit', readLimit(reader, fields?.get('store'))),
    ...given('browser', readBrowser(reader, fields?.get('browser'), home)),
    ...given('loadTimeout', readLoadTimeout(reader, fields?.get('load-timeout'))),
    ...readExecutorSettings(reader, fields?.get('executors'), home),
    ...given('remote', readRemoteSettings(reader, fields?.get('remote'))),
    ...given('onFinish', readFinishHook(reader, fields?.get('on-finish'), home)),
  };
  const problems: readonly Diagnostic[] = reader.problems;
  return problems.length > 0 ? failure(...problems) : success(read);
}

const given = <Name extends string, T>(name: Name, value: T | undefined): { [N in Name]?: T } =>
  value === undefined ? {} : ({ [name]: value } as { [N in Name]: T });

function readLimit(
  reader: DiagnosticCollector,
  located: Located | undefined,
): Placed<number> | undefined {
  const access = located?.fields?.get('access');
  if (access) {
    const message = '`access` of `store` belongs to a study: write it into pipeline.yaml';
    reader.report(message, access.named ?? access.place);
  }
  return readStoreLimit(reader, located);
}

/** Says why something cannot be a setting. */
function refuse(reader: DiagnosticCollector, name: string, { named, place }: Located): void {
  const at = named ?? place;
  const known = didYouMean(name, SETTING_NAMES);
  if (name === 'cache') {
    const hint = '--cache or PIPELINE_CACHE names another folder';
    reader.report('`cache` cannot be a setting: each study has a store of its own', at, hint);
  } else if (KEY_RELEVANT.includes(name)) {
    const message = `\`${name}\` cannot be a setting: it decides what is computed`;
    reader.report(message, at, 'it belongs to pipeline.yaml, so that everybody gets the same');
  } else if (PIPELINE_KEYS.includes(name) || POLICY_NAMES.includes(name)) {
    reader.report(`\`${name}\` belongs to a study: write it into pipeline.yaml`, at, known);
  } else reader.report(`there is not a setting \`${name}\``, at, known);
}

function readJobs(
  reader: DiagnosticCollector,
  located: Located | undefined,
): Placed<number> | undefined {
  if (located === undefined) return undefined;
  const { value, place } = located;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= JOBS_MAX) {
    return { value, place };
  }
  reader.report(`\`jobs\` must be an integer from 1 to ${JOBS_MAX}`, place);
  return undefined;
}

/**
 * A path in a file that counts for every study: absolute, or below the home folder.
 * @param what the setting, in words
 */
function readPath(
  reader: DiagnosticCollector,
  located: Located,
  what: string,
  home: string,
): string | undefined {
  const text = reader.text(located, what);
  if (text === undefined) return undefined;
  if (isAbsolute(text)) return text;
  if (text.startsWith('~/')) return join(home, text.slice(2));
  const hint = 'begin with / or ~/: a settings file counts for every study';
  reader.report(`${what} must be an absolute path`, located.place, hint);
  return undefined;
}

function readMirrors(
  reader: DiagnosticCollector,
  located: Located | undefined,
  home: string,
): readonly Placed<string>[] {
  if (located === undefined) return [];
  if (located.items === undefined) {
    const hint = 'mirrors: [DIR or URL, …]';
    reader.report(`\`mirrors\` must be a list, not ${kindOf(located)}`, located.place, hint);
  }
  return (located.items ?? []).flatMap((item) => {
    const isUrl = typeof item.value === 'string' && /^https?:\/\//.test(item.value);
    const value = isUrl ? item.value : readPath(reader, item, 'a mirror', home);
    return typeof value === 'string' ? [{ value, place: item.place }] : [];
  });
}

function readBrowser(
  reader: DiagnosticCollector,
  located: Located | undefined,
  home: string,
): Placed<string> | undefined {
  const value = located && readPath(reader, located, '`browser`', home);
  return located && value !== undefined ? { value, place: located.place } : undefined;
}

function readLoadTimeout(
  reader: DiagnosticCollector,
  located: Located | undefined,
): Placed<number> | undefined {
  const value = located && readDuration(reader, located, '`load-timeout`');
  return located && typeof value === 'number' ? { value, place: located.place } : undefined;
}

/** A list of modules, or a mapping of clusters; in a mapping, `modules` lists the former. */
function readExecutorSettings(
  reader: DiagnosticCollector,
  located: Located | undefined,
  home: string,
): Pick<FileSettings, 'executors' | 'clusters'> {
  if (located === undefined) return {};
  if (located.items === undefined && located.fields === undefined) {
    const hint = 'executors: { cluster: { type: slurm, … } }, or executors: [/path/to/module.mjs]';
    const message = `\`executors\` must be a mapping or a list, not ${kindOf(located)}`;
    reader.report(message, located.place, hint);
    return {};
  }
  const clusters = new Map(located.fields);
  clusters.delete(MODULES);
  const modules = located.items ? located : located.fields?.get(MODULES);
  return {
    ...given('executors', readModules(reader, modules, home)),
    ...(located.fields && { clusters: readExecutors(reader, locatedMap(clusters, located)) }),
  };
}

/** The key of `executors` that lists modules, beside clusters. */
const MODULES = 'modules';

function readModules(
  reader: DiagnosticCollector,
  located: Located | undefined,
  home: string,
): Placed<readonly string[]> | undefined {
  if (located === undefined) return undefined;
  if (located.items === undefined) {
    const hint = 'modules: [/path/to/module.mjs]';
    const message = `\`${MODULES}\` of \`executors\` must be a list, not ${kindOf(located)}`;
    reader.report(message, located.place, hint);
    return undefined;
  }
  const value = located.items.flatMap((item) => readPath(reader, item, 'an executor', home) ?? []);
  return { value, place: located.place };
}
