// results.mjs — keeps what pieces of the full study gave as small tables, and judges the claims on them
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'csv-parse/sync';
import { parse as parseYaml } from 'yaml';
import { loadTypeScript } from './load-typescript.mjs';

const HELP = `Usage: npm run results -- collect PIECE --cache DIR [--preset NAME] [--set PATH=VALUE]... [--target TARGET]...
       npm run results -- judge [--print]

collect  writes docs/results/pieces/PIECE.*.csv: what each training task of a finished report gave, with task, key
         and digests; PIECE.json: study digest, settings, machine, runs; and the report's figures of the claims
judge    judges the claims of pipeline.yaml (preset ${'`full`'}) on the tables of all pieces, and writes the verdicts into
         docs/results/claims.csv, and verdicts and pieces into docs/results.md

Options:
  --directory DIR   the clone of which the store is (default: this one)
  --target TARGET   a stage that trains, or a selection of one, such as 'dense[hidden=1024-512]' (repeatable; default:
                    all of the study). Without the rest there is no way of rewired runs, and there are no figures
  --note TEXT       said of a piece: interruptions, other load
  --fact NAME=TEXT  kept of a piece: cpu, predicted (in seconds)
  --print           write nothing but stdout
`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cache: { type: 'string' },
    directory: { type: 'string' },
    preset: { type: 'string', multiple: true, default: [] },
    set: { type: 'string', multiple: true, default: [] },
    target: { type: 'string', multiple: true, default: [] },
    note: { type: 'string' },
    fact: { type: 'string', multiple: true, default: [] },
    print: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const PIECES = join(root, 'docs/results/pieces');
/** What the release checks of an archive name, and what is meant here: nothing of it is published but its digest. */
const ALLOWED = ['--allow', 'licence'];
/** Of all tables of a piece. */
const BYTES_MAX = 500_000;
const FIGURES = join(root, 'docs/results/figures');
/** Of the report's figures those that the claims rest on; larger ones stay in the report. */
const FIGURE = /^(?:effects|accuracy|cv)-.*\.svg$/;
const FIGURE_BYTES_MAX = 40_000;
/** The stages that the claims are judged on. */
const TRAINING = ['dense', 'static', 'sweep', 'sensitivity', 'rigl', 'headline', 'placed'];

const [command, piece] = positionals;
if (options.help || (command !== 'collect' && command !== 'judge')) {
  console.log(HELP);
  process.exit(options.help ? 0 : 2);
}
if (command === 'collect' && (piece === undefined || options.cache === undefined)) {
  console.error(HELP);
  process.exit(2);
}

/** What the command line prints of the piece's study. */
function pipeline(...words) {
  const presets = options.preset.flatMap((name) => ['--preset', name]);
  const sets = options.set.flatMap((word) => ['--set', word]);
  return commandLine(...words, ...presets, ...sets);
}

function commandLine(...words) {
  const places = [
    '--directory',
    resolve(options.directory ?? root),
    '--cache',
    resolve(options.cache),
  ];
  return execFileSync(process.execPath, [join(root, 'dist/cli.cjs'), ...words, ...places], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function collect() {
  const folder = mkdtempSync(join(tmpdir(), 'piece-'));
  try {
    const status = JSON.parse(pipeline('status', ...options.target, '--json'));
    const open = status.filter(({ status: one }) => one !== 'reuse' && one !== 'infeasible');
    if (open.length > 0)
      throw new Error(`${open.length} tasks are not made, such as ${open[0].task}`);
    const runs = trainingTasks(status, folder).map(product.runRow);
    const isWhole = options.target.length === 0;
    const ways = isWhole ? convergenceTasks(status, folder) : [];
    const convergence = ways.flatMap(product.convergenceRows);
    const targets = options.target.flatMap((target) => ['--target', target]);
    const archived = JSON.parse(
      pipeline('archive', join(folder, 'study.zip'), '--light', '--json', ...targets, ...ALLOWED)
        .trim()
        .split('\n')
        .at(-1),
    );
    const tables = [
      [`${piece}.runs.csv`, csv(runs)],
      ...(convergence.length > 0 ? [[`${piece}.convergence.csv`, csv(convergence)]] : []),
    ];
    const bytes = tables.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0);
    if (bytes > BYTES_MAX) throw new Error(`the tables take ${bytes} bytes: at most ${BYTES_MAX}`);
    mkdirSync(PIECES, { recursive: true });
    for (const [file, text] of tables) writeFileSync(join(PIECES, file), text);
    const facts = factsOf(archived);
    writeFileSync(join(PIECES, `${piece}.json`), `${JSON.stringify(facts, null, 2)}\n`);
    if (isWhole) copyFigures();
    console.log(`${piece}: ${runs.length} tasks, ${bytes} bytes, study digest ${facts.study}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The make that ended the piece has written the report's figures beside it. */
function copyFigures() {
  const from = join(resolve(options.directory ?? root), 'artifacts/report/figures');
  const to = join(FIGURES, piece);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from).filter((one) => FIGURE.test(one))) {
    const path = join(from, name);
    if (statSync(path).size <= FIGURE_BYTES_MAX) copyFileSync(path, join(to, name));
  }
}

const stageOf = (target) => target.replace(/\[.*$/s, '');

/** The files of an output of a stage's tasks, by task. */
function exported(stage, output, folder) {
  const to = join(folder, `${stage}.${output}/`);
  const tasks = options.target.find((target) => stageOf(target) === stage) ?? stage;
  const { files } = JSON.parse(pipeline('export', `${tasks}:${output}`, to, '--json'));
  return new Map(
    files.map(({ task, at, digest, file }) => [
      task,
      { at, digest, value: JSON.parse(readFileSync(join(to, file), 'utf8')) },
    ]),
  );
}

function trainingTasks(status, folder) {
  return TRAINING.flatMap((stage) => {
    const own = status.filter(({ task }) => stageOf(task) === stage);
    if (own.length === 0) return [];
    const metrics = exported(stage, 'metrics', folder);
    const gradients = ['static', 'sweep', 'sensitivity'].includes(stage)
      ? exported(stage, 'gradients', folder)
      : new Map();
    const axes = Object.keys(metrics.values().next().value.at);
    return own.map(({ task, key, message }) => {
      const labels = task.slice(stage.length + 1, -1).split(',');
      const at = Object.fromEntries(axes.map((axis, n) => [axis, labels[n]]));
      return {
        ...{ task, at, key, reason: message },
        metrics: metrics.get(task),
        gradients: gradients.get(task),
      };
    });
  });
}

function convergenceTasks(status, folder) {
  const keys = new Map(status.map(({ task, key }) => [task, key]));
  return [...exported('convergence', 'convergence', folder)].map(([task, one]) => {
    return { task, key: keys.get(task), ...one };
  });
}

/** What made a piece. Wall time is of all runs that made something. */
function factsOf({ digest }) {
  const runs = JSON.parse(commandLine('runs', '--json')).reverse();
  const made = runs
    .filter(({ tally }) => (tally?.built ?? 0) > 0)
    .map(({ started, seconds, tally, state, versions }) => {
      return { started, seconds, state, built: tally.built, node: versions.node };
    });
  const git = (...words) =>
    execFileSync('git', ['-C', options.directory ?? root, ...words], { encoding: 'utf8' });
  return {
    piece,
    study: digest,
    commit: git('rev-parse', '--short', 'HEAD').trim(),
    presets: options.preset,
    sets: options.set,
    ...(options.target.length > 0 && { targets: options.target }),
    machine: `${cpus().length} x ${cpus()[0].model}`,
    runs: made,
    ...Object.fromEntries(options.fact.map((word) => word.split(/=(.*)/s, 2))),
    ...(options.note !== undefined && { note: options.note }),
  };
}

/** CSV with every column that a row has, in the order of their first rows. */
function csv(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (cells) => `${cells.map(quoted).join(',')}\n`;
  return [line(columns), ...rows.map((row) => line(columns.map((name) => row[name] ?? '')))].join(
    '',
  );
}

function judge() {
  const pieces = readdirSync(PIECES)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(PIECES, file), 'utf8')));
  const { params, claims } = declared(pieces);
  const order = params.datasets.map((one) => one.name ?? one);
  const place = ({ dataset }) => order.indexOf(dataset);
  const rowsOf = (ending) =>
    pieces
      .map(({ piece: name }) => join(PIECES, `${name}.${ending}.csv`))
      .filter((file) => existsSync(file))
      .flatMap((file) => parse(readFileSync(file, 'utf8'), { columns: true }))
      .sort((a, b) => place(a) - place(b));
  const byStage = (rows) =>
    TRAINING.flatMap((stage) => rows.filter(({ task }) => task.startsWith(`${stage}[`)));
  const tables = { runs: byStage(rowsOf('runs')), convergence: rowsOf('convergence') };
  const evidence = product.evidenceOf(tables, params.sparsities.map(String));
  const result = product.judge(claims, evidence);
  const contrasts = csv(result.claims.flatMap(contrastRows));
  const words = claimsTable(result.claims);
  if (options.print) {
    process.stdout.write(`${words}\n\n${piecesTable(pieces)}\n`);
    return;
  }
  writeFileSync(join(root, 'docs/results/claims.csv'), contrasts);
  writeBetween(join(root, 'docs/results.md'), '<!-- claims -->', words);
  writeBetween(join(root, 'docs/results.md'), '<!-- pieces -->', piecesTable(pieces));
}

/** The params of the study that pieces are of: their presets without what makes each a piece. */
function declared(pieces) {
  const text = readFileSync(join(root, 'pipeline.yaml'), 'utf8');
  // In the order of the file: later ones say more.
  const used = new Set(pieces.flatMap(({ presets: own }) => own));
  const presets = Object.keys(parseYaml(text, { merge: true }).presets).filter((name) =>
    used.has(name),
  );
  const parts = product.readPipelineParts({ text, file: 'pipeline.yaml', presets, sets: [] });
  if (!parts.ok) throw new Error(JSON.stringify(parts.diagnostics));
  const { params, stages } = parts.value.pipeline;
  return {
    params: params.value,
    claims: product.claimsOf(stages.get('claims').params.get('claims').value),
  };
}

const text = (value) => (value === null || value === undefined ? '' : String(value));

function contrastRows({ id, contrasts }) {
  return contrasts.map((one) => ({
    claim: id,
    dataset: one.dataset,
    contrast: one.label,
    effect: text(one.effect),
    unit: one.unit,
    low: text(one.ci?.[0]),
    high: text(one.ci?.[1]),
    level: text(one.level),
    seeds: text(one.seeds),
    p_for: text(one.pForHolm ?? one.pFor),
    p_against: text(one.pAgainstHolm ?? one.pAgainst),
    d: text(one.d),
    decides: text(one.decides),
    verdict: product.verdictWords(one),
    reason: one.reason,
  }));
}

function claimsTable(claims) {
  const line = ({ id, title, paper, reason, ...claim }) =>
    `| ${id} ${title} | ${paper.value} | **${product.verdictWords(claim)}** | ${reason.replaceAll('|', '\\|')} |`;
  return [
    '| claim | the paper says | verdict | what was found |',
    '| --- | --- | --- | --- |',
    ...claims.map(line),
  ].join('\n');
}

const hours = (seconds) =>
  seconds === undefined ? 'not known' : `${(seconds / 3600).toFixed(2)} h`;

function piecesTable(pieces) {
  const line = (one) => {
    const { runs } = one;
    const wall = runs.reduce((sum, { seconds }) => sum + seconds, 0);
    const cells = [
      one.piece,
      `\`${one.study.slice(0, 16)}\``,
      String(runs.reduce((sum, { built }) => sum + built, 0)),
      [...new Set(runs.map(({ node }) => node))].join(', '),
      one.machine,
      `${hours(wall)} in ${runs.length} runs`,
      hours(one.cpu && Number(one.cpu)),
      hours(one.predicted && Number(one.predicted)),
      one.note ?? '',
    ];
    return `| ${cells.join(' | ')} |`;
  };
  return [
    '| piece | study digest | tasks run | Node | machine | wall | CPU | predicted CPU | notes |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...pieces.map(line),
  ].join('\n');
}

/** Replaces what stands between a mark and `<!-- end -->`. */
function writeBetween(file, mark, words) {
  const old = readFileSync(file, 'utf8');
  const before = old.indexOf(mark) + mark.length;
  const after = old.indexOf('<!-- end -->', before);
  if (before < mark.length || after < before) throw new Error(`${file} has no place for ${mark}`);
  writeFileSync(file, `${old.slice(0, before)}\n${words}\n${old.slice(after)}`);
}

const product = await loadTypeScript(join(root, 'scripts/results/piece.ts'));
if (command === 'collect') collect();
else judge();
