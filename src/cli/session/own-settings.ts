// own-settings.ts — the settings of this process: read once, before a command begins
import type { Result } from '../../engine/model/event.ts';
import { jobsSetting, type SettingsSources } from '../settings/settings.ts';
import { readSettingsFiles, type SettingsFile } from '../settings/settings-files.ts';
import { UsageError } from './usage-error.ts';

let known: readonly SettingsFile[] | undefined;

/** The environment and both settings files. @throws UsageError where a file is wrong */
export function ownSettings(): SettingsSources {
  known ??= demand(readSettingsFiles(process.env));
  return { environment: process.env, files: known };
}

/** The value, or all that is wrong. @throws UsageError */
export function demand<T>(result: Result<T>): T {
  if (!result.ok) throw new UsageError(result.diagnostics);
  return result.value;
}

/** How many tasks run at once. @param flag what `--jobs` says @throws UsageError */
export const jobsFor = (flag: number | undefined): number =>
  demand(jobsSetting(flag, ownSettings())).value;
