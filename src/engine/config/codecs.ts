// codecs.ts — the kinds of outputs: how each is encoded, and what its files are called
import { fileSet } from '../../file-set.ts';
import { bytes, type Codec, type CodecKind, json, tensors, text } from '../stage.ts';

/** What pipeline knows of a kind. */
interface KindOfOutput {
  readonly codec: Codec<unknown>;
  /** The end of the name of a file that an input of this kind becomes. */
  readonly ending: string;
  /** Ends of the names of files that are of this kind where a command names none. */
  readonly isEndedBy: readonly string[];
  /** Whether one file or folder of a command can be such an output. */
  readonly isOneFile: boolean;
}

/** A folder is no one value: files go to it and from it, and its list is `model/folder-manifest.ts`. */
const noValue = (): never => {
  throw new Error('bug: a folder has no codec');
};

/** Every kind, in the order in which messages name them. */
export const CODECS: { readonly [kind in CodecKind]: KindOfOutput } = {
  json: {
    codec: json() as Codec<unknown>,
    ending: '.json',
    isEndedBy: ['json'],
    isOneFile: true,
  },
  tensors: {
    codec: tensors() as Codec<unknown>,
    ending: '.safetensors',
    isEndedBy: ['safetensors'],
    isOneFile: true,
  },
  text: {
    codec: text() as Codec<unknown>,
    ending: '.txt',
    isEndedBy: ['txt', 'csv', 'tsv', 'md', 'tex', 'svg', 'html', 'xml'],
    isOneFile: true,
  },
  bytes: { codec: bytes() as Codec<unknown>, ending: '.bin', isEndedBy: [], isOneFile: true },
  files: {
    codec: fileSet() as Codec<unknown>,
    ending: '.json',
    isEndedBy: [],
    isOneFile: false,
  },
  folder: {
    codec: { kind: 'folder', encode: noValue, decode: noValue },
    ending: '/',
    isEndedBy: [],
    isOneFile: true,
  },
};

const ALL = Object.entries(CODECS) as readonly (readonly [CodecKind, KindOfOutput])[];

/** What an output of a command may be. */
export const FILE_KINDS: readonly string[] = ALL.filter(([, { isOneFile }]) => isOneFile).map(
  ([kind]) => kind,
);

/** The kind of an output that names none, by the end of its name. */
export function kindByName(path: string): CodecKind {
  const end = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return ALL.find(([, { isEndedBy }]) => isEndedBy.includes(end))?.[0] ?? 'bytes';
}
