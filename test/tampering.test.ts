// What lies in a cache folder is only a hint: edited, it changes neither what runs nor what is recorded of it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { bundleDigest, verifiedCode, withMapLine } from '../src/engine/bundler/bundle-digest.ts';
import { readSealedJson, sealedJson } from '../src/engine/files/hint.ts';
import { digestOf } from '../src/engine/model/key.ts';
import { ProjectFiles } from '../src/engine/planning/project-files.ts';
import { DOOR, makeRig, type Rig } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { n: 1 }
stages:
  swap:
    command: [node, swap.mjs, '{outputs.done}']
    inputs: { script: { file: swap.mjs } }
    outputs: { done: done.txt }
  a:
    run: a.mjs
    params: { n: $n }
    inputs: { after: swap.done }
    artifacts: { out: out.json }
`,
  'a.mjs': `${DOOR}
export default defineStage({
  params: z.object({ n: z.int(), by: z._default(z.int(), 2) }),
  inputs: { after: text() }, outputs: { out: json() },
  run: ({ params: { n, by } }) => ({ out: { n, by, who: 'honest' } }),
});
`,
  'swap.mjs': `import { writeFileSync } from 'node:fs';
writeFileSync(process.argv[2], 'nothing');
`,
};

const sha = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');
const bundles = (rig: Rig): string => join(rig.folder, 'cache/bundles');

/** The file of the bundle of the only module. */
function bundleOf(rig: Rig): string {
  const name = readdirSync(bundles(rig)).find((one) => /^[0-9a-f]{64}\.mjs$/.test(one));
  if (name === undefined) throw new Error('there is no bundle');
  return join(bundles(rig), name);
}

const evil = (text: string): string => text.replace(/(["'`])honest\1/, '"evil"');

/** Edits a JSON file of the cache as text, and gives it whatever seal an editor without the key can. */
function editHint(file: string, edit: (text: string) => string, seal: 'kept' | 'none'): void {
  const before = readFileSync(file, 'utf8');
  const unsealed = seal === 'kept' ? before : before.replace(/"seal":"[0-9a-f]*",/, '');
  const after = edit(unsealed);
  if (after === unsealed) throw new Error('the attack changes nothing');
  writeFileSync(file, after);
}

/** What somebody may do to a cache who has no more than the right to write there. */
const ATTACKS: { readonly [name: string]: (rig: Rig) => void } = {
  'edit a bundle'(rig) {
    const file = bundleOf(rig);
    writeFileSync(file, evil(readFileSync(file, 'utf8')));
  },
  'edit a bundle, and the digest of its file in the index'(rig) {
    const file = bundleOf(rig);
    const text = evil(readFileSync(file, 'utf8'));
    writeFileSync(file, text);
    const index = join(bundles(rig), 'index.json');
    editHint(index, (all) => all.replace(/"digest":/, `"file":"${sha(text)}","digest":`), 'none');
  },
  'add a bundle of their own, and name it in the index'(rig) {
    const file = bundleOf(rig);
    const own = bundleDigest(digestOf(file));
    const code = verifiedCode(
      readFileSync(file),
      /[0-9a-f]{64}/.exec(file.slice(-68))?.[0] as never,
    );
    const text = evil(Buffer.from(code ?? []).toString());
    const digest = bundleDigest(digestOf(text));
    expect(digest).not.toBe(own);
    writeFileSync(join(bundles(rig), `${digest}.mjs`), withMapLine(Buffer.from(text), digest));
    const index = join(bundles(rig), 'index.json');
    for (const seal of ['kept', 'none'] as const) {
      editHint(
        index,
        (all) =>
          all.replace(
            /"digest":"[0-9a-f]{64}"( ?)/,
            `"digest":"${digest}"${seal === 'none' ? ' ' : ''}`,
          ),
        seal,
      );
    }
    rmSync(file);
  },
  'name a file outside in the index'(rig) {
    const outside = join(rig.folder, 'outside.mjs');
    writeFileSync(outside, evil(readFileSync(bundleOf(rig), 'utf8')));
    const index = join(bundles(rig), 'index.json');
    editHint(
      index,
      (all) => all.replace(/"digest":"[0-9a-f]{64}"/, '"digest":"../../outside"'),
      'none',
    );
  },
  'put a link to a file outside in the place of a bundle'(rig) {
    const file = bundleOf(rig);
    const outside = join(rig.folder, 'outside.mjs');
    writeFileSync(outside, evil(readFileSync(file, 'utf8')));
    rmSync(file);
    symlinkSync(outside, file);
  },
  'put a link to a folder outside in the place of all bundles'(rig) {
    const outside = join(rig.folder, 'outside');
    rmSync(outside, { recursive: true, force: true });
    renameSync(bundles(rig), outside);
    symlinkSync(outside, bundles(rig));
    const file = bundleOf(rig);
    writeFileSync(file, evil(readFileSync(file, 'utf8')));
  },
  'edit a bundle while a make runs that has verified it, and not yet loaded it'(rig) {
    rig.write(
      'swap.mjs',
      `import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
const folder = ${JSON.stringify(bundles(rig))};
for (const name of readdirSync(folder)) {
  if (!/^[0-9a-f]{64}.mjs$/.test(name)) continue;
  const text = readFileSync(folder + '/' + name, 'utf8');
  writeFileSync(folder + '/x', text.replace(/"honest"/, '"evil"'));
  renameSync(folder + '/x', folder + '/' + name);
}
writeFileSync(process.argv[2], 'swapped');`,
    );
  },
  'put pipes in the place of files that only save time'(rig) {
    for (const name of readdirSync(bundles(rig))) {
      const file = join(bundles(rig), name);
      rmSync(file);
      spawnSync('mkfifo', [file]);
    }
  },
  'edit what a module said of its params'(rig) {
    for (const name of readdirSync(bundles(rig))) {
      if (!name.endsWith('.answers.json')) continue;
      editHint(join(bundles(rig), name), (text) => text.replaceAll('2', '7'), 'kept');
    }
  },
  'edit it, and take its seal away'(rig) {
    for (const name of readdirSync(bundles(rig))) {
      if (!name.endsWith('.answers.json')) continue;
      editHint(join(bundles(rig), name), (text) => text.replaceAll('2', '7'), 'none');
    }
  },
};

/** Those of them that a short run tries, too. */
const SHORT = new Set([
  'edit a bundle, and the digest of its file in the index',
  'add a bundle of their own, and name it in the index',
  'edit a bundle while a make runs that has verified it, and not yet loaded it',
  'edit it, and take its seal away',
]);
const FULL = process.env.FULL === '1';

/** The code that is recorded of the task whose artifact it is. */
function recorded(rig: Rig): string {
  const { code } =
    /"code": *"(?<code>[0-9a-f]{64})"/.exec(rig.read('artifacts/a/provenance.json'))?.groups ?? {};
  return code ?? rig.read('artifacts/a/provenance.json');
}

test('whoever edits what lies in a cache changes neither what runs nor what is recorded', async () => {
  const rig = makeRig(FILES);
  let n = 100;
  const make = async (): Promise<unknown> => {
    n += 1;
    const { code, stdout, stderr } = await rig.run('make', '--json', '--set', `n=${n}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('"event":"built","task":"a"');
    return JSON.parse(rig.read('artifacts/a/out.json'));
  };
  await make();
  const before = recorded(rig);
  const chosen = Object.entries(ATTACKS).filter(([name]) => FULL || SHORT.has(name));
  expect(chosen.length).toBeGreaterThanOrEqual(SHORT.size);
  for (const [name, attack] of chosen) {
    attack(rig);
    const out = await make();
    expect({ name, out }).toEqual({ name, out: { n, by: 2, who: 'honest' } });
    expect({ name, code: recorded(rig) }).toEqual({ name, code: before });
  }
}, 120_000);

test('the digest of a file of the project is not taken from a list that somebody edited', async () => {
  const folder = mkdtempSync(join(inject('folder'), 'files-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const list = join(folder, 'cache/files.json');
  writeFileSync(join(folder, 'data.txt'), 'first');
  const look = async (): Promise<unknown> => {
    const files = new ProjectFiles(folder, join(folder, 'cache'), () => Date.now() + 1_000_000);
    const found = await files.find('data.txt', false);
    await files.close();
    return 'message' in found ? found : found[0]?.digest;
  };
  expect(await look()).toBe(sha('first'));
  expect(readFileSync(list, 'utf8')).toContain(sha('first'));
  for (const seal of ['kept', 'none'] as const) {
    editHint(list, (text) => text.replace(sha('first'), sha('other')), seal);
    expect(await look()).toBe(sha('first'));
  }
});

describe('a seal', () => {
  const sealed = sealedJson('list', '{"a":1}');

  test('holds for the content and the name that it was made for', () => {
    expect(readSealedJson('list', sealed)).toEqual({ a: 1 });
    expect(readSealedJson('another', sealed)).toBeUndefined();
    expect(readSealedJson('list', sealed.replace('1', '2'))).toBeUndefined();
    expect(readSealedJson('list', '{"a":1}')).toBeUndefined();
    expect(readSealedJson('list', sealed.replace(/[0-9a-f]{64}/, sha('{"a":1}')))).toBeUndefined();
  });

  test('is made with a key that nobody else can read, and one that others could read is replaced', async () => {
    const home = mkdtempSync(join(inject('folder'), 'home-'));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    vi.stubEnv('XDG_STATE_HOME', home);
    // A key that lies in the folder for temporary files would be taken, too.
    vi.stubEnv('TMPDIR', home);
    onTestFinished(() => void vi.unstubAllEnvs());
    /** By a module that knows no key yet: the one that all tests of this process share keeps its own. */
    let loaded = 0;
    const seal = async (): Promise<string> => {
      loaded += 1;
      const path = `../src/engine/files/hint.ts?${loaded}`;
      const fresh = (await import(path)) as typeof import('../src/engine/files/hint.ts');
      return fresh.sealOf('a', 'b');
    };
    const first = await seal();
    const key = join(home, 'pipeline/seal.key');
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, 'pipeline')).mode & 0o777).toBe(0o700);
    expect(await seal()).toBe(first);
    chmodSync(key, 0o644);
    expect(await seal()).not.toBe(first);
    expect(statSync(key).mode & 0o777).toBe(0o600);
  });
});
