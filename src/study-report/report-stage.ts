// report-stage.ts — the module of `report:`: text, tables, plots and claims of any study on one page
import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { AnalysisError } from '../analysis/frame.ts';
import { canonicalJson, type Json, type Named } from '../engine/model/key.ts';
import {
  collectPartial,
  defineStage,
  type Gathered,
  json,
  optional,
  StageError,
  text,
} from '../engine/stage.ts';
import { ReportResults } from './collected.ts';
import { reportPage } from './report-page.ts';
import { Section } from './section-params.ts';

/** As many as `REPORT_FILES_MAX` of the configuration. */
const FILES = 24;
const files = Object.fromEntries(
  Array.from({ length: FILES }, (_, at) => [`file${at + 1}`, optional(text())] as const),
);

export default defineStage({
  params: z.object({
    title: z.string(),
    abstract: z.optional(z.string()),
    sections: z.array(Section),
    graph: z.record(
      z.string(),
      z.object({ tasks: z.array(z.string()), reads: z.array(z.string()) }),
    ),
  }),
  // What the report is made from is drawn in it.
  graph: 'graph',
  inputs: { results: collectPartial(json<Json>()), ...files },
  outputs: { html: text() },
  // Vega counts ids in module state.
  isolate: true,
  async run({ params, inputs, progress }) {
    const { results, ...texts } = inputs as { readonly results: Gathered<Json> } & Named<
      string | null
    >;
    const reads = params.graph.report?.reads ?? [];
    const given = new ReportResults(results as Gathered<Json>, reads);
    const files = new Map(Object.entries(texts as Named<string | null>));
    try {
      const html = await reportPage(
        { ...params, given, files, digest: digestOf(results as Gathered<Json>, texts) },
        progress,
      );
      return { html };
    } catch (error) {
      if (error instanceof AnalysisError) throw new StageError(error.message);
      throw error;
    }
  },
});

/** Of all that the report was made from. */
function digestOf({ items, missing }: Gathered<Json>, texts: object): string {
  const told = [
    items.map(({ task, digest }) => [task, digest]),
    missing.map(({ task, reason }) => [task, reason.message]),
    texts,
  ];
  return createHash('sha256').update(canonicalJson(told)).digest('hex');
}
