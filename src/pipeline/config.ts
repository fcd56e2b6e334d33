// config.ts — pipeline.yaml, presets and overrides → Pipeline, or everything that is wrong with them
import { checkConnections } from './connections.ts';
import { failure, inReadingOrder, type Result, success } from './event.ts';
import { type Located, parseYaml } from './located.ts';
import { type PipelineSource, readParams } from './params.ts';
import { checkResources, readAmounts } from './policy.ts';
import { kindOf, Reader } from './reader.ts';
import { readStages, type StageConfig } from './section.ts';

/** Everything that pipeline.yaml says, with presets and overrides laid over it. */
export interface Pipeline {
  readonly params: Located;
  readonly stages: ReadonlyMap<string, StageConfig>;
  readonly mirrors: readonly string[];
  /** How much there is of each named resource. */
  readonly resources: ReadonlyMap<string, number>;
}

const TOP_KEYS = ['params', 'presets', 'stages', 'mirrors', 'resources'];

/** Reads a pipeline, or gives every diagnostic at once. */
export function readPipeline(source: PipelineSource): Result<Pipeline> {
  const root = parseYaml(source.text, source.file);
  if (!root.ok) return root;
  const reader = new Reader();
  const fields = reader.map(root.value, 'a pipeline', TOP_KEYS);
  if (fields === undefined) return failure(...reader.problems);
  const params = readParams(reader, fields, source);
  const stages = fields.get('stages');
  if (stages === undefined) {
    reader.say('there are no `stages`', root.value.place, 'add `stages:` with at least one stage');
  }
  const read = stages ? readStages(reader, stages, params) : new Map<string, StageConfig>();
  checkConnections(reader, read, [...(stages?.fields?.keys() ?? [])]);
  const mirrors = readMirrors(reader, fields.get('mirrors'));
  const totals = readAmounts(reader, fields.get('resources'), '`resources`');
  checkResources(reader, read, totals);
  const resources = new Map([...totals].map(([name, { amount }]) => [name, amount]));
  return reader.problems.length > 0
    ? failure(...inReadingOrder(reader.problems))
    : success({ params, stages: read, mirrors, resources });
}

function readMirrors(reader: Reader, located: Located | undefined): readonly string[] {
  if (located === undefined) return [];
  if (located.items === undefined) {
    const hint = 'mirrors: [DIR or URL, …]';
    reader.say(`\`mirrors\` must be a list, not ${kindOf(located)}`, located.place, hint);
  }
  return (located.items ?? []).flatMap((item) => reader.text(item, 'a mirror') ?? []);
}
