// report-fields.ts — what sections of `report:` have in common: texts, stages, steps
import { didYouMean } from '../../hint.ts';
import type { DiagnosticCollector } from '../config/diagnostic-collector.ts';
import type { InputSource } from '../config/input.ts';
import type { Located } from '../config/located.ts';
import type { PlotConfig } from '../config/plots.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { Json, Named } from '../model/key.ts';

/** A section, read. */
export interface ReadSection {
  /** As the report's module takes it. */
  readonly params: Named<Json>;
  /** What it shows. */
  readonly sources: readonly InputSource[];
  /** The path of its Markdown, where that stands in a file. */
  readonly file?: Located;
}

/** What a section is read with. */
export interface SectionContext {
  readonly stages: ReadonlyMap<string, StageConfig>;
  readonly known: readonly string[];
  readonly plots: readonly PlotConfig[];
  readonly plotNames: readonly string[];
}

export function textsOf(
  reader: DiagnosticCollector,
  fields: ReadonlyMap<string, Located>,
  keys: readonly string[],
  what: string,
): Named<Json> {
  const read = keys.flatMap((key) => {
    const field = fields.get(key);
    const text = field && reader.text(field, `\`${key}\` of ${what}`);
    return text === undefined ? [] : [[key, text] as const];
  });
  return Object.fromEntries(read);
}

/** Texts in a list, or one. */
export function listAt(
  reader: DiagnosticCollector,
  field: Located | undefined,
  what: string,
): readonly string[] {
  if (field === undefined) return [];
  return (field.items ?? [field]).flatMap((item) => reader.text(item, what) ?? []);
}

/** `STAGE` or `STAGE:output`. */
export function targetOf(
  reader: DiagnosticCollector,
  field: Located | undefined,
  what: string,
  { at, known }: { readonly at: Located; readonly known: readonly string[] },
): InputSource | undefined {
  if (field === undefined) {
    reader.report(`${what} has no \`stage\``, at.place, 'stage: STAGE, or STAGE:output');
    return undefined;
  }
  const text = reader.text(field, `\`stage\` of ${what}`);
  const match = /^([\w-]+)(?:[:.]([\w-]+))?$/.exec(text ?? '');
  if (text === undefined) return undefined;
  if (match === null) {
    const hint = 'STAGE, or STAGE:output; `where` picks some of its tasks';
    reader.report(`\`${text}\` names no stage`, field.place, hint);
    return undefined;
  }
  const [, stage = '', output = ''] = match;
  if (known.includes(stage)) return { stage, output, place: field.place };
  reader.report(`there is no stage \`${stage}\``, field.place, didYouMean(stage, known));
  return undefined;
}

/** What a section says of where its numbers come from. */
export const sourceParams = ({ stage, output }: InputSource): Named<Json> => ({
  stage,
  ...(output !== '' && { output }),
});

export function atOf(
  reader: DiagnosticCollector,
  field: Located | undefined,
  what: string,
): string | undefined {
  if (field === undefined) return undefined;
  const { value, place } = field;
  const fits =
    value === 'last' || value === 'best' || (Number.isSafeInteger(value) && Number(value) >= 0);
  if (!fits) reader.report(`\`at\` of ${what} is last, best or a step`, place);
  return String(value);
}
