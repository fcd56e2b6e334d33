// settings-files.ts — the file of settings of a person and that of a place: where they are, and what they say
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { formatSystem, isSystemError, systemHint } from '../../engine/files/system-error.ts';
import { type Diagnostic, failure, type Result, success } from '../../engine/model/event.ts';
import { decodeSource } from '../../engine/text/source-text.ts';
import { type FileSettings, readFileSettings } from './file-settings.ts';
import { homeIn, type SettingsPlace, SITE_VARIABLE, settingsPlaces } from './settings-places.ts';

/** A file of settings, and what it says. */
export interface SettingsFile {
  readonly kind: 'user' | 'site';
  /** Absolute. */
  readonly path: string;
  /** Undefined where there is no such file. */
  readonly settings?: FileSettings;
}

/** Reads both files, or tells all that is wrong with them. */
export function readSettingsFiles(environment: NodeJS.ProcessEnv): Result<readonly SettingsFile[]> {
  const files: SettingsFile[] = [];
  const problems: Diagnostic[] = [];
  for (const place of settingsPlaces(environment)) {
    const read = readPlace(place, homeIn(environment));
    if (read.ok) files.push(read.value);
    else problems.push(...read.diagnostics);
  }
  return problems.length > 0 ? failure(...problems) : success(files);
}

/** A file of settings beyond this size was not written by a person. */
const BYTES_MAX = 2 ** 20;

function readPlace({ kind, path, isNamed }: SettingsPlace, home: string): Result<SettingsFile> {
  if (isNamed && !isAbsolute(path)) {
    return failure({ message: `${SITE_VARIABLE} must be an absolute path, not \`${path}\`` });
  }
  try {
    const found = statSync(path);
    if (found.isFile() && found.size > BYTES_MAX) {
      return failure({ message: `${path} has ${found.size} bytes: it is not a settings file` });
    }
  } catch (error) {
    // A folder that is closed to us is somebody else's, as after `sudo -u`.
    if (isSystemError(error) && !isNamed) return success({ kind, path });
    const message = `${SITE_VARIABLE} names ${path}: there is no such file`;
    return failure({ message, hint: 'unset it, or leave it empty for no file' });
  }
  try {
    const text = decodeSource(readFileSync(path), path);
    if (!text.ok) return text;
    const read = readFileSettings(text.value, path, home);
    return read.ok ? success({ kind, path, settings: read.value }) : read;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const message = `${path} cannot be read: ${formatSystem(error)}`;
    return failure({ message, hint: systemHint(error) });
  }
}
