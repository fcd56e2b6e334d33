// pictures.mjs — the pictures of README.md and the site, made from real runs. `npm run pictures`
//
// live.svg and metrics.svg are what a terminal shows of the study that `pipeline init --python` writes; report.png is
// the report of the built-in study in Chromium (CHROMIUM, or /usr/bin/chromium), and ui-*.webp are what
// `pipeline ui` shows of it. It needs `script` (util-linux), Python and a minute or two. `--cache DIR` takes the built-in
// study from a store that has it, `--study DIR` from another folder, for ui-*.webp; `--only NAME` makes one of them.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { photographPage } from './pictures/live-page.mjs';
import { createTerminal, drawScreen } from './pictures/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'docs/pictures');
const cli = join(root, 'dist/cli.cjs');
const COLUMNS = 84;
const LARGEST = 100 * 1024;

const { values } = parseArgs({
  options: {
    cache: { type: 'string' },
    study: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'pictures-'));
const wanted = (name) => values.only?.includes(name) ?? true;

/**
 * Runs a command on a terminal of its own, and gives what stands on the screen.
 * @param until ends the watching early: the screen is as it is at the first moment for which this holds
 */
function onTerminal(words, { cwd, until }) {
  const terminal = createTerminal({ columns: COLUMNS });
  const command = `stty cols ${COLUMNS} rows 40; exec ${words.map((word) => `'${word}'`).join(' ')}`;
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '', TERM: 'xterm-256color' },
  });
  child.stdout.setEncoding('utf8');
  return new Promise((resolve, reject) => {
    let caught;
    child.stdout.on('data', (text) => {
      terminal.write(text);
      if (caught === undefined && until?.(terminal.text())) caught = terminal.lines();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`${words.join(' ')} ended with ${code}`));
      else if (until && caught === undefined)
        reject(new Error('the moment to be drawn never came'));
      else resolve(caught ?? terminal.lines());
    });
  });
}

/** Writes a picture. @throws when it is too large for a page that people load */
function keep(name, content) {
  const path = join(out, name);
  writeFileSync(path, content);
  const { size } = statSync(path);
  if (size > LARGEST) throw new Error(`${name} has ${size} bytes, more than ${LARGEST}`);
  console.log(`docs/pictures/${name}  ${size} bytes`);
}

/** A prompt with a command, as the first line of a screen. */
const prompt = (command) => [
  { at: 0, style: 'dim', text: '$' },
  { at: 2, style: 'bold', text: command },
];

async function drawTerminals() {
  const study = join(folder, 'study');
  execFileSync(process.execPath, [cli, 'init', '--python', study], { stdio: 'ignore' });
  const shown = ['make'];
  const live = await onTerminal([process.execPath, cli, ...shown], {
    cwd: study,
    // Half of the tasks are done, and two trainings are on their way.
    until: (text) => {
      const done = Number(/(\d+)\/\d+ tasks/.exec(text)?.[1]);
      return done >= 7 && (text.match(/train\[.*loss [\d.]+ +[2-9]\d %/g) ?? []).length >= 2;
    },
  });
  const first = live.findIndex((runs) => runs.some(({ text }) => text.includes('built')));
  keep(
    'live.svg',
    drawScreen([prompt(`pipeline ${shown.join(' ')}`), ...live.slice(first)], {
      columns: COLUMNS,
      title:
        'The live display of pipeline make: finished tasks, a bar for the whole run, and a line for each running training with its loss',
    }),
  );
  const words = ['metrics', 'train:metrics', '--group-by', 'hidden,rate', '--columns', 'accuracy'];
  const table = await onTerminal([process.execPath, cli, ...words], { cwd: study });
  keep(
    'metrics.svg',
    drawScreen([prompt(`pipeline ${words.join(' ')}`), ...table], {
      columns: COLUMNS,
      title:
        'A metrics table: accuracy by hidden neurons and learning rate, mean and standard deviation over seeds, with a 95 % interval',
    }),
  );
}

const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb'],
  });

/** The built-in study, made. Gives its store. */
function makeStudy() {
  const cache = values.cache ?? join(folder, 'cache');
  execFileSync(process.execPath, [cli, 'make', 'report', '-q', '--cache', cache], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return cache;
}

async function photographReport() {
  makeStudy();
  const page = pathToFileURL(join(root, 'artifacts/report/report.html')).href;
  const browser = await launch();
  try {
    const tab = await browser.newPage({ viewport: { width: 960, height: 500 } });
    await tab.goto(page);
    // The verdicts: a page begins with its title, which shows little.
    await tab
      .getByRole('heading', { name: /claims and verdicts/i })
      .first()
      .evaluate((heading) => heading.scrollIntoView());
    keep('report.png', await tab.screenshot({ type: 'png' }));
  } finally {
    await browser.close();
  }
}

async function photographUi(isWanted) {
  const place =
    values.study === undefined
      ? { cwd: root, cache: makeStudy() }
      : { cwd: values.study, cache: join(values.study, 'cache') };
  const browser = await launch();
  try {
    await photographPage({ browser, cli, ...place, wanted: isWanted, keep });
  } finally {
    await browser.close();
  }
}

mkdirSync(out, { recursive: true });
try {
  if (wanted('terminal')) await drawTerminals();
  if (wanted('report')) await photographReport();
  const ofPage = values.only?.filter((name) => name.startsWith('ui-')) ?? [];
  if (wanted('ui')) await photographUi(() => true);
  else if (ofPage.length > 0) await photographUi((name) => ofPage.includes(name));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
