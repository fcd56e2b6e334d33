// order.ts — an action as it is sent to a worker: everything by digest, no path of this machine that decides a result
import type { EnvironmentPlace } from '../engine/environments/environment.ts';
import type { ActionInput, ActionSpec, SizedBlob } from '../engine/executors/executor.ts';
import { type Digest, digestOf, keyOf, type Named } from '../engine/model/key.ts';

/** The form of orders. A worker that knows another takes none. */
export const ORDER_FORM = 'order/1';

/** What a worker is to run. */
export interface Order {
  readonly form: typeof ORDER_FORM;
  /** Names this order among all. */
  readonly id: string;
  readonly action: ActionSpec;
  /** The bundle of a module: by what its key names it, and as a blob. Null for a command. */
  readonly bundle: {
    readonly digest: Digest;
    readonly file: string;
    readonly blob: SizedBlob;
  } | null;
  /** The bytes of files of the project, as blobs, by the names that the action has for them. */
  readonly projectFiles: Named<SizedBlob & { readonly isExecutable: boolean }>;
  /** Files that folders among the inputs name. */
  readonly folderFiles: readonly SizedBlob[];
  /** The sizes of declared files. */
  readonly files: readonly SizedBlob[];
  /** The environment of Python that a command runs in. */
  readonly environment: EnvironmentPlace | null;
  /** Commands whose words tell versions of tools, by the names that the key has for them: they are asked again where it runs. */
  readonly fingerprints: Named<readonly string[]>;
  /** A checkpoint lies in the depot. */
  readonly resumes: boolean;
  /** What part of a job it takes, from 0 to 1. */
  readonly share: number;
}

/** An order as text. Contents of inputs that it brings along stand in it in base64. */
export function encodeOrder(order: Order): string {
  const { action } = order;
  const inputs: Record<string, unknown> = {};
  for (const [port, input] of Object.entries(action.inputs)) {
    if ('projectFiles' in input) inputs[port] = input;
    else inputs[port] = { ...input, items: input.items.map(withText) };
  }
  return JSON.stringify({ ...order, action: { ...action, inputs } });
}

const withText = (item: Item): unknown =>
  'missing' in item || item.content === undefined
    ? item
    : { ...item, content: { base64: Buffer.from(item.content).toString('base64') } };

/** Reads an order. @throws Error when it is none, or its key is not that of its parts */
export function decodeOrder(text: string): Order {
  const order = JSON.parse(text) as Order;
  if (order?.form !== ORDER_FORM) throw new Error('it is an instruction in an unknown form');
  const { action } = order;
  if (keyOf(action.parts) !== action.key) throw new Error('its key is not that of its parts');
  return { ...order, action: { ...action, inputs: withContents(action.inputs) } };
}

function withContents(inputs: Named<ActionInput>): Named<ActionInput> {
  const decoded: Record<string, ActionInput> = {};
  for (const [port, input] of Object.entries(inputs)) {
    if ('projectFiles' in input) decoded[port] = input;
    else decoded[port] = { ...input, items: input.items.map(withContent) };
  }
  return decoded;
}

type Item = Extract<ActionInput, { items: unknown }>['items'][number];

function withContent(item: Item): Item {
  if ('missing' in item || item.content === undefined) return item;
  const { base64 } = item.content as unknown as { readonly base64: string };
  const content = Buffer.from(base64, 'base64');
  if (digestOf(content) !== item.blob.digest)
    throw new Error('an input is not what its digest says');
  return { ...item, content };
}
