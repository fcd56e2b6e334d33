// settings-places.ts — where settings files are: nothing is loaded to look whether they are as they were
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { type Stamp, stampOf } from '../../engine/files/stamp.ts';

/** The variable that names the file of a place. Empty: there is none. */
export const SITE_VARIABLE = 'PIPELINE_SITE_CONFIG';
const SITE_FILE = '/etc/pipeline/config.yaml';

/** Where a settings file would be. */
export interface SettingsPlace {
  readonly kind: 'user' | 'site';
  readonly path: string;
  /** Whether somebody named it: then it has to be there. */
  readonly isNamed: boolean;
}

/** For `~/`. */
export const homeIn = (environment: NodeJS.ProcessEnv): string => environment.HOME || homedir();

/** Where the files are, the one that counts first: by XDG_CONFIG_HOME, and by PIPELINE_SITE_CONFIG. */
export function settingsPlaces(environment: NodeJS.ProcessEnv): readonly SettingsPlace[] {
  const { XDG_CONFIG_HOME: xdg = '', [SITE_VARIABLE]: site } = environment;
  // By the XDG specification, a path that is not absolute is to be ignored.
  const base = isAbsolute(xdg) ? xdg : join(homeIn(environment), '.config');
  const user = join(base, 'pipeline', 'config.yaml');
  return [
    { kind: 'user', path: user, isNamed: false },
    ...(site === ''
      ? []
      : [{ kind: 'site' as const, path: site ?? SITE_FILE, isNamed: site !== undefined }]),
  ];
}

/** What the files look like now, by path: as long as that is so, they say the same. */
export const settingsStamps = (environment: NodeJS.ProcessEnv): ReadonlyMap<string, Stamp | null> =>
  new Map(settingsPlaces(environment).map(({ path }) => [path, stampOf(path)]));
