// archive-rig.ts — a small study with claims, its archive, and the means to forge one
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { unzipSync } from 'fflate';
import type { Verification } from '../src/archive/checking/verdict.ts';
import { tagFiles } from '../src/archive/form/bag.ts';
import { type VerifyOptions, verifyArchive } from '../src/archive/verify.ts';
import { canonicalJson, digestOf } from '../src/engine/model/key.ts';
import { DOOR, makeRig, type Rig, repository } from './rig.ts';

const CLAIMS = `${DOOR}
const armOf = (runs) => {
  const values = runs.map(({ value }) => 100 * value.accuracy);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0);
  const tasks = runs.map(({ task, digest }) => ({ task, digest }));
  return { label: 'arm', n: values.length, mean, sd: Math.sqrt(squares / (values.length - 1)), tasks };
};
export default defineStage({
  params: z.object({ margin: z.number() }),
  inputs: { runs: collect(json()) },
  outputs: { claims: json() },
  run({ params, inputs }) {
    const a = armOf(inputs.runs);
    const b = { ...a, label: 'other' };
    const verdict = Math.abs(a.mean - b.mean) <= params.margin ? 'reproduced' : 'not reproduced';
    const contrast = { label: 'x', dataset: 'd', synthetic: false, a, b, effect: 0, unit: 'points', seeds: 3, finding: verdict, verdict };
    return { claims: { form: 'claims/1', claims: [{ id: 'C1', title: 't', seeds: 2, verdict, contrasts: [contrast] }] } };
  },
});
`;

/** The files of a small study: three runs, claims, a report, and a model that nothing is made from. */
export const STUDY = {
  LICENSE: 'Do as you like.\n',
  'CITATION.cff': 'cff-version: 1.2.0\ntitle: Small\nauthors:\n  - name: the authors\n',
  'pipeline.yaml': `params:
  title: A small study
  seeds: [0, 1, 2]
  scale: 10
  margin: 0.1
stages:
  numbers: { run: numbers.mjs, matrix: { seed: $seeds } }
  metrics:
    run: metrics.mjs
    matrix: { seed: $seeds }
    inputs: { numbers: numbers.numbers }
    params: { scale: $scale }
  claims: { run: claims.mjs, inputs: { runs: metrics.metrics }, params: { margin: $margin } }
  model: { run: model.mjs, inputs: { runs: metrics.metrics }, artifacts: { model: model.safetensors, tables: . } }
  report:
    run: report.mjs
    inputs: { runs: metrics.metrics, claims: claims.claims }
    artifacts: { html: report.html }
`,
  'numbers.mjs': `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int() }), inputs: {}, outputs: { numbers: tensors() },
  run: ({ params }) => ({
    numbers: { metadata: {}, tensors: { x: { shape: [4], data: Float32Array.from([params.seed, 1, 2, 3]) } } },
  }),
});
`,
  'metrics.mjs': `${DOOR}
export default defineStage({
  params: z.object({ scale: z.number() }), inputs: { numbers: tensors() }, outputs: { metrics: json() },
  run({ params, inputs }) {
    const sum = inputs.numbers.tensors.x.data.reduce((a, b) => a + b, 0);
    return { metrics: { accuracy: sum / (params.scale + 10) } };
  },
});
`,
  'claims.mjs': CLAIMS,
  'model.mjs': `${DOOR}
import { fileSet } from '${join(repository, 'src/file-set.ts')}';
export default defineStage({
  params: z.object({}), inputs: { runs: collect(json()) }, outputs: { tables: fileSet(), model: tensors() },
  run({ inputs }) {
    const data = Float64Array.from(inputs.runs, ({ value }) => value.accuracy);
    return { model: { metadata: {}, tensors: { weights: { shape: [data.length], data } } }, tables: { 'tables/m.csv': String(data) } };
  },
});
`,
  'report.mjs': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: { runs: collect(json()), claims: json() }, outputs: { html: text() },
  run: ({ inputs }) => ({
    html: '<p>' + inputs.claims.claims[0].verdict + inputs.runs.map(({ value }) => value.accuracy).join(' ') + '</p>',
  }),
});
`,
} as const;

/** A study, made and archived as `study.zip` in its folder. */
export async function archivedStudy(
  files: { readonly [path: string]: string } = STUDY,
  ...words: string[]
): Promise<Rig> {
  const rig = makeRig(files);
  const made = await rig.run('make', '-q');
  if (made.code !== 0) throw new Error(made.stderr);
  const archived = await rig.run('archive', 'study.zip', ...words);
  if (archived.code !== 0) throw new Error(archived.stderr);
  return rig;
}

/** The files of an archive, without its folder. */
export function unpacked(archive: string | Uint8Array): Map<string, Uint8Array> {
  const bytes = typeof archive === 'string' ? readFileSync(archive) : archive;
  const files = Object.entries(unzipSync(bytes));
  return new Map(files.map(([name, content]) => [name.slice(name.indexOf('/') + 1), content]));
}

let honest: Promise<Uint8Array> | undefined;

/** An archive of the small study, made once for all tests of a file. */
function honestArchive(): Promise<Uint8Array> {
  honest ??= archivedStudy().then((rig) => readFileSync(join(rig.folder, 'study.zip')));
  return honest;
}

let files: Promise<ReadonlyMap<string, Uint8Array>> | undefined;

/** The files of that archive, which nobody changes in place. */
export function honestFiles(): Promise<ReadonlyMap<string, Uint8Array>> {
  files ??= honestArchive().then(unpacked);
  return files;
}

/** A folder with that archive as `study.zip`, and other files. */
export async function rigWithArchive(
  files: { readonly [path: string]: string } = {},
): Promise<Rig> {
  const archive = await honestArchive();
  const rig = makeRig(files);
  writeFileSync(join(rig.folder, 'study.zip'), archive);
  return rig;
}

/** An entry as a forger writes it. */
export interface Entry {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the directory claims, where that is not so. */
  readonly claims?: { readonly size?: number; readonly mode?: number; readonly method?: number };
}

/** Most entries stand in one archive after another. */
const packings = new WeakMap<Uint8Array, { readonly packed: Buffer; readonly sum: number }>();

function packedOf(bytes: Uint8Array): { readonly packed: Buffer; readonly sum: number } {
  const known = packings.get(bytes) ?? { packed: deflateRawSync(bytes), sum: crc32(bytes) };
  packings.set(bytes, known);
  return known;
}

/** A zip file of whatever entries, with whatever they claim. */
export function zipOf(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes, claims = {} } of entries) {
    const { packed, sum } = packedOf(bytes);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x800, 2);
    fields.writeUInt16LE(claims.method ?? 8, 4);
    fields.writeUInt32LE(sum, 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(claims.size ?? bytes.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((claims.mode ?? 0o100644) * 0x10000, 6);
    rest.writeUInt32LE(offset, 10);
    const madeBy = Buffer.from([20, 3]);
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02'), madeBy, fields, rest, Buffer.from(name)]),
    );
    parts.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  const listed = Buffer.concat(directory);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listed, end]);
}

/** Puts files into a bag whose manifests are right, whatever the files are. */
export function bagged(files: ReadonlyMap<string, Uint8Array>): readonly Entry[] {
  const payload = [...files].filter(([name]) => name.startsWith('data/'));
  const told = payload.map(([name, bytes]) => ({
    name,
    digest: digestOf(bytes),
    bytes: bytes.length,
  }));
  const tags = [...tagFiles(told, 'forged')].map(
    ([name, text]) => [name, Buffer.from(text)] as const,
  );
  return [...tags, ...payload].map(([name, bytes]) => ({ name: `study/${name}`, bytes }));
}

/** A forger's hands on the files of an archive. */
export class Forgery {
  readonly files: Map<string, Uint8Array>;

  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.files = new Map(files);
  }

  // biome-ignore lint/suspicious/noExplicitAny: a forger takes it as it comes
  json(name: string): any {
    return JSON.parse(Buffer.from(this.files.get(name) as Uint8Array).toString());
  }

  put(name: string, text: string | Uint8Array): void {
    this.files.set(name, typeof text === 'string' ? Buffer.from(text) : text);
  }

  /** Changes study.json and traces.jsonl alike. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  edit(change: (study: any, traces: any[]) => void): void {
    const study = this.json('data/study.json');
    const lines = Buffer.from(this.files.get('data/traces.jsonl') as Uint8Array)
      .toString()
      .trim()
      .split('\n');
    const traces = lines.map((line) => JSON.parse(line));
    change(study, traces);
    this.put('data/study.json', JSON.stringify(study));
    this.put('data/traces.jsonl', traces.map((trace) => `${canonicalJson(trace)}\n`).join(''));
  }

  /** Puts other bytes in the place of an output, wherever it is told of; keys do not hold outputs. */
  replaceOutput(task: string, output: string, bytes: Uint8Array, ...copies: string[]): void {
    const made = this.json('data/study.json').tasks.find(
      (one: { task: string }) => one.task === task,
    );
    const before = made.outputs[output].digest as string;
    const after = { digest: digestOf(bytes), bytes: bytes.length, kind: made.outputs[output].kind };
    this.files.delete(`data/blobs/${before}`);
    for (const name of [`data/blobs/${after.digest}`, ...copies]) this.put(name, bytes);
    this.edit((study, traces) => {
      for (const one of [...study.tasks, ...traces]) {
        if (one.outputs[output]?.digest === before) one.outputs[output] = after;
      }
    });
  }

  outputOf(task: string, output: string): Buffer {
    const made = this.json('data/study.json').tasks.find(
      (one: { task: string }) => one.task === task,
    );
    return Buffer.from(this.files.get(`data/blobs/${made.outputs[output].digest}`) as Uint8Array);
  }
}

let count = 0;

/** Verifies the bytes of an archive; nothing of it is run. */
export async function verified(
  archive: Uint8Array,
  known: Pick<VerifyOptions, 'checker' | 'published'> = { checker: null, published: [] },
): Promise<Verification> {
  count += 1;
  const path = join(tmpdir(), `forged-${process.pid}-${count}.zip`);
  writeFileSync(path, archive);
  try {
    return await verifyArchive({
      path,
      version: '0',
      ...known,
      node: '',
      progress: () => undefined,
    });
  } finally {
    rmSync(path);
  }
}

/** The findings about an archive, a line each. */
export async function findingsOf(archive: Uint8Array): Promise<readonly string[]> {
  const { findings, holds } = await verified(archive);
  if (holds) throw new Error('it holds');
  return findings.map(({ place, message }) => `${place}: ${message}`);
}
