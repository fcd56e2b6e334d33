// A small study for `pipeline ui`: tasks that report steps, that fail, and whose labels and lines mean harm.
import { makeRig, type Rig, type Started } from './rig.ts';

/** What a page must never run. */
export const EVIL = '<img src=x onerror=hurt()>';

const TRAIN = `import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
const { lr, seed, evil } = JSON.parse(readFileSync('params.json', 'utf8'));
const say = (event) => appendFileSync(process.env.PIPELINE_EVENTS, JSON.stringify(event) + '\\n');
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
console.log('begins ' + evil + ' \\u001b[31mred\\u001b[0m \\u0007 \\u202e');
for (let step = 1; step <= 8; step++) {
  say({ progress: [step, 8], note: 'epoch ' + step });
  say({ step, metrics: { loss: (2 - lr) / step + seed / 100 } });
  console.log('step ' + step);
  const gate = process.env.GATE;
  // Progress is noted once a second: two are noted while the page looks on.
  if (gate && existsSync(gate) && step === 2) await wait(1100);
  if (gate && step === 4) while (existsSync(gate)) await wait(20);
}
if (seed === 1) { console.log('about to fail'); throw new Error('no luck with ' + evil); }
writeFileSync('out.json', JSON.stringify({ loss: lr + seed / 10, series: [3, 2, 1 + seed] }));
writeFileSync('page.txt', '<!doctype html><script>parent.hurt?.();top.location="/gone"</script><p>' + evil);
`;

const PIPELINE = `params: { lr: 0.5, evil: ${JSON.stringify(EVIL)}, seeds: [0, 1, 2] }
stages:
  data:
    command: [sh, -c, 'echo 5 > n.json']
    outputs: { n: n.json }
  train:
    command: [node, train.mjs]
    matrix: { seed: $seeds }
    params: { lr: $lr, evil: $evil, seed: $seed }
    inputs: { script: { file: train.mjs }, n: data.n }
    outputs: { out: out.json, page: page.txt, curve: { kind: metrics-log } }
    events: true
    pass: [GATE]
  sum:
    command: [sh, -c, 'echo 1 > s.json']
    inputs: { out: train.out }
    outputs: { s: s.json }
plots:
  losses: { stage: train, x: seed, y: out.loss, title: Losses }
`;

export const liveStudy = (): Rig => makeRig({ 'train.mjs': TRAIN, 'pipeline.yaml': PIPELINE });

/** Starts the page and gives the link that opens it. */
export async function startUi(
  rig: Rig,
  ...words: readonly string[]
): Promise<{ readonly ui: Started; readonly link: string }> {
  const ui = rig.start(['ui', '--no-open', ...words]);
  const link = await ui.line((line) => line.startsWith('http://'));
  return { ui, link };
}
