// graph-validation.ts — what can be wrong between stages

import { didYouMean } from '../../hint.ts';
import { elementAt } from '../../present.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import type { InputConfig } from './input.ts';
import type { StageConfig } from './stage-config.ts';

/** Finds unknown stages, axes and labels, and cycles. @param named all stages, those with mistakes too */
export function checkConnections(
  reader: DiagnosticCollector,
  stages: ReadonlyMap<string, StageConfig>,
  named: readonly string[],
): void {
  for (const stage of stages.values()) {
    for (const [port, input] of stage.inputs) {
      for (const source of input.from) {
        if (named.includes(source.stage)) continue;
        const hint = didYouMean(source.stage, named);
        reader.report(`there is no stage \`${source.stage}\``, source.place, hint);
      }
      checkWhere(reader, port, input, stages);
    }
  }
  const cycle = findCycle(stages);
  if (cycle) {
    const first = stages.get(elementAt(cycle, 0));
    const input = [...(first?.inputs.values() ?? [])]
      .flatMap(({ from }) => from)
      .find((source) => source.stage === cycle[cycle.length - 1]);
    const place = input?.place ?? first?.place;
    const hint = 'a stage cannot need its own output, not even indirectly';
    if (place)
      reader.report(`the stages form a cycle: ${[...cycle, cycle[0]].join(' → ')}`, place, hint);
  }
}

function checkWhere(
  reader: DiagnosticCollector,
  port: string,
  input: InputConfig,
  stages: ReadonlyMap<string, StageConfig>,
): void {
  const upstream = input.from.flatMap((source) => stages.get(source.stage) ?? []);
  if (upstream.length < input.from.length) return; // One has mistakes of its own.
  for (const [axis, { labels, named }] of input.where) {
    const axes = new Set(upstream.flatMap((stage) => [...stage.axes.keys()]));
    if (!axes.has(axis)) {
      const message = `\`where\` of input \`${port}\` names axis \`${axis}\`, which its source lacks`;
      reader.report(message, named, didYouMean(axis, axes));
      continue;
    }
    const known = new Set(
      upstream.flatMap((stage) => (stage.axes.get(axis) ?? []).map(({ label }) => label)),
    );
    for (const [label, place] of labels) {
      if (known.has(label)) continue;
      reader.report(`axis \`${axis}\` has no value \`${label}\``, place, didYouMean(label, known));
    }
  }
}

/** The stages of a cycle, each the input of the next, or undefined. */
function findCycle(stages: ReadonlyMap<string, StageConfig>): readonly string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): readonly string[] | undefined => {
    if (done.has(name)) return undefined;
    if (path.includes(name)) return path.slice(path.indexOf(name)).reverse();
    path.push(name);
    for (const { from } of stages.get(name)?.inputs.values() ?? []) {
      for (const { stage } of from) {
        const cycle = visit(stage);
        if (cycle) return cycle;
      }
    }
    path.pop();
    done.add(name);
    return undefined;
  };
  for (const name of stages.keys()) {
    const cycle = visit(name);
    if (cycle) return cycle;
  }
  return undefined;
}
