// Whatever is edited, killed or run at once: what is made incrementally is what a clean make gives, and nothing runs twice.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { DOOR, makeRig, type Rig, type SaidEvent, tasksOf } from './rig.ts';

const FULL = process.env.FULL === '1';
vi.setConfig({ testTimeout: FULL ? 3_600_000 : 240_000 });

/** A stage of a random pipeline. Every stage has one task. */
interface Node {
  readonly salt: number;
  /** Few values make outputs that come out equal. */
  readonly values: number;
  /** Numbers of the stages above that it takes; none: it takes a file. */
  readonly from: readonly number[];
}

/** A random pipeline and its files. */
interface Model {
  readonly nodes: readonly Node[];
  /** What the helper of all stages gives, and a comment beside that changes no code. */
  readonly helper: number;
  readonly comment: number;
  readonly data: readonly string[];
}

/** What a stage computes, here and in its module. */
function mixed(parts: readonly string[], values: number): string {
  let hash = 2166136261;
  for (const character of parts.join('|')) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619) >>> 0;
  }
  return String(hash % values);
}

const RUN = `({ out: mixed([...parts, String(params.salt), String(helper)], params.values) })`;
const HEAD = `${DOOR}import { helper } from './helper.ts';
${mixed.toString()}
const params = z.object({ salt: z.int(), values: z.int() });
`;
const MODULES = {
  'file.ts': `${HEAD}export default defineStage({
  params, inputs: { data: text() }, outputs: { out: text() },
  run({ params, inputs }) { const parts = [inputs.data]; return ${RUN}; },
});`,
  'join.ts': `${HEAD}export default defineStage({
  params, inputs: { parts: collect(text()) }, outputs: { out: text() },
  run({ params, inputs }) { const parts = inputs.parts.map(({ value }) => value); return ${RUN}; },
});`,
};

const nameOf = (n: number): string => `s${n}`;

function pipelineOf({ nodes }: Model): string {
  const stages = nodes.map(({ salt, values, from }, n) => {
    const input =
      from.length > 0
        ? `parts: [${from.map((one) => `${nameOf(one)}.out`)}]`
        : `data: { file: data/${n}.txt }`;
    const run = from.length > 0 ? 'join.ts' : 'file.ts';
    const params = `{ salt: ${salt}, values: ${values} }`;
    return `  ${nameOf(n)}: { run: ${run}, params: ${params}, inputs: { ${input} }, artifacts: { out: out.txt } }`;
  });
  return `stages:\n${stages.join('\n')}\n`;
}

const helperOf = ({ helper, comment }: Model): string =>
  `// ${comment}\nexport const helper = ${helper};\n`;

/** Writes what differs from before. */
function write(rig: Rig, model: Model, before?: Model): void {
  const files = (one: Model): readonly (readonly [string, string])[] => [
    ['pipeline.yaml', pipelineOf(one)],
    ['helper.ts', helperOf(one)],
    ...one.data.map((text, n) => [`data/${n}.txt`, text] as const),
  ];
  const known = new Map(before && files(before));
  for (const [path, text] of files(model)) if (known.get(path) !== text) rig.write(path, text);
}

/** What a clean make gives, and everything that decides it, by stage. */
function oracle({ nodes, helper, data }: Model): readonly { out: string; parts: string }[] {
  const made: { out: string; parts: string }[] = [];
  for (const [n, { salt, values, from }] of nodes.entries()) {
    const inputs = from.length > 0 ? from.map((one) => made[one]!.out) : [data[n]!];
    // The key of a list names the tasks that it is of.
    const named = from.length > 0 ? from.map((one) => nameOf(one)) : [`data/${n}.txt`];
    const out = mixed([...inputs, String(salt), String(helper)], values);
    const parts = JSON.stringify([from.length > 0, named, inputs, salt, values, helper]);
    made.push({ out, parts });
  }
  return made;
}

/** What was made for certain, and what may have been when a make was killed. */
interface Known {
  readonly sure: Set<string>;
  readonly maybe: Set<string>;
}

function expectMinimal(model: Model, events: readonly SaidEvent[], { sure, maybe }: Known): void {
  const wanted = oracle(model);
  const partsOf = (task: string): string => wanted[Number(task.slice(1))]!.parts;
  const started = tasksOf(events, 'started').map(partsOf);
  expect(new Set(started).size).toBe(started.length);
  expect(started.filter((parts) => sure.has(parts))).toEqual([]);
  for (const { parts } of wanted) {
    if (!sure.has(parts) && !maybe.has(parts)) expect(started).toContain(parts);
    sure.add(parts);
  }
  maybe.clear();
}

function expectArtifacts(rig: Rig, model: Model): void {
  const made = model.nodes.map((_, n) =>
    readFileSync(join(rig.folder, 'artifacts', nameOf(n), 'out.txt'), 'utf8'),
  );
  expect(made).toEqual(oracle(model).map(({ out }) => out));
}

/** Kills a make when it has said so many lines. What it said to be built is kept. */
async function makeAndKill(rig: Rig, model: Model, lines: number, known: Known): Promise<void> {
  const making = rig.start(['make', '--json']);
  let said = 0;
  await making.line(() => ++said >= lines).catch(() => undefined);
  making.process.kill('SIGKILL');
  const { stdout } = await making.ended;
  const wanted = oracle(model);
  for (const { parts } of wanted) known.maybe.add(parts);
  const whole = stdout.split('\n').slice(0, -1);
  const built = tasksOf(
    whole.map((line) => JSON.parse(line) as SaidEvent),
    'built',
  );
  for (const task of built) known.sure.add(wanted[Number(task.slice(1))]!.parts);
}

const small = fc.integer({ min: 0, max: 2 });

const someModel: fc.Arbitrary<Model> = fc
  .array(
    fc.record({
      salt: small,
      values: fc.constantFrom(1, 2, 1000),
      from: fc.uniqueArray(fc.nat({ max: 4 }), { maxLength: 3 }),
    }),
    { minLength: 3, maxLength: 6 },
  )
  .map((nodes) => ({
    nodes: nodes.map((node, n) => ({ ...node, from: node.from.filter((one) => one < n) })),
    helper: 0,
    comment: 0,
    data: nodes.map((_, n) => `data ${n}`),
  }));

/** One change, at a stage that is there. */
type Edit = (model: Model) => Model;

const atNode = (model: Model, at: number, change: (node: Node, n: number) => Node): Model => {
  const n = at % model.nodes.length;
  return { ...model, nodes: model.nodes.map((node, m) => (m === n ? change(node, n) : node)) };
};

const someEdit: fc.Arbitrary<Edit> = fc
  .record({
    kind: fc.constantFrom('salt', 'values', 'from', 'helper', 'comment', 'data', 'none'),
    at: fc.nat({ max: 5 }),
    to: small,
  })
  .map(({ kind, at, to }): Edit => {
    switch (kind) {
      case 'salt':
        return (model) => atNode(model, at, (node) => ({ ...node, salt: to }));
      case 'values':
        return (model) => atNode(model, at, (node) => ({ ...node, values: [1, 2, 1000][to]! }));
      case 'from':
        return (model) =>
          atNode(model, at, (node, n) => {
            const others = node.from.filter((one) => one !== to);
            const from = others.length < node.from.length ? others : [...others, to];
            return { ...node, from: from.filter((one) => one < n) };
          });
      case 'helper':
        return (model) => ({ ...model, helper: to });
      case 'comment':
        return (model) => ({ ...model, comment: to });
      case 'data':
        return (model) => ({
          ...model,
          data: model.data.map((text, n) => (n === at ? `other ${to}` : text)),
        });
      default:
        return (model) => model;
    }
  });

/** An edit, and after how many lines the make that follows is killed; null: it is not. */
const someStep = fc.record({
  edit: someEdit,
  kill: fc.option(fc.integer({ min: 1, max: 12 }), { freq: 2 }),
});

test('after any edits and kills, a make gives what a clean one gives, and runs only what has new key parts', async () => {
  const steps = fc.array(someStep, { minLength: 3, maxLength: FULL ? 8 : 4 });
  const property = fc.asyncProperty(someModel, steps, async (first, rest) => {
    const rig = makeRig(MODULES);
    const known: Known = { sure: new Set(), maybe: new Set() };
    let model = first;
    write(rig, model);
    for (const { edit, kill } of [{ edit: (same: Model) => same, kill: null }, ...rest]) {
      const next = edit(model);
      write(rig, next, model);
      model = next;
      if (kill !== null) await makeAndKill(rig, model, kill, known);
      const { code, events } = await rig.make();
      expect(code).toBe(0);
      expectMinimal(model, events, known);
      expectArtifacts(rig, model);
    }
    // Told from a memo or not, there is nothing left to do.
    const again = [await rig.make(), await rig.make()].map(({ events }) => events);
    const { stdout } = await rig.runWith(['make', '--json'], { PIPELINE_NO_MEMO: '1' });
    const told = stdout.split('\n').slice(0, -1);
    again.push(told.map((line) => JSON.parse(line) as SaidEvent));
    for (const events of again) {
      expect(tasksOf(events, 'reused')).toEqual(model.nodes.map((_, n) => nameOf(n)));
    }
    const clean = await rig.make('--cache', 'clean');
    expect(clean.code).toBe(0);
    expectMinimal(model, clean.events, { sure: new Set(), maybe: new Set() });
    // The artifacts of the incremental makes are left as they are: not a byte of them differs.
    expect(clean.events.filter(({ event }) => event === 'artifact')).toEqual([]);
  });
  await fc.assert(property, { numRuns: FULL ? 60 : 1, endOnFailure: true });
});

test('makes at once on one store run every action once, whatever the pipeline', async () => {
  const property = fc.asyncProperty(someModel, async (model) => {
    const rig = makeRig(MODULES);
    write(rig, model);
    const ended = await Promise.all(Array.from({ length: 3 }, () => rig.make()));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
    const all = ended.flatMap(({ events }) => events);
    expectMinimal(model, all, { sure: new Set(), maybe: new Set() });
    expectArtifacts(rig, model);
  });
  await fc.assert(property, { numRuns: FULL ? 40 : 1, endOnFailure: true });
});
