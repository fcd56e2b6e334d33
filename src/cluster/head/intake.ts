// intake.ts — how an order ended on a node → how the attempt ended here: contents are verified and brought into the store
import type { ActionSpec, Hooks } from '../../engine/executors/executor.ts';
import type { ActionResult } from '../../engine/model/action-result.ts';
import { type Digest, digestOf, type Named } from '../../engine/model/key.ts';
import type { KeptOutput } from '../../engine/model/record.ts';
import type { Store } from '../../engine/store/store.ts';
import { copyCheckpoint, type Depot } from '../depot.ts';
import type { Ended } from '../messages.ts';

/** What it is brought into. */
export interface IntakeParts {
  readonly depot: Depot;
  readonly store: Pick<Store, 'blobs' | 'checkpoints'>;
  /** The store has its checkpoints in the depot: none is brought, and the store drops them. */
  readonly areSavesShared?: boolean;
}

/** Where an action ran, as records keep it. */
export interface NodeFacts {
  readonly host: string;
  readonly machine: Named<string>;
}

export type Done = Extract<Ended['end'], { status: 'done' }>;
/** A checkpoint is saved after so long at the earliest. */
const SAVED_AFTER_S = 20;

/** Contents that stand in a frame, by digest. Those that are not what they say are left out. */
function contentsIn({ inline }: Done, body: Buffer): ReadonlyMap<Digest, Uint8Array> {
  const contents = new Map<Digest, Uint8Array>();
  let at = 0;
  for (const { digest, bytes } of inline) {
    // A copy: the frame is not to be held for it.
    const content = Uint8Array.from(body.subarray(at, at + bytes));
    at += bytes;
    if (content.length === bytes && digestOf(content) === digest) contents.set(digest, content);
  }
  return contents;
}

/** Brings results into the store of the head. */
export class Intake {
  private readonly parts: IntakeParts;

  constructor(parts: IntakeParts) {
    this.parts = parts;
  }

  /** The outputs, or undefined where some cannot be had: then it is as if the order had not run. */
  async done(
    action: ActionSpec,
    { end, seconds }: Ended & { readonly end: Done },
    body: Buffer,
    node: NodeFacts,
  ): Promise<ActionResult | undefined> {
    const contents = contentsIn(end, body);
    const outputs: Record<string, KeptOutput> = {};
    for (const name of Object.keys(action.parts.outputs)) {
      const output = Object.hasOwn(end.outputs, name) ? end.outputs[name] : undefined;
      if (output === undefined) return undefined;
      const content = contents.get(output.digest);
      if (content === undefined && !(await this.bring(output))) return undefined;
      outputs[name] = { ...output, ...(content && { content }) };
    }
    for (const file of end.further) if (!(await this.bring(file))) return undefined;
    const named = new Set(Object.values(outputs).map(({ digest }) => digest));
    const small = [...contents].filter(([digest]) => !named.has(digest));
    if (small.length > 0) {
      const kept = small.map(([digest, content]) => ({ digest, bytes: content.length, content }));
      await this.parts.store.blobs.putAll(kept);
    }
    await this.dropSave(action, seconds);
    const { peak_bytes } = end;
    const peak = peak_bytes === undefined ? {} : { peak_bytes };
    return { status: 'done', outputs, ...peak, seconds, node };
  }

  private bring(blob: Done['further'][number]): Promise<boolean> {
    const { depot, store } = this.parts;
    return depot.give(blob, store.blobs);
  }

  private async dropSave({ key, parts }: ActionSpec, seconds: number): Promise<void> {
    const mayHave = seconds >= SAVED_AFTER_S || parts.command !== undefined;
    if (mayHave && !this.parts.areSavesShared) await this.parts.depot.saves.drop(key);
  }

  /** Brings the checkpoint of an action that was stopped here, where the next make looks for it. */
  async stopped({ key, parts }: ActionSpec, hooks: Pick<Hooks, 'saveCheckpoint'>): Promise<void> {
    const { depot, store, areSavesShared } = this.parts;
    if (areSavesShared) return;
    const { saves } = depot;
    const isProgram = (parts.command as { checkpoint?: boolean } | undefined)?.checkpoint === true;
    if (isProgram && (await saves.folders.has(key))) {
      await copyCheckpoint(await saves.folders.open(key), await store.checkpoints.folder(key));
    } else {
      const bytes = isProgram ? undefined : saves.read(key);
      if (bytes === undefined) return;
      await hooks.saveCheckpoint(bytes);
    }
    await saves.drop(key);
  }
}
