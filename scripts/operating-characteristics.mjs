// operating-characteristics.mjs — simulates every rule of the study's claims and writes the table into docs/claims.md
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { loadTypeScript } from './load-typescript.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '2000' },
    /** Of each world at most so long, and then with fewer studies. */
    seconds: { type: 'string', default: '3600' },
    only: { type: 'string' },
    print: { type: 'boolean', default: false },
  },
});
const [rounds, seconds] = [Number(options.rounds), Number(options.seconds)];
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const { PROFILES, WORLDS, characterise } = await loadTypeScript(
  'bench/operating-characteristics.ts',
);

/** The claims as the study declares them; arms that name lists by reference take all profiles of the simulated study. */
const { params } = parse(readFileSync('pipeline.yaml', 'utf8'), { merge: true });
const ARMS = ['a', 'b', 'baseline', 'fixed', 'difficulty'];
const claims = params.claims.map((claim) => ({
  seeds: 10,
  ...Object.fromEntries(
    Object.entries(claim).map(([key, value]) => [key, ARMS.includes(key) ? opened(value) : value]),
  ),
  beside: [],
}));

function opened(arm) {
  return Object.fromEntries(
    Object.entries(arm).flatMap(([axis, value]) => {
      if (!JSON.stringify(value).includes('$')) return [[axis, value]];
      return value === '$profiles' ? [[axis, PROFILES]] : [];
    }),
  );
}

const percent = (share) => (100 * share).toFixed(1);
const lines = [];
for (const world of WORLDS) {
  if (options.only && world.claim !== options.only) continue;
  const started = performance.now();
  const enough = () => performance.now() - started > 1000 * seconds;
  const { shares, qualified, rounds: n } = characterise(world, claims, rounds, enough);
  const never = world.never === null ? '' : shares[world.never];
  const said = [
    n,
    ...[shares.reproduced, qualified, shares.refuted, shares.inconclusive].map(percent),
    ...(world.never === null ? ['–'] : [`${world.never} ${percent(never)}`]),
  ];
  lines.push(`| ${world.claim} | ${world.name} | ${said.join(' | ')} |`);
  console.error(lines.at(-1), `${((performance.now() - started) / 1000).toFixed(1)} s`);
}
/** The Monte Carlo error of a rate of 5 %. */
const error = (n) => percent(Math.sqrt((0.05 * 0.95) / n));
const table = [
  `In percent of the studies of a row. Of 100, 500 and 2000 studies a rate of 5 has a Monte Carlo error (SD) of ${[100, 500, 2000].map(error).join(', ')}.`,
  '',
  '| claim | what is true | studies | reproduced | of these qualified | refuted | inconclusive | false |',
  '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ...lines,
].join('\n');
if (options.print || options.only) {
  console.log(table);
} else {
  const file = 'docs/claims.md';
  const [begin, end] = ['<!-- operating characteristics -->', '<!-- end -->'];
  const text = readFileSync(file, 'utf8');
  const [before, after] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  if (before < begin.length || after < before)
    throw new Error(`${file} has no place for the table`);
  writeFileSync(file, `${text.slice(0, before)}\n${table}\n${text.slice(after)}`);
}
