// schema.ts — pipeline schema: the JSON Schema of pipeline.yaml
import { pipelineSchema } from '../../../engine/pipeline/schema.ts';
import { writeStdout } from '../../session/printing.ts';
import { EXIT } from '../../session/session.ts';
import { type CommandDeclaration, JSON_ACCEPTED } from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'schema',
  group: 'Set up',
  about: 'print the JSON Schema of pipeline.yaml, for editors',
  options: [JSON_ACCEPTED],
  examples: ['schema', 'schema > pipeline.schema.json'],
};
export { schema as run };

/** Prints the schema. */
function schema(): number {
  writeStdout(JSON.stringify(pipelineSchema(), null, 2));
  return EXIT.success;
}
