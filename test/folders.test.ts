// Outputs that are folders, and how inputs of any size come into scratch folders.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { takeFolder } from '../src/engine/executors/folder-output.ts';
import {
  decodeFolder,
  encodeFolder,
  type FolderFile,
} from '../src/engine/model/folder-manifest.ts';
import { type Digest, digestOf } from '../src/engine/model/key.ts';
import { LARGE_BLOB_BYTES, openBlobFiles } from '../src/engine/store/blob-files.ts';
import { openStore } from '../src/engine/store/lmdb/lmdb-store.ts';
import { canRunAsUser, giveToUser, runAsUser } from './as-user.ts';
import { makeRig, type Rig, repository, type SaidEvent } from './rig.ts';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-folders-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with some files. */
function folderWith(files: { readonly [path: string]: string }): string {
  const folder = newFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const errorsOf = (events: readonly SaidEvent[]): { readonly [task: string]: string } =>
  Object.fromEntries(
    events
      .filter(({ event }) => event === 'failed')
      .map(({ task, error }) => [task, (error as { message: string }).message]),
  );
const warningsOf = (events: readonly SaidEvent[]): readonly unknown[] =>
  events.flatMap(({ event, message }) => (event === 'warning' ? [message] : []));

describe('the list of a folder', () => {
  const file = (path: string, more: Partial<FolderFile> = {}): FolderFile => ({
    ...{ path, bytes: 1, isExecutable: false, digest: digestOf(path) },
    ...more,
  });

  test('is the same bytes in whatever order its files come, and read as it was written', () => {
    const files = [file('b'), file('a/c', { isExecutable: true }), file('a-b'), file('Ä/ü')];
    const bytes = encodeFolder(files);
    expect(encodeFolder([...files].reverse())).toEqual(bytes);
    expect(decodeFolder(bytes).map(({ path }) => path)).toEqual(['a-b', 'a/c', 'b', 'Ä/ü']);
    expect(encodeFolder(decodeFolder(bytes))).toEqual(bytes);
    // Frozen: stores and archives hold it.
    expect(digestOf(bytes)).toBe(
      '744f32cd31e28c6140870e62f4c1204b285bf609d4e0120f2bfdd57638937c0f',
    );
  });

  test.each([
    ['a path above it', [['../x', false, 1, digestOf('')]]],
    ['an absolute path', [['/etc/passwd', false, 1, digestOf('')]]],
    ['an empty name', [['a//b', false, 1, digestOf('')]]],
    [
      'one path twice',
      [
        ['a', false, 1, digestOf('')],
        ['a', false, 1, digestOf('')],
      ],
    ],
    [
      'a file that is a folder, too',
      [
        ['a', false, 1, digestOf('')],
        ['a/b', false, 1, digestOf('')],
      ],
    ],
    ['a negative size', [['a', false, -1, digestOf('')]]],
    ['no digest', [['a', false, 1, 'x']]],
    ['a zero byte', [['a\0', false, 1, digestOf('')]]],
    ['half of a character', [['\ud800', false, 1, digestOf('')]]],
  ])('with %s is refused', (_, files) => {
    const text = JSON.stringify({ form: 'folder/1', files });
    expect(() => decodeFolder(new TextEncoder().encode(text))).toThrow(RangeError);
  });
});

describe('a folder that a program wrote', () => {
  async function taken(folder: string, bytesMax?: number) {
    const store = openStore(newFolder(), () => undefined);
    onTestFinished(() => store.close());
    const warnings: string[] = [];
    const warn = (message: string): void => void warnings.push(message);
    const { content } = await takeFolder({ path: folder, bytesMax, warn }, store.blobs);
    const files = decodeFolder(content ?? new Uint8Array());
    const read = async (digest: Digest): Promise<string> =>
      Buffer.from((await store.blobs.get(digest)) ?? []).toString();
    const texts = files.map(async ({ path, digest }) => [path, await read(digest)] as const);
    return { files, warnings, texts: Object.fromEntries(await Promise.all(texts)) };
  }

  test('is kept file by file, with links within it as what they lead to', async () => {
    const folder = folderWith({ 'a.txt': 'a', 'run/x.sh': '#!', 'empty/no/x': '', '.hidden': 'h' });
    rmSync(join(folder, 'empty/no/x'));
    chmodSync(join(folder, 'run/x.sh'), 0o755);
    symlinkSync('a.txt', join(folder, 'same'));
    symlinkSync('run', join(folder, 'latest'));
    const { files, texts } = await taken(folder);
    expect(texts).toEqual({
      ...{ '.hidden': 'h', 'a.txt': 'a', same: 'a' },
      ...{ 'latest/x.sh': '#!', 'run/x.sh': '#!' },
    });
    expect(files.filter((file) => file.isExecutable).map(({ path }) => path)).toEqual([
      'latest/x.sh',
      'run/x.sh',
    ]);
  });

  test('keeps names that differ in case or Unicode form only, and says so', async () => {
    const { texts, warnings } = await taken(folderWith({ A: '1', a: '2' }));
    expect(texts).toEqual({ A: '1', a: '2' });
    expect(warnings.join()).toContain('A and a are one file on systems that do not tell case');
    const composed = await taken(folderWith({ 'd/\u00e9': '1', 'd/e\u0301': '2' }));
    expect(Object.keys(composed.texts)).toHaveLength(2);
    expect(composed.warnings).toHaveLength(1);
  });

  test.each<[string, (folder: string) => void, string]>([
    [
      'a link that leads out of it',
      (f) => symlinkSync('/etc/passwd', join(f, 'x')),
      'x is a link to a file outside the folder: write a copy',
    ],
    [
      'a link to the folder above',
      (f) => symlinkSync('..', join(f, 'x')),
      'x is a link to a file outside the folder',
    ],
    ['a link that leads nowhere', (f) => symlinkSync('gone', join(f, 'x')), 'x is a broken link'],
    [
      'a link to a folder that it lies in',
      (f) => symlinkSync('.', join(f, 'x')),
      'x is a link to a folder that it lies in',
    ],
    [
      'a pipe',
      (f) => spawnSync('mkfifo', [join(f, 'x')]),
      'x is not a regular file (a socket, pipe or device)',
    ],
    [
      'a name that is not UTF-8',
      (f) => writeFileSync(Buffer.concat([Buffer.from(`${f}/`), Buffer.from([0xff])]), ''),
      'a name in it is not UTF-8',
    ],
  ])('with %s is refused', async (_, spoil, words) => {
    const folder = folderWith({ a: 'a' });
    spoil(folder);
    await expect(taken(folder)).rejects.toThrow(words);
  });

  test('may have so many bytes as it says, and must have a file', async () => {
    const folder = folderWith({ a: '12345', b: '12345' });
    expect((await taken(folder, 10)).files).toHaveLength(2);
    await expect(taken(folder, 9)).rejects.toThrow('it has 10 bytes, and `max` allows 9');
    await expect(taken(newFolder())).rejects.toThrow('there is no file in it');
  });

  test('with a large file gives that away instead of copying it, unless it has other names', async () => {
    const folder = folderWith({ small: 's' });
    const large = Buffer.alloc(LARGE_BLOB_BYTES, 'l');
    writeFileSync(join(folder, 'large'), large);
    writeFileSync(join(folder, 'shared'), Buffer.concat([large, Buffer.from('x')]));
    const outside = join(newFolder(), 'outside');
    linkSync(join(folder, 'shared'), outside);
    const { files } = await taken(folder);
    expect(files.map(({ bytes }) => bytes)).toEqual([large.length, large.length + 1, 1]);
    expect(existsSync(join(folder, 'large'))).toBe(false);
    // Whoever has the other name may write to it: the store has a copy.
    expect(statSync(outside).nlink).toBe(2);
  });
});

const STUDY = `stages:
  train:
    command: [sh, train.sh, '{outputs.model}']
    inputs: { script: { file: train.sh } }
    outputs: { model: model/ }
    artifacts: { model: kept }
  use:
    command: [sh, -c, 'cat {inputs.model}/sub/a.txt && {inputs.model}/run.sh && wc -c < model/large.bin > size.txt && ls -R model']
    inputs: { model: train.model }
    outputs: { size: size.txt }
`;
const TRAIN = `mkdir $1/sub
echo one > $1/sub/a.txt
printf '#!/bin/sh\\necho ran\\n' > $1/run.sh
chmod +x $1/run.sh
head -c ${LARGE_BLOB_BYTES + 1} /dev/zero > $1/large.bin
`;
const study = (): Rig => makeRig({ 'pipeline.yaml': STUDY, 'train.sh': TRAIN, LICENSE: 'CC0' });
const largeIn = (rig: Rig): string => {
  const blobs = join(rig.folder, 'cache/blobs');
  const names = readdirSync(blobs, { recursive: true }).map(String);
  return join(blobs, names.find((name) => /[0-9a-f]{64}$/.test(name)) ?? '');
};

describe('an output that is a folder', () => {
  test('is stored, given to whoever reads it, listed, exported and put out', async () => {
    const rig = study();
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(warningsOf(events)).toEqual([]);
    const said = events.flatMap(({ event, line }) => (event === 'log' ? [line] : []));
    expect(said).toEqual([
      'one',
      'ran',
      'model:',
      'large.bin',
      'run.sh',
      'sub',
      '',
      'model/sub:',
      'a.txt',
    ]);
    expect((await rig.run('make')).stderr).toContain('nothing to do');
    const shown = JSON.parse((await rig.run('show', 'train:model', '--json')).stdout);
    expect(shown.files).toMatchObject([
      { path: 'large.bin', bytes: LARGE_BLOB_BYTES + 1, isExecutable: false },
      { path: 'run.sh', isExecutable: true },
      { path: 'sub/a.txt', bytes: 4 },
    ]);
    expect((await rig.run('show', 'train:model/sub/a.txt')).stdout).toBe('one\n');
    expect((await rig.run('show', 'train:model/sub')).stderr).toContain('such as sub/a.txt');
    for (const folder of ['artifacts/train/kept', 'out']) {
      if (folder === 'out') expect((await rig.run('export', 'train:model', 'out')).code).toBe(0);
      expect(rig.read(`${folder}/sub/a.txt`)).toBe('one\n');
      expect(statSync(join(rig.folder, folder, 'run.sh')).mode & 0o111).not.toBe(0);
      expect(statSync(join(rig.folder, folder, 'large.bin')).size).toBe(LARGE_BLOB_BYTES + 1);
    }
    // An edit of one file leaves the others, and what is gone from the folder goes from the artifact.
    rig.edit('train.sh', 'echo one > $1/sub/a.txt', 'echo two > $1/sub/b.txt');
    rig.edit('pipeline.yaml', 'sub/a.txt', 'sub/b.txt');
    expect((await rig.make()).code).toBe(0);
    expect(readdirSync(join(rig.folder, 'artifacts/train/kept/sub'))).toEqual(['b.txt']);
  });

  test('stays whole under gc, is found damaged by fsck, and made again', async () => {
    const rig = study();
    expect((await rig.make('train')).code).toBe(0);
    expect(JSON.parse((await rig.run('gc', '--json')).stdout)).toMatchObject({ blobs: [] });
    const { rows } = JSON.parse((await rig.run('du', '--json')).stdout);
    expect(rows).toMatchObject([{ stage: 'train', kind: 'folder', blobs: 4 }]);
    expect(rows[0].bytes).toBeGreaterThan(LARGE_BLOB_BYTES);
    // A file of it that is gone: the folder is.
    rmSync(largeIn(rig));
    expect((await rig.run('fsck')).stdout).toContain('missing blob');
    const lost = await rig.make('use');
    expect(lost.code).toBe(0);
    expect(
      lost.events.find(({ event, task }) => event === 'started' && task === 'train'),
    ).toMatchObject({
      reason: { kind: 'lost', outputs: ['model'] },
    });
    // One that is damaged: seen when it is read, and the task that reads it waits until it is made again.
    truncateSync(largeIn(rig), 100);
    rig.edit('pipeline.yaml', 'ls -R', 'ls -a');
    const damaged = await rig.make('use');
    expect(damaged.code).toBe(0);
    expect(damaged.events.filter(({ event }) => event === 'built').map(({ task }) => task)).toEqual(
      ['train', 'use'],
    );
    truncateSync(largeIn(rig), 100);
    expect((await rig.run('fsck', '--repair')).code).toBe(0);
    expect((await rig.make('train')).events).toContainEqual(
      expect.objectContaining({ event: 'built', task: 'train' }),
    );
  });

  test('goes through an archive bit by bit: both verifiers, a run again, an import', async () => {
    const rig = study();
    expect((await rig.make()).code).toBe(0);
    expect((await rig.run('archive', 'study.zip', '--target', 'use')).code).toBe(0);
    const verified = await rig.run(
      'verify',
      'study.zip',
      '--rerun',
      '--commands',
      '--yes',
      '--json',
    );
    expect(JSON.parse(verified.stdout)).toMatchObject({
      holds: true,
      taskVerdicts: [{ verdict: 'identical' }, { verdict: 'identical' }],
    });
    expect(verified.code).toBe(0);
    const unpacked = newFolder();
    spawnSync('unzip', ['-q', join(rig.folder, 'study.zip'), '-d', unpacked]);
    const bag = join(unpacked, readdirSync(unpacked)[0] ?? '', 'data');
    const check = () => spawnSync(process.execPath, [join(bag, 'verify.mjs'), dirname(bag)]);
    expect(check().status).toBe(0);
    // A file of the folder that is missing, and one that nobody names, are told.
    const blob = join(bag, 'blobs', digestOf('one\n'));
    rmSync(blob);
    writeFileSync(join(bag, 'blobs', digestOf('other')), 'other');
    const { status, stdout, stderr } = check();
    expect(status).toBe(1);
    expect(`${stdout}${stderr}`).toContain(digestOf('one\n'));
    const copy = study();
    expect((await copy.run('import', join(rig.folder, 'study.zip'))).code).toBe(0);
    expect((await copy.run('make')).stderr).toContain('nothing to do');
    expect(copy.read('artifacts/train/kept/sub/a.txt')).toBe('one\n');
    // A light archive lists the folder, and leaves its large files out.
    expect((await rig.run('archive', 'light.zip', '--light', '--target', 'use')).code).toBe(0);
    expect((await rig.run('verify', 'light.zip')).code).toBe(0);
  });

  test('keys its stage and whoever reads it as command/2, and nobody else', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  train: { command: [sh, -c, 'echo 1 > m/a; echo 1 > x.json'], outputs: { m: m/, x: x.json } }
  read: { command: [sh, -c, 'env | cut -d= -f1 | sort > env.txt'], inputs: { m: train.m }, outputs: { env: env.txt } }
  other: { command: [sh, -c, 'env | cut -d= -f1 | sort > env.txt'], inputs: { x: train.x }, outputs: { env: env.txt } }
`,
    });
    const { code } = await rig.make();
    expect(code).toBe(0);
    const codeOf = async (task: string): Promise<unknown> =>
      JSON.parse((await rig.run('why', task, '--json')).stdout).parts?.code;
    const [train, read, other] = await Promise.all(['train', 'read', 'other'].map(codeOf));
    expect(train).toBe(digestOf('["command/2"]'));
    expect(read).toBe(digestOf('["command/2"]'));
    expect(other).toBe(digestOf('["command/1"]'));
  });

  test('of many tasks is a list of folders, and one of another stage is no surprise', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  part: { command: [sh, -c, 'echo {params.n} > m/a'], matrix: { n: [1, 2] }, params: { n: $n }, outputs: { m: m/ } }
  all:
    command: [sh, -c, 'cat parts/*/a {inputs.parts}/index.json > all.txt; cat {inputs.parts.list} >> all.txt']
    inputs: { parts: part.m }
    outputs: { all: all.txt }
`,
    });
    const { code } = await rig.make();
    expect(code).toBe(0);
    const { stdout } = await rig.run('show', 'all:all');
    expect(stdout).toBe(
      '1\n2\n[{"at":{"n":"1"},"file":"0","task":"part[1]"},{"at":{"n":"2"},"file":"1","task":"part[2]"}]\nparts/0\nparts/1\n',
    );
  });

  test('is refused, before anything runs, where it cannot go', async () => {
    const rig = makeRig({
      'module.mjs': `export default { params: {}, inputs: {}, outputs: {}, run: () => ({}) };`,
      'pipeline.yaml': `stages:
  a: { command: [sh, -c, 'true'], outputs: { m: m/, within: m/x.json, n: { file: n/, kind: json } } }
  b: { command: [sh, -c, 'true'], outputs: { m: { file: m, kind: folder }, x: { file: x, max: much } } }
  c: { command: [sh, -c, 'true'], outputs: { m: params.json/, o: ../o/ } }
`,
    });
    const { code, stderr } = await rig.run('check');
    expect(code).toBe(2);
    for (const words of [
      'output `n` is a folder, as its path ends with /',
      'the path of a folder ends with /',
      '`max` of output `x` must be a size',
      'params.json is where the params lie',
      'this must be a relative path within the scratch folder',
    ]) {
      expect(stderr).toContain(words);
    }
    rig.write(
      'pipeline.yaml',
      `stages:
  a: { command: [sh, -c, 'true'], outputs: { m: m/, within: m/x.json } }
  b: { command: [sh, -c, 'true'], inputs: { m: a.m, x: { from: a.within, file: m/x } }, outputs: { out: out.json } }
  c: { command: [sh, -c, 'true'], inputs: { all: [a.m, a.within] }, outputs: { out: out.json } }
`,
    );
    const laid = await rig.run('check');
    expect(laid.stderr).toContain(
      'output `within` (m/x.json) of stage `a` lies in the folder of output `m` (m/)',
    );
    expect(laid.stderr).toContain(
      'input `x` (m/x) of stage `b` lies in the folder of input `m` (m/)',
    );
    expect(laid.stderr).toContain('input `all` of stage `c` takes folders and files in one list');
  });
});

describe('inputs in a scratch folder', () => {
  const readers = (script: string): Rig =>
    makeRig({
      'big.txt': 'x',
      'pipeline.yaml': `stages:
  make: { command: [sh, -c, 'head -c ${LARGE_BLOB_BYTES} /dev/zero > big.bin'], outputs: { big: big.bin } }
  read: { command: [sh, -c, ${JSON.stringify(script)}], inputs: { big: make.big, own: { file: big.txt } }, outputs: { x: x.txt } }
`,
    });

  test.skipIf(!canRunAsUser)(
    'are links to the store for a user who is not root, and copies for root',
    async () => {
      const rig = readers('stat -c "%h %a" big.bin big.txt > x.txt');
      giveToUser(rig);
      expect((await runAsUser(rig, 'make')).code).toBe(0);
      const { stdout } = await runAsUser(rig, 'show', 'read:x');
      const [big, own] = stdout.trim().split('\n');
      expect(own).toMatch(/^1 /);
      // A file system that copies by reference needs no links.
      if (big !== '1 644') expect(big).toBe('2 444');
      const root = readers('stat -c %h big.bin > x.txt');
      expect((await root.make()).code).toBe(0);
      if (process.getuid?.() === 0) expect((await root.run('show', 'read:x')).stdout).toBe('1\n');
    },
  );

  test.skipIf(!canRunAsUser)(
    'that a program writes to, rights or not, fail it by name and leave the store unharmed',
    async () => {
      const rig = readers(
        'chmod u+w big.bin && echo y | dd of=big.bin conv=notrunc status=none && echo 1 > x.txt',
      );
      giveToUser(rig);
      const { code, stderr } = await runAsUser(rig, 'make');
      expect(code).toBe(1);
      expect(stderr).toContain('the command changed its input `big` (big.bin)');
      // What the store gives next is what was made, or made again: never what was written.
      rig.edit(
        'pipeline.yaml',
        rig.read('pipeline.yaml').match(/chmod u\+w.*?x\.txt/)?.[0] ?? '',
        'sha256sum big.bin > x.txt',
      );
      giveToUser(rig);
      const again = await runAsUser(rig, 'make');
      expect(again.code).toBe(0);
      expect((await runAsUser(rig, 'show', 'read:x')).stdout).toContain(
        digestOf(new Uint8Array(LARGE_BLOB_BYTES)),
      );
      expect((await runAsUser(rig, 'fsck')).code).toBe(0);
    },
  );

  test('may be touched, read and removed, but not changed or replaced', async () => {
    const stage = (name: string, script: string): string =>
      `  ${name}: { command: [sh, -c, ${JSON.stringify(`${script}; echo 1 > x.json`)}], inputs: { own: { file: own.txt }, m: train.m }, outputs: { x: x.json } }\n`;
    const rig = makeRig({
      'own.txt': 'own',
      'pipeline.yaml': `stages:
  train: { command: [sh, -c, 'echo 1 > m/a'], outputs: { m: m/ } }
${stage('touches', 'touch own.txt m/a; chmod 600 own.txt')}${stage('removes', 'rm -r own.txt m')}${stage('appends', 'echo more >> own.txt')}${stage('replaces', 'echo new > n; mv n m/a')}${stage('links', 'rm m/a; ln -s ../own.txt m/a')}`,
    });
    const { code, events } = await rig.make('--keep-going');
    expect(code).toBe(1);
    const errors = errorsOf(events);
    expect(Object.keys(errors).sort()).toEqual(['appends', 'links', 'replaces']);
    expect(errors.appends).toContain(
      'the command changed its input `own` (own.txt): inputs are read-only',
    );
    expect(errors.replaces).toContain('the command changed its input `m` (m/a)');
    expect(errors.links).toContain('the command changed its input `m` (m/a)');
    expect(rig.read('own.txt')).toBe('own');
  });

  test('a blob keeps its mark of being whole while names are given and taken away', async () => {
    const files = openBlobFiles(join(newFolder(), 'blobs'));
    const { digest } = await files.keep(
      (async function* () {
        yield new Uint8Array(100);
      })(),
    );
    const name = join(newFolder(), 'name');
    expect(await files.linkTo(digest, name)).toBe(true);
    expect(files.isKnown(digest)).toBe(true);
    await files.unlink(digest, name);
    expect(files.isKnown(digest)).toBe(true);
    expect(await files.linkTo(digest, name)).toBe(true);
    chmodSync(name, 0o600);
    writeFileSync(name, 'other');
    expect(files.isKnown(digest)).toBe(false);
    // A name that goes does not hide that.
    await files.unlink(digest, name);
    expect(files.isKnown(digest)).toBe(false);
    expect(await files.verify(digest)).toBe(false);
  });
});

test('docs/pipeline-yaml.md tells of folders', () => {
  expect(readFileSync(join(repository, 'docs/pipeline-yaml.md'), 'utf8')).toContain(
    'model: model/',
  );
});
