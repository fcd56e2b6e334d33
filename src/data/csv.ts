// csv.ts — comma-separated numbers with a label in each row, and words for the row that is wrong
import { CsvError, parse } from 'csv-parse/sync';
import { invalidAt, otherEncoding } from '../utf8.ts';

/** How a CSV file is to be read. */
export interface CsvForm {
  /** The first row names the columns. */
  readonly header: boolean;
  /** Between two fields, one character. */
  readonly delimiter: string;
  /** Name (where there is a header) or number, from 1, of the column that holds the label. */
  readonly label: string | number;
  /** How many classes there are, or the words that stand for them in the label's column. */
  readonly classes: number | readonly string[];
  /** The least label, where labels are numbers. */
  readonly firstLabel: number;
  /** Fields of a row, where that is known before the first one is read. */
  readonly fields?: number | undefined;
}

/** N rows of I numbers, and their labels. */
export interface Table {
  /** [I] names of the features; absent without a header. */
  readonly names?: readonly string[];
  /** I */
  readonly features: number;
  /** [N][I], rounded to float32. */
  readonly values: Float32Array;
  /** [N] in [0, classes). */
  readonly labels: Uint8Array;
}

/** No row is longer than this many characters: an open quote must not swallow the file. */
const ROW_CHARACTERS_MAX = 1_000_000;
/** Rows between two reports of progress. */
const TOLD_ROWS = 16_384;
/** Numbers in a table, at most: 2 GB of them. */
const VALUES_MAX = 512 * 1024 * 1024;

/**
 * Reads a CSV file of numbers. Empty lines are passed over; fields may be quoted.
 * @param name what messages call the file.
 * @param progress is told now and then how many rows were read, of how many at most.
 * @throws RangeError that names line and column of the first row that is wrong.
 */
export function readCsv(
  bytes: Uint8Array,
  name: string,
  form: CsvForm,
  progress: (done: number, of: number) => void = () => undefined,
): Table {
  checkEncoding(bytes, name);
  const rows = startRows(bytes, name, form);
  try {
    parse(bytes, {
      bom: true,
      delimiter: form.delimiter,
      skip_empty_lines: true,
      trim: true,
      relax_column_count: true,
      max_record_size: ROW_CHARACTERS_MAX,
      // Rows are taken one by one and dropped: as a list of texts they would take fifty times the file.
      on_record: (record: string[], { lines, records }) => {
        rows.take(record, lines);
        if (records % TOLD_ROWS === 0) progress(records, rows.most);
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new RangeError(`${name}, ${wordCsvError(error)}`, { cause: error });
  }
  return rows.table();
}

/** Labels are words: none may be changed by how it is decoded. */
function checkEncoding(bytes: Uint8Array, name: string): void {
  const other = otherEncoding(bytes);
  if (other !== undefined) throw new RangeError(`${name}: the text is ${other}, not UTF-8`);
  const offset = invalidAt(bytes);
  if (offset === undefined) return;
  const before = bytes.subarray(0, offset);
  const line = countLines(before);
  const byte = bytes[offset]!.toString(16).padStart(2, '0');
  throw new RangeError(`${name}, line ${line}: 0x${byte} at byte offset ${offset} is not UTF-8`);
}

function wordCsvError(error: CsvError): string {
  const line = `line ${error.lines}`;
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return `${line}: a quote is opened and never closed`;
    case 'CSV_MAX_RECORD_SIZE':
      return `${line}: a row of more than ${ROW_CHARACTERS_MAX} characters: is a quote open?`;
    default:
      return `${line}: ${error.message}`;
  }
}

interface Rows {
  /** No more rows than this. */
  readonly most: number;
  take(record: readonly string[], line: number): void;
  table(): Table;
}

function startRows(bytes: Uint8Array, name: string, form: CsvForm): Rows {
  const most = countLines(bytes);
  const labels = new Uint8Array(most);
  let values = new Float32Array(0);
  let names: readonly string[] | undefined;
  let fields = form.fields;
  let [labelAt, count] = [-1, 0];

  const fail = (line: number, column: number | undefined, what: string): never => {
    const title = column === undefined ? undefined : names?.[column];
    const at = column === undefined ? '' : `, column ${column + 1}${title ? ` (${title})` : ''}`;
    throw new RangeError(`${name}, line ${line}${at}: ${what}`);
  };

  const begin = (record: readonly string[], line: number): void => {
    fields ??= record.length;
    if (form.header) names = record;
    labelAt = typeof form.label === 'number' ? form.label - 1 : record.indexOf(form.label);
    if (labelAt < 0 || labelAt >= fields) {
      const known = names ? `, only ${names.slice(0, 12).join(', ')}` : `: rows have ${fields}`;
      fail(line, undefined, `there is no column ${form.label}${known}`);
    }
    if (most * (fields - 1) > VALUES_MAX) {
      fail(line, undefined, `${most} rows of ${fields} columns are more than can be held`);
    }
    values = new Float32Array(most * (fields - 1));
  };

  return {
    most,
    take(record, line) {
      if (labelAt < 0) {
        begin(record, line);
        if (form.header) return;
      }
      if (record.length !== fields) {
        fail(line, undefined, `${record.length} columns, where there should be ${fields}`);
      }
      let at = count * (record.length - 1);
      for (let column = 0; column < record.length; column++) {
        const text = record[column]!;
        if (column === labelAt) {
          const label = labelOf(text, form);
          if (typeof label === 'string') fail(line, column, label);
          else labels[count] = label;
          continue;
        }
        // Rounded first: what float32 cannot hold is as bad as what is no number.
        const value = DECIMAL.test(text) ? Math.fround(Number(text)) : Number.NaN;
        if (!Number.isFinite(value)) fail(line, column, `${quoted(text)} is not a number`);
        values[at++] = value;
      }
      count++;
    },
    table() {
      if (count === 0) throw new RangeError(`${name}: no rows`);
      const features = (fields ?? 1) - 1;
      return {
        ...(names === undefined ? {} : { names: names.filter((_, column) => column !== labelAt) }),
        features,
        values: values.subarray(0, count * features),
        labels: labels.subarray(0, count),
      };
    },
  };
}

/** The label that a field stands for, from 0, or what is wrong with it. */
function labelOf(text: string, { classes, firstLabel }: CsvForm): number | string {
  if (typeof classes !== 'number') {
    const label = classes.indexOf(text);
    return label >= 0
      ? label
      : `${quoted(text)} is no class, only ${classes.slice(0, 12).join(', ')}`;
  }
  const label = DECIMAL.test(text) ? Number(text) - firstLabel : Number.NaN;
  if (Number.isInteger(label) && label >= 0 && label < classes) return label;
  return `label ${quoted(text)} is not a whole number in ${firstLabel}..${firstLabel + classes - 1}`;
}

/** Decimal digits, as docs/data.md has them: nothing like 0x10, 1_000 or Infinity. */
const DECIMAL = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;

const SHOWN_CHARACTERS_MAX = 40;
const quoted = (text: string): string =>
  text === ''
    ? 'nothing'
    : `\`${text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text}\``;

/** Line ends and one more: no file has more rows. Old Macs' CR counts. */
function countLines(bytes: Uint8Array): number {
  let count = 1;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === 10 || bytes[i] === 13) count++;
  return count;
}
