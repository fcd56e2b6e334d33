// report-claims.ts — claims in `report:`: an output that holds them, or claims that are declared there
import { didYouMean } from '../../hint.ts';
import { type DiagnosticCollector, kindOf } from '../config/diagnostic-collector.ts';
import { type Located, labelOf } from '../config/located.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { Json, Named } from '../model/key.ts';
import {
  atOf,
  listAt,
  type ReadSection,
  type SectionContext,
  sourceParams,
  targetOf,
  textsOf,
} from './report-fields.ts';

/** The keys of a claim that is declared in a report. */
export const CLAIM_KEYS = [
  'id',
  'title',
  'statement',
  'source',
  'stage',
  'value',
  'a',
  'b',
  'expect',
  'margin',
  'where',
  'at',
];
/** What a claim may expect of `a` beside `b`. */
export const EXPECTATIONS = ['greater', 'less', 'equal'] as const;

/** An output of the form of claims, or claims that are declared here. */
export function readClaims(
  reader: DiagnosticCollector,
  content: Located,
  context: SectionContext,
): ReadSection | undefined {
  if (content.items === undefined) {
    if (content.fields !== undefined) {
      reader.report(
        `\`claims\` is STAGE:output, or a list of claims, not ${kindOf(content)}`,
        content.place,
      );
      return undefined;
    }
    const source = targetOf(reader, content, '`claims`', { at: content, known: context.known });
    return source && { params: sourceParams(source), sources: [source] };
  }
  const read = content.items.flatMap((item, at) => readClaim(reader, item, at, context) ?? []);
  if (content.items.length === 0) reader.report('`claims` is an empty list', content.place);
  const ids = new Set<Json | undefined>();
  for (const [at, { id }] of read.map(({ params }) => params).entries()) {
    const place = content.items[at]?.place ?? content.place;
    if (ids.has(id)) reader.report(`two claims are called \`${String(id)}\``, place);
    ids.add(id);
  }
  const sources = read.flatMap(({ sources: own }) => own);
  return { params: { declared: read.map(({ params }) => params) }, sources };
}

function readClaim(
  reader: DiagnosticCollector,
  located: Located,
  index: number,
  { stages, known }: SectionContext,
): ReadSection | undefined {
  const what = 'a claim';
  const fields = reader.map(located, what, CLAIM_KEYS);
  if (fields === undefined) return undefined;
  const source = targetOf(reader, fields.get('stage'), what, { at: located, known });
  const stage = source && stages.get(source.stage);
  const words = textsOf(reader, fields, ['title', 'statement', 'source', 'value'], what);
  const id = fields.get('id') ? textsOf(reader, fields, ['id'], what) : { id: `C${index + 1}` };
  for (const key of ['title', 'a', 'b', 'expect']) {
    if (fields.has(key)) continue;
    const hint = `${key}: ${CLAIM_EXAMPLES[key]}`;
    reader.report(`${what} has no \`${key}\``, located.place, hint);
  }
  const expect = fields.get('expect');
  if (expect && !EXPECTATIONS.some((one) => one === expect.value)) {
    const hint = didYouMean(String(expect.value), EXPECTATIONS);
    reader.report('`expect` of a claim is greater, less or equal', expect.place, hint);
  }
  const margin = fields.get('margin');
  const least = expect?.value === 'equal' ? Number.MIN_VALUE : 0;
  if (margin && !(typeof margin.value === 'number' && margin.value >= least)) {
    reader.report('`margin` of a claim is a number, and not below 0', margin.place);
  } else if (expect?.value === 'equal' && margin === undefined) {
    reader.report('a claim that two are equal needs a `margin`', expect.place, 'margin: 0.01');
  }
  const a = readSide(reader, fields.get('a'), 'a', stage);
  const other = fields.get('b');
  const b = typeof other?.value === 'number' ? other.value : readSide(reader, other, 'b', stage);
  const at = atOf(reader, fields.get('at'), what);
  const where = [...listAt(reader, fields.get('where'), '`where` of a claim')];
  if (source === undefined || expect === undefined) return undefined;
  const params = {
    ...{ ...id, ...words, ...sourceParams(source), where, expect: expect.value },
    margin: margin?.value ?? 0,
    a,
    b,
    ...(at !== undefined && { at }),
  };
  return { params, sources: [source] };
}

const CLAIM_EXAMPLES: Named<string> = {
  title: 'what is claimed',
  a: '{ AXIS: LABEL }',
  b: '{ AXIS: LABEL }, or a number',
  expect: 'greater, less or equal',
};

/** `{ model: logistic, noise: [0.2, 0.4] }`: labels by axis, which have to be there. */
function readSide(
  reader: DiagnosticCollector,
  located: Located | undefined,
  name: string,
  stage: StageConfig | undefined,
): Named<Json> {
  if (located === undefined) return {};
  const fields = reader.map(located, `\`${name}\` of a claim`) ?? [];
  const read = new Map<string, Json>();
  for (const [axis, field] of fields) {
    const values = stage?.axes.get(axis);
    if (stage && values === undefined) {
      const message = `stage \`${stage.name}\` has no axis \`${axis}\``;
      reader.report(message, field.named ?? field.place, didYouMean(axis, stage.axes.keys()));
    }
    const known = values?.map(({ label }) => label);
    const labels = (field.items ?? [field]).map((item) => {
      const label = labelOf(item) ?? '';
      if (known && !known.includes(label)) {
        reader.report(
          `axis \`${axis}\` has no value \`${label}\``,
          item.place,
          didYouMean(label, known),
        );
      }
      return label;
    });
    read.set(axis, labels);
  }
  return Object.fromEntries(read);
}
