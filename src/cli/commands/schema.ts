// schema.ts — pipeline schema: the JSON Schema of pipeline.yaml
import { pipelineSchema } from '../../engine/config/schema.ts';
import { EXIT, tell } from '../session/session.ts';

/** Prints the schema. */
export function schema(): number {
  tell(JSON.stringify(pipelineSchema(), null, 2));
  return EXIT.made;
}
