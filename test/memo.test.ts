import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { declaredCommands } from '../scripts/gather-commands.mjs';
import { readMake } from '../src/cli/session/up-to-date-shortcut.ts';
import { DOOR, type Ended, madeRig, type Rig } from './rig.ts';

const FULL = process.env.FULL === '1';

const PIPELINE = `params: { names: [ada, bob], greeting: hello, mark: 1 }
presets: { loud: { greeting: HELLO } }
stages:
  greet:
    run: stages/greet.ts
    matrix: { name: $names }
    params: { greeting: $greeting }
  twin:
    run: stages/greet.ts
    matrix: { name: $names }
    params: { greeting: $greeting }
  page:
    run: stages/page.ts
    inputs: { greetings: greet.text, twins: twin.text }
    params: { mark: $mark }
    artifacts: { html: page.html, note: note.txt }
`;

const GREET = `${DOOR}import { shout } from './shout';
export default defineStage({
  params: z.object({ name: z.string(), greeting: z.string() }),
  inputs: {},
  outputs: { text: text() },
  run: ({ params }) => ({ text: shout(params.greeting + ' ' + params.name) }),
});
`;

const PAGE = `${DOOR}export default defineStage({
  params: z.object({ mark: z.number() }),
  inputs: { greetings: collect(text()), twins: collect(text()) },
  outputs: { html: text(), note: text() },
  run: ({ params, inputs }) => ({
    html: inputs.greetings.map(({ value }) => '<p>' + value + '</p>').join(''),
    note: String(params.mark),
  }),
});
`;

const FILES = {
  'pipeline.yaml': PIPELINE,
  'stages/greet.ts': GREET,
  'stages/shout.ts': "/** Loud. */ export const shout = (text: string): string => text + '!';\n",
  'stages/page.ts': PAGE,
};

/** What a make says, but for its seconds. With `fresh`, as it says it without any memo. */
async function say(rig: Rig, words: readonly string[], fresh: boolean): Promise<Ended> {
  const environment = fresh ? { PIPELINE_NO_MEMO: '1', PIPELINE_NO_HINTS: '1' } : {};
  const { code, stdout, stderr } = await rig.runWith(['make', ...words], environment);
  const timeless = (text: string): string =>
    text.replace(/\(\d[\d.]* s\)/g, '(time)').replace(/"seconds":[\d.e-]+/g, '"seconds":0');
  // Tasks that do not depend on each other are told in any order.
  const sorted = (text: string): string => timeless(text).split('\n').sort().join('\n');
  return { code, stdout: sorted(stdout), stderr: sorted(stderr) };
}

/** The memos that lie there, and when each was written: a make that is told from one writes none. */
const memos = (rig: Rig): readonly string[] => {
  const folder = join(rig.folder, 'cache', 'memos');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((name) => `${name} ${statSync(join(folder, name)).ino}`);
};

/** Makes, and says whether that was told from a memo: then the memos are those that lay there before. */
async function make(
  rig: Rig,
  words: readonly string[] = [],
): Promise<Ended & { recalled: boolean }> {
  const before = memos(rig);
  const ended = await say(rig, words, false);
  const nothing = /nothing to do/.test(ended.stderr) && !/wrote|warning/.test(ended.stderr);
  return {
    ...ended,
    recalled: nothing && before.length > 0 && String(memos(rig)) === String(before),
  };
}

/** A pipeline that was made, and whose memo is there. */
async function remindedRig(): Promise<Rig> {
  const rig = await madeRig(FILES);
  await rig.run('make', '-q');
  expect(memos(rig)).toHaveLength(1);
  return rig;
}

/** Drops every blob from the store, as a collection of garbage by another process might. */
async function dropBlobs(rig: Rig): Promise<void> {
  const root = open({ path: join(rig.folder, 'cache', 'store.lmdb'), noSubdir: true, maxDbs: 16 });
  const blobs = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
  for (const digest of [...blobs.getKeys()]) blobs.removeSync(digest);
  await root.close();
}

const SHADOW = "export const shout = (text: string): string => text + '?';\n";

/** What can happen between two makes. A number makes edits of one kind differ. */
const EDITS: { readonly [name: string]: (rig: Rig, n: number) => void | Promise<void> } = {
  'a comment in pipeline.yaml': (rig, n) => rig.write('pipeline.yaml', `${PIPELINE}# ${n}\n`),
  'a param': (rig, n) => rig.write('pipeline.yaml', PIPELINE.replace('mark: 1', `mark: ${n}`)),
  "a helper's comment": (rig, n) =>
    rig.write('stages/shout.ts', FILES['stages/shout.ts'].replace('Loud', `Loud ${n}`)),
  "a helper's code": (rig, n) =>
    rig.write('stages/shout.ts', FILES['stages/shout.ts'].replace("'!'", `'${'!'.repeat(n)}'`)),
  'an artifact deleted': (rig) => rmSync(join(rig.folder, 'artifacts/page/page.html')),
  'an artifact edited': (rig, n) =>
    writeFileSync(join(rig.folder, 'artifacts/page/note.txt'), `${n}`),
  'the provenance deleted': (rig) => rmSync(join(rig.folder, 'artifacts/page/provenance.html')),
  'the store deleted': (rig) => rmSync(join(rig.folder, 'cache/store.lmdb')),
  'blobs dropped': dropBlobs,
  'a file beside that takes the place of another': (rig) => rig.write('stages/shout.tsx', SHADOW),
  'the memos damaged': (rig) => {
    const folder = join(rig.folder, 'cache/memos');
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      writeFileSync(join(folder, name), readFileSync(join(folder, name), 'utf8').replace('5', '6'));
    }
  },
};

describe('a make that has nothing to do', () => {
  test('says from its memo exactly what it says without', async () => {
    const rig = await remindedRig();
    for (const words of [['--json'], ['--quiet'], ['-C', rig.folder, '-k', '-j', '2']]) {
      const recalled = await make(rig, words);
      expect(recalled).toMatchObject(await say(rig, words, true));
      expect(recalled.code).toBe(0);
    }
    const { stderr, stdout, recalled } = await make(rig);
    expect(recalled).toBe(true);
    expect(stderr).toContain('nothing to do: 5 tasks up to date (time)');
    expect(stdout.trim().split('\n')).toEqual([
      'artifacts/page/note.txt',
      'artifacts/page/page.html',
    ]);
  });

  test('is told from its memo when files were touched or written anew, and hold what they held', async () => {
    const rig = await remindedRig();
    const again = ['pipeline.yaml', 'stages/shout.ts', 'artifacts/page/note.txt'];
    for (const path of again) {
      const text = readFileSync(join(rig.folder, path));
      rmSync(join(rig.folder, path));
      writeFileSync(join(rig.folder, path), text);
    }
    expect((await make(rig)).recalled).toBe(true);

    const past = new Date(Date.now() - 60_000);
    for (const path of again) utimesSync(join(rig.folder, path), past, past);

    rig.write('stages/shout.ts', FILES['stages/shout.ts'].replace("'!'", "'?'"));
    const { recalled, stderr } = await make(rig);
    expect([recalled, /built/.test(stderr)]).toEqual([false, true]);
  });

  test('has a memo for each preset and target, and none for what it does not know', async () => {
    const rig = await remindedRig();
    expect((await make(rig, ['--preset', 'loud'])).stderr).toContain('built');
    await make(rig, ['greet']);
    expect((await make(rig, ['greet'])).stderr).toContain('nothing to do: 2 tasks');
    expect((await make(rig, ['greet'])).recalled).toBe(true);
    expect((await make(rig, ['--force', 'page'])).stderr).toContain('1 built');
    expect((await make(rig, ['gret'])).code).toBe(2);
    // A wrong executor is one mistake, whatever there is to do and however many stages there are.
    for (const words of [[], ['--dry-run']]) {
      const { code, stderr } = await rig.run('make', ...words, '--on', 'nowhere');
      expect([code, stderr.split('no executor `nowhere`').length]).toEqual([2, 2]);
    }
    expect((await make(rig, ['--on', 'local'])).stderr).toContain('nothing to do');
  });

  test('has no memo of what gc, invalidate or fsck took away', async () => {
    const rig = await remindedRig();
    const loud = ['--preset', 'loud'];
    await make(rig, loud);
    await make(rig, loud);
    expect((await make(rig, loud)).recalled).toBe(true);
    // The pipeline as it is reaches nothing of what the preset made.
    expect((await rig.run('gc', '--keep-runs', '0')).code).toBe(0);
    expect((await make(rig, loud)).stderr).toContain('3 built');
    await make(rig);
    await rig.run('invalidate', 'page');
    expect((await make(rig)).stderr).toContain('built   page');
    await dropBlobs(rig);
    await rig.run('fsck', '--repair');
    expect((await make(rig)).stderr).toMatch(/[1-9] built/);
  });

  test('does after any edit what it would do without a memo', async () => {
    const rig = await remindedRig();
    for (const [n, name] of Object.keys(EDITS).entries()) {
      const before = memos(rig);
      await EDITS[name]!(rig, n + 2);
      const { recalled, stderr } = await make(rig);
      expect([name, recalled]).toEqual([name, false]);
      const ran = /param|code|deleted|edited|dropped|beside/.test(name);
      const told = /built|wrote|had been edited/.test(stderr);
      expect([name, told]).toEqual([name, ran && !name.includes('provenance')]);
      // The next edit meets a memo that holds: this make wrote one, or will be told from one.
      if (!FULL && String(memos(rig)) !== String(before)) continue;
      const again = await make(rig);
      expect([name, again.recalled || String(memos(rig)) !== String(before)]).toEqual([name, true]);
    }
  });

  test('is never told from a memo that the long way would contradict', async () => {
    const edit = fc.record({
      kind: fc.constantFrom(...Object.keys(EDITS)),
      n: fc.integer({ min: 1, max: 2 }),
      words: fc.constantFrom<string[]>([], ['greet'], ['--preset', 'loud']),
    });
    const property = fc.asyncProperty(
      fc.array(edit, { minLength: 3, maxLength: 4 }),
      async (edits) => {
        const rig = await remindedRig();
        for (const { kind, n, words } of edits) {
          // What an earlier edit took away cannot be taken away again.
          await (async () => EDITS[kind]!(rig, n))().catch(() => undefined);
          const { recalled, ...said } = await make(rig, words);
          const slow = await say(rig, words, true);
          if (recalled) expect(said).toEqual(slow);
          else expect(slow.stderr).toContain('nothing to do');
        }
      },
    );
    await fc.assert(property, { numRuns: FULL ? 100 : 1, endOnFailure: true });
  });
});

describe('a command line', () => {
  test('is taken for a plain make only when make declares that every word of it may be ignored or read', async () => {
    const filledIn = {
      BUILD: '""',
      VERSION: '""',
      ESBUILD_VERSION: '""',
      PUBLISHED_CHECKERS: '[]',
    };
    const command = (await declaredCommands(filledIn)).find(({ name }) => name === 'make')!;
    const words = ['make', 'a', '--set', 'x=1', '-j', '2', '--preset', 'p', '-q', 'b'];
    const common = { directory: '.', file: 'pipeline.yaml' };
    const read = { ...common, preset: ['p'], params: [], set: ['x=1'], targets: ['a', 'b'] };
    expect(readMake(words, command)).toEqual({ ...read, json: false, quiet: true });
    for (const other of [
      ['status'],
      ['make', '-n'],
      ['make', '--force', 'a'],
      ['make', '-j', 'x'],
    ]) {
      expect(readMake(other, command)).toBeUndefined();
    }
    for (const other of [
      ['make', '--help'],
      ['make', '--set'],
      ['make', '--', '-x'],
      ['make', '-qk'],
    ]) {
      expect(readMake(other, command)).toBeUndefined();
    }
  });
});
