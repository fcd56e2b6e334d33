// declaration-check.ts — whether what pipeline.yaml says of a stage fits what its module declares

import { didYouMean } from '../../hint.ts';
import { entryOf } from '../../present.ts';
import type { InputConfig } from '../config/input.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { FOLDER } from '../model/folder-manifest.ts';
import type { DeclaredInput, StageModule } from '../worker/declaration.ts';
import type { Say } from './join.ts';

const RENAME = 'give the axis another name';

/** What can be said of a stage without looking at its tasks. */
export function checkFit(
  stage: StageConfig,
  modules: ReadonlyMap<string, StageModule>,
  say: Say,
): void {
  const declaration = modules.get(stage.name)?.declaration;
  if (declaration === undefined) return;
  const who = stage.command ? `stage \`${stage.name}\`` : stage.run;
  const names = declaration.params;
  const { graph } = declaration;
  if (graph !== undefined && stage.axes.has(graph)) {
    say(`axis \`${graph}\` is a param that the engine fills in for ${who}`, stage.place, RENAME);
  }
  for (const [name, located] of stage.params) {
    const place = located.named ?? located.place;
    if (name === graph) {
      say(`\`${name}\` is a param that the engine fills in for ${who}`, place, 'leave it out');
    } else if (!names.includes(name)) {
      say(`${who} has no param \`${name}\``, place, didYouMean(name, names));
    } else if (stage.axes.has(name) && !stage.command) {
      const message = `\`${name}\` is both an axis and a param of stage \`${stage.name}\``;
      say(message, place, 'the value on the axis is the param already: leave one of them out');
    }
  }
  for (const [port, input] of stage.inputs) {
    const known = Object.keys(declaration.inputs);
    if (known.includes(port))
      checkKinds(stage, port, input, entryOf(declaration.inputs, port), modules, say);
    else say(`${who} has no input \`${port}\``, input.named, didYouMean(port, known));
  }
  for (const [port, declared] of Object.entries(declaration.inputs)) {
    if (stage.inputs.has(port) || declared.arity === 'optional') continue;
    const message = `stage \`${stage.name}\` needs an input \`${port}\``;
    say(message, stage.place, `inputs: { ${port}: stage.output }`);
  }
  for (const [output, located] of stage.artifacts) {
    const known = Object.keys(declaration.outputs);
    if (known.includes(output)) continue;
    const place = located.named ?? located.place;
    say(`${who} has no output \`${output}\``, place, didYouMean(output, known));
  }
}

function checkKinds(
  stage: StageConfig,
  port: string,
  input: InputConfig,
  { kind: wanted }: DeclaredInput,
  modules: ReadonlyMap<string, StageModule>,
  say: Say,
): void {
  const folders: boolean[] = [];
  for (const source of input.from) {
    const outputs = modules.get(source.stage)?.declaration.outputs;
    if (outputs === undefined) continue;
    const output = Object.hasOwn(outputs, source.output) ? outputs[source.output] : undefined;
    if (output === undefined) {
      const hint = didYouMean(source.output, Object.keys(outputs));
      say(`stage \`${source.stage}\` has no output \`${source.output}\``, source.place, hint);
    } else if (output.kind !== wanted && !stage.command) {
      const message = `input \`${port}\` of stage \`${stage.name}\` takes ${wanted}, not ${output.kind}`;
      const hint = `only a command reads a folder: let \`${source.stage}\` give one file beside it, or read it in a command`;
      say(message, source.place, output.kind === FOLDER ? hint : undefined);
    } else folders.push(output.kind === FOLDER);
  }
  if (new Set(folders).size > 1) {
    const message = `input \`${port}\` of stage \`${stage.name}\` takes folders and files in one list`;
    say(message, input.place, 'give the folders an input of their own');
  }
}
