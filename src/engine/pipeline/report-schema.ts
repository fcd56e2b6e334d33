// report-schema.ts — `report:` in the JSON Schema of pipeline.yaml

import type { Json, Named } from '../model/key.ts';
import { REPORT_KEYS } from './report.ts';
import { CLAIM_KEYS, EXPECTATIONS } from './report-claims.ts';
import { SECTION_KINDS, SECTION_WORDS, TABLE_KEYS } from './report-section.ts';
import { closed } from './schema-parts.ts';

const TEXT = { type: 'string' };
const TEXTS = { anyOf: [TEXT, { type: 'array', items: TEXT }] };

const REPORT_DESCRIBED: Named<Json> = {
  title: { description: 'The title of the page.', type: 'string' },
  abstract: { description: 'Markdown below the title.', type: 'string' },
  sections: {
    description: 'What the page shows, in order.',
    type: 'array',
    minItems: 1,
    items: { $ref: '#/$defs/section' },
  },
};

const SECTION_DESCRIBED: Named<Json> = {
  title: { description: 'Its heading, and its entry in the contents.', type: 'string' },
  note: { description: 'What is said of it, below the heading or in the caption.', type: 'string' },
  text: { description: 'Markdown.', type: 'string' },
  markdown: { description: 'A file of the project with Markdown.', type: 'string' },
  plot: {
    description: 'A plot of `plots`, or one that is declared here.',
    anyOf: [TEXT, { $ref: '#/$defs/plot' }],
  },
  table: { description: 'Results over the matrix.', $ref: '#/$defs/table' },
  claims: {
    description: 'STAGE:output with claims of the form claims/2, or claims.',
    anyOf: [TEXT, { type: 'array', minItems: 1, items: { $ref: '#/$defs/claim' } }],
  },
};

const TABLE_DESCRIBED: Named<Json> = {
  stage: { description: 'STAGE, or STAGE:output.', type: 'string' },
  value: { description: 'Numbers that are shown; otherwise the one that says most.', ...TEXTS },
  rows: {
    description: 'Axes with a row for each of their labels; otherwise all but seeds.',
    ...TEXTS,
  },
  columns: { description: 'An axis with a column for each of its labels.', type: 'string' },
  where: { description: 'Conditions such as profile=uniform or loss<0.5.', ...TEXTS },
  at: {
    description: 'The step at which series are read.',
    anyOf: [{ enum: ['last', 'best'] }, { type: 'integer', minimum: 0 }],
  },
  sort: { description: 'Columns to sort by, -NAME from the greatest down.', ...TEXTS },
  top: { description: 'No more rows than this.', type: 'integer', minimum: 1 },
};

const SIDE = { type: 'object' };

const CLAIM_DESCRIBED: Named<Json> = {
  id: { description: 'C1, C2, … where it has none.', type: 'string' },
  title: { description: 'The claim in a few words.', type: 'string' },
  statement: { description: 'The claim in whole.', type: 'string' },
  source: { description: 'Where it was claimed.', type: 'string' },
  stage: { description: 'STAGE, or STAGE:output.', type: 'string' },
  value: { description: 'The number that it is about.', type: 'string' },
  a: { description: 'Labels by axis: tasks whose values are compared.', ...SIDE },
  b: {
    description: 'What they are compared with: labels by axis, or a number.',
    anyOf: [SIDE, { type: 'number' }],
  },
  expect: { description: 'What is claimed of a beside b.', enum: [...EXPECTATIONS] },
  margin: { description: 'By how much at least, or within how much.', type: 'number', minimum: 0 },
  where: { description: 'Conditions that tasks of both sides meet.', ...TEXTS },
  at: {
    description: 'The step at which series are read.',
    anyOf: [{ enum: ['last', 'best'] }, { type: 'integer' }],
  },
};

/** What `report` is made up of. */
export const reportDefinitions = (): Named<Json> => ({
  report: { ...closed(REPORT_KEYS, REPORT_DESCRIBED), required: ['sections'] },
  section: closed([...SECTION_WORDS, ...SECTION_KINDS], SECTION_DESCRIBED),
  table: { ...closed(TABLE_KEYS, TABLE_DESCRIBED), required: ['stage'] },
  claim: {
    ...closed(CLAIM_KEYS, CLAIM_DESCRIBED),
    required: ['title', 'stage', 'a', 'b', 'expect'],
  },
});
