// program-environment.ts — the Python environment that a command runs in, as pipeline.yaml names it
import type { Place } from '../model/event.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import type { Located } from './located.ts';

/** Who makes and locks an environment. */
export type EnvironmentKind = 'uv' | 'venv' | 'conda';

/** A Python environment and the file that says what it holds. Paths are relative to the folder of pipeline.yaml. */
export interface EnvironmentConfig {
  readonly kind: EnvironmentKind;
  readonly lock: string;
  /** Its folder; null where its tool knows: `.venv` beside uv.lock, the name in environment.yml. */
  readonly folder: string | null;
  readonly place: Place;
}

/** The keys of `environment`. */
export const ENVIRONMENT_KEYS = ['uv', 'venv', 'conda', 'lock', 'prefix'];
const HINT =
  '{ uv: uv.lock }, { venv: .venv, lock: requirements.txt } or { conda: environment.yml }';

/** `environment: { uv: uv.lock }`, `{ venv: .venv, lock: requirements.txt }`, `{ conda: environment.yml }`. */
export function readEnvironmentConfig(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): EnvironmentConfig | null {
  if (located === undefined) return null;
  const whole = `\`environment\` of ${what}`;
  if (located.fields === undefined) {
    reader.report(`${whole} must be a mapping`, located.place, HINT);
    return null;
  }
  const fields = reader.map(located, whole, ENVIRONMENT_KEYS);
  const textAt = (key: string): string | undefined => {
    const field = fields?.get(key);
    const text = field && reader.text(field, `\`${key}\` of ${whole}`);
    if (field && text === '') reader.report(`\`${key}\` of ${whole} is empty`, field.place);
    return text || undefined;
  };
  const [uv, venv, conda, lock, prefix] = ['uv', 'venv', 'conda', 'lock', 'prefix'].map(textAt);
  const place = located.named ?? located.place;
  const refuse = (message: string): null => {
    reader.report(message, place, HINT);
    return null;
  };
  if (conda !== undefined) {
    if (uv ?? venv ?? lock) return refuse(`${whole} is of conda, or of another tool`);
    return { kind: 'conda', lock: conda, folder: prefix ?? null, place };
  }
  if (prefix !== undefined) return refuse(`\`prefix\` of ${whole} is for conda`);
  if (uv !== undefined) {
    if (lock !== undefined)
      return refuse(`\`lock\` of ${whole} stands beside \`uv\`, which is the lock`);
    return { kind: 'uv', lock: uv, folder: venv ?? null, place };
  }
  if (venv === undefined) return refuse(`${whole} names no environment`);
  if (lock === undefined)
    return refuse(`${whole} has no \`lock\`: its contents would not be part of any key`);
  return { kind: 'venv', lock, folder: venv, place };
}
