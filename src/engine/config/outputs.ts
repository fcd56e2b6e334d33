// outputs.ts — what a command writes, as pipeline.yaml declares it: files, folders, metrics that it reports

import { didYouMean } from '../../hint.ts';
import { sizeIn } from '../files/size.ts';
import type { Place } from '../model/event.ts';
import { FOLDER } from '../model/folder-manifest.ts';
import type { CodecKind } from '../stage.ts';
import { FILE_KINDS, kindByName } from './codecs.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import { checkScratchPath } from './input.ts';
import type { Located } from './located.ts';
import { checkName } from './matrix.ts';

/** A file or folder that a command writes. */
export interface OutputFile {
  /** Path in the scratch folder. That of a folder ends with a slash. */
  readonly file: string;
  readonly kind: CodecKind;
  /** It may have no more bytes, a folder all its files together. It enters no key. Absent where nothing is said. */
  readonly bytesMax?: number;
}

/** The keys of an output that is a map. */
export const OUTPUT_KEYS = ['file', 'kind', 'max'];
/** Kind of an output that holds the metrics which the program reports by `$PIPELINE_EVENTS`. */
export const METRICS_LOG = 'metrics-log';
/** Where such an output is looked for: no path in a scratch folder is called so. */
export const EVENTS_PLACE = '$PIPELINE_EVENTS';
/** Where the params lie in a scratch folder. */
export const PARAMS_FILE = 'params.json';

/** Reads `outputs`. @param what the stage, in words */
export function readOutputs(
  reader: DiagnosticCollector,
  what: string,
  located: Located | undefined,
  commandPlace: Place,
): ReadonlyMap<string, OutputFile> {
  const outputs = new Map<string, OutputFile>();
  const owners = new Map<string, string>();
  if (!located?.fields?.size) {
    const hint = 'outputs: { plot: plot.png }, or { plot: { file: plot.png, kind: bytes } }';
    reader.report(`${what} has no \`outputs\``, located?.place ?? commandPlace, hint);
  }
  for (const [name, output] of located?.fields ?? []) {
    if (!checkName(reader, 'an output', name, output)) continue;
    const read = readOutput(reader, name, output);
    if (read === undefined) continue;
    const path = withoutSlash(read.file);
    const owner = owners.get(path);
    if (owner) reader.report(`outputs \`${owner}\` and \`${name}\` are one file`, output.place);
    owners.set(path, name);
    outputs.set(name, read);
  }
  return outputs;
}

function readOutput(
  reader: DiagnosticCollector,
  name: string,
  located: Located,
): OutputFile | undefined {
  const what = `output \`${name}\``;
  const fields = located.fields ? reader.map(located, what, OUTPUT_KEYS) : undefined;
  const file = located.fields ? fields?.get('file') : located;
  if (fields?.get('kind')?.value === METRICS_LOG) {
    const hint = 'the program appends them to $PIPELINE_EVENTS';
    if (file) reader.report(`a ${METRICS_LOG} has no \`file\``, file.place, hint);
    return { file: EVENTS_PLACE, kind: 'json' };
  }
  if (file === undefined) {
    reader.report(`${what} has no \`file\``, located.place, '{ file: plot.png, kind: bytes }');
    return undefined;
  }
  const path = reader.text(file, `the file of ${what}`);
  if (path === undefined) return undefined;
  const isFolder = /[^/]\/$/.test(path);
  checkScratchPath(reader, isFolder ? { ...file, value: withoutSlash(path) } : file);
  if (path === EVENTS_PLACE) {
    reader.report(`no file can be called ${EVENTS_PLACE}`, file.place, `{ kind: ${METRICS_LOG} }`);
  }
  if (withoutSlash(path) === PARAMS_FILE) {
    reader.report(`${PARAMS_FILE} is where the params lie`, file.place);
  }
  const bytesMax = readMax(reader, fields?.get('max'), what);
  return {
    file: path,
    kind: readKind(reader, fields?.get('kind'), { path, isFolder, what }),
    ...(bytesMax !== undefined && { bytesMax }),
  };
}

/** A path without the slash that tells a folder. */
export const withoutSlash = (path: string): string => path.replace(/\/$/, '');

function readKind(
  reader: DiagnosticCollector,
  kind: Located | undefined,
  { path, isFolder, what }: { readonly path: string; readonly isFolder: boolean; what: string },
): CodecKind {
  if (kind && !FILE_KINDS.includes(String(kind.value))) {
    const kinds = [...FILE_KINDS, METRICS_LOG];
    const hint = didYouMean(String(kind.value), kinds) ?? `one of ${kinds.join(', ')}`;
    reader.report(`there is no kind \`${kind.value}\``, kind.place, hint);
  } else if (kind && isFolder && kind.value !== FOLDER) {
    const hint = `leave \`kind\` out, or name one file in it: ${path}data.bin`;
    reader.report(`${what} is a folder, as its path ends with /`, kind.place, hint);
  } else if (kind && !isFolder && kind.value === FOLDER) {
    reader.report(`the path of a folder ends with /`, kind.place, `file: ${path}/`);
  }
  if (isFolder) return FOLDER;
  return (kind?.value as CodecKind | undefined) ?? kindByName(path);
}

/** `max: 50GiB`, in bytes. */
function readMax(
  reader: DiagnosticCollector,
  max: Located | undefined,
  what: string,
): number | undefined {
  if (max === undefined) return undefined;
  const bytes = sizeIn(max.value);
  if (bytes === undefined) {
    reader.report(`\`max\` of ${what} must be a size`, max.place, 'max: 50GiB');
  }
  return bytes;
}
