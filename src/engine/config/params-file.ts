// params-file.ts — a file of `--params`: YAML or JSON, laid over the params

import { didYouMean } from '../../hint.ts';
import { joinDotted, splitDotted } from '../text/dotted.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { type Located, locatedMap } from './located.ts';
import { referencePath } from './reference.ts';
import { type DocumentKind, parseYaml } from './yaml.ts';

/** A file of params, as it was read. */
export interface ParamsFile {
  /** What to call it in diagnostics. */
  readonly file: string;
  readonly text: string;
}

const PARAMS_DOCUMENT: DocumentKind = {
  what: 'a params file',
  whenEmpty: 'a params file is a mapping, such as training: { epochs: 3 }',
};

/** Params over which a file was laid. */
export interface Laid {
  readonly params: Located;
  /** What `--set` would say in place of the file: one for each value that it gives. */
  readonly sets: readonly string[];
}

/**
 * Lays a file over the params: mappings merge, anything else is replaced. As with `--set`, there must be such a param, and of
 * that kind. @param passed the paths that stages take whole
 */
export function layFile(
  reader: DiagnosticCollector,
  params: Located,
  file: ParamsFile,
  passed: ReadonlySet<string>,
): Laid {
  const parsed = parseYaml(
    file.text,
    file.file,
    ({ diagnostic }) => reader.warnings.push(diagnostic),
    PARAMS_DOCUMENT,
  );
  const over = reader.take(parsed);
  const fields = over && reader.map(over, `\`${file.file}\``);
  if (over === undefined || fields === undefined) return { params, sets: [] };
  const sets: string[] = [];
  return { params: lay(reader, params, over, { walked: [], passed, sets }), sets };
}

/** Where in the params one is. */
interface Position {
  readonly walked: readonly string[];
  readonly passed: ReadonlySet<string>;
  /** Takes what `--set` would say of each value that is replaced or added. */
  readonly sets: string[];
}

function lay(
  reader: DiagnosticCollector,
  base: Located,
  over: Located,
  { walked, passed, sets }: Position,
): Located {
  const note = (path: readonly string[], { value }: Located): void => {
    sets.push(`${joinDotted(path)}=${JSON.stringify(value)}`);
  };
  if (base.fields === undefined || over.fields === undefined) {
    if (!isOfKind(reader, base, over)) return base;
    note(walked, over);
    return over;
  }
  const fields = new Map(base.fields);
  for (const [name, value] of over.fields) {
    const below = fields.get(name);
    const there = [...walked, name];
    if (below) fields.set(name, lay(reader, below, value, { walked: there, passed, sets }));
    else if (isTakenWhole(walked, passed)) {
      note(there, value);
      fields.set(name, value);
    } else reportMissing(reader, base, value, there);
  }
  return locatedMap(fields, base);
}

function reportMissing(
  reader: DiagnosticCollector,
  { fields }: Located,
  value: Located,
  there: readonly string[],
): void {
  const name = there.at(-1) ?? '';
  const [first = '', ...rest] = splitDotted(name);
  const isNested = rest.length > 0 && fields?.get(first)?.fields !== undefined;
  const hint = isNested
    ? `mappings are nested here: ${first}: { ${rest.join(': { ')}: … ${'}'.repeat(rest.length)}`
    : didYouMean(name, fields?.keys() ?? []);
  const within = there.length === 1 ? 'params' : `\`${joinDotted(there.slice(0, -1))}\``;
  reader.report(`there is no \`${name}\` in ${within}`, value.named ?? value.place, hint);
}

/** Whether a value may take the place of a param; says so when it may not. */
export function isOfKind(reader: DiagnosticCollector, param: Located, value: Located): boolean {
  // What a reference will stand for is not known yet: then the stage's schema decides.
  const isOpen = [param, value].some(({ value: text }) => referencePath(text) !== null);
  const before = kindOf(param);
  if (param.value === null || before === kindOf(value) || isOpen) return true;
  reader.report(`this is ${before} in params, not ${kindOf(value)}`, value.place);
  return false;
}

/** Whether a stage takes this mapping whole, or one that it is in: `training` and `training.schedule` of `$training`. */
export const isTakenWhole = (walked: readonly string[], passed: ReadonlySet<string>): boolean =>
  walked.some((_, end) => passed.has(joinDotted(walked.slice(0, end + 1))));
