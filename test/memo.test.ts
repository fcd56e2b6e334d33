import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readMake } from '../src/cli/noop.ts';
import { DOOR, type Ended, makeRig, type Rig } from './rig.ts';

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

const GREET = `${DOOR}import { shout } from './shout.ts';
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
  const environment = fresh ? { PIPELINE_NO_MEMO: '1' } : {};
  const { code, stdout, stderr } = await rig.start(['make', ...words], environment).ended;
  const timeless = (text: string): string =>
    text.replace(/\(\d[\d.]* s\)/g, '(time)').replace(/"seconds":[\d.e-]+/g, '"seconds":0');
  // Tasks that do not depend on each other are told in any order.
  const sorted = (text: string): string => timeless(text).split('\n').sort().join('\n');
  return { code, stdout: sorted(stdout), stderr: sorted(stderr) };
}

const memos = (rig: Rig): readonly string[] => {
  try {
    return readdirSync(join(rig.folder, 'cache', 'memos')).sort();
  } catch {
    return [];
  }
};

/** A pipeline that was made, and whose memo is there. */
async function madeRig(): Promise<Rig> {
  const rig = makeRig(FILES);
  await rig.run('make', '-q');
  await rig.run('make', '-q');
  expect(memos(rig)).toHaveLength(1);
  return rig;
}

/** Whether the next make is told from a memo: then it does not even look at a bundle that is broken. */
async function isRecalled(rig: Rig, ...words: readonly string[]): Promise<boolean> {
  const { events } = await rig.make(...words);
  const before = memos(rig).length;
  return events.every(({ event }) => event !== 'started') && before > 0;
}

describe('a make that has nothing to do', () => {
  test('says from its memo exactly what it says without', async () => {
    const rig = await madeRig();
    for (const words of [[], ['--json'], ['--quiet'], ['-C', rig.folder, '-k', '-j', '2']]) {
      const slow = await say(rig, words, true);
      // Without the stages' bundles and with a store that cannot be opened, only a memo can tell.
      const recalled = await say(rig, words, false);
      expect(recalled).toEqual(slow);
      expect(recalled.code).toBe(0);
    }
    const { stderr, stdout } = await say(rig, [], false);
    expect(stderr).toContain('same as');
    expect(stderr).toContain('nothing to do: 5 tasks up to date');
    expect(stdout.trim().split('\n')).toEqual(['artifacts/page/note.txt', 'artifacts/page/page.html']);
  });
});
