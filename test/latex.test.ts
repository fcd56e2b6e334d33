// Whether TeX takes the tables as they are: only where it is, and asked for (FULL=1).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { renderReport } from '../src/report/page.ts';
import { wholeStudy } from './report-fixture.ts';

const there = spawnSync('pdflatex', ['--version']).status === 0;
const asked = process.env.FULL === '1';
if (asked && !there) console.warn('no pdflatex: the tables are not set (texlive-latex-base)');

/** Everything that TeX has a meaning for, and what its fonts lack. */
const HOSTILE = '[2ex] * \\input{x} % $ & # _ { } ~ ^ | < > " −1 ± σ √ ✓ Ελ 😀 üß';

test.skipIf(!asked || !there)('a paper sets every table, whatever names are in it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-latex-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { files } = await renderReport(
    wholeStudy({ seeds: 2, profiles: ['uniform', HOSTILE, 'lognormal-cv1'], title: HOSTILE }),
  );
  const tables = Object.keys(files).filter((name) => name.endsWith('.tex'));
  expect(tables.length).toBeGreaterThan(8);
  const inputs = tables.map((name, i) => {
    writeFileSync(join(folder, `t${i}.tex`), files[name]!);
    return `\\begin{table}[p]\\footnotesize\\input{t${i}}\\end{table}\\clearpage`;
  });
  const paper = [
    '\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}',
    '\\begin{document}',
    ...inputs,
    '\\end{document}',
  ];
  writeFileSync(join(folder, 'paper.tex'), paper.join('\n'));
  const options = ['-interaction=nonstopmode', '-halt-on-error', '-draftmode', 'paper.tex'];
  const said = execFileSync('pdflatex', options, { cwd: folder, encoding: 'utf8' });
  expect(said).not.toMatch(/^!|Missing character/m);
});
