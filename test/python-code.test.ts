// Python code as an input: what of a source counts, what a program imports, and what a stage with `code: python` sees.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Closure, closureOf, type Entry } from '../src/engine/python/closure.ts';
import { codeForm, sourceText } from '../src/engine/python/code-form.ts';
import { entriesOf } from '../src/engine/python/command-entries.ts';
import { FolderLook } from '../src/engine/python/project-look.ts';
import { sourceFacts } from '../src/engine/python/source-facts.ts';
import { tokensOf } from '../src/engine/python/tokens.ts';
import { makeRig, type Rig } from './rig.ts';

const codeOf = (text: string): string => sourceFacts(Buffer.from(text)).code;
const formOf = (text: string): string => codeForm(text, tokensOf(text));

/** Versions of Python that are installed. */
const PYTHONS = [
  'python3',
  ...[8, 9, 10, 11, 12, 13, 14].map((minor) => `python3.${minor}`),
].filter((name) => spawnSync(name, ['-c', ''], { stdio: 'ignore' }).status === 0);

const SOURCE = `#!/usr/bin/env python3
# -*- coding: utf-8 -*-
"""What it does.

# no comment
"""
import os  # why
from math import (  # a comment within brackets

    pi,  # one
    tau,
)


def area(r, unit='#'):  # type: (float, str) -> float
    # at the beginning

    """Docs of area."""
    text = f"{r!r:>{len(unit)}} # text {{ }} {pi * r ** 2:.3f}"   \n    more = rb'\\'' + b"#" ; x = 1 \\
        + 2

    if r:

        # indented otherwise
        return text
\treturn_ = 0
    return '''a
   
# text''' + "'" \\

x = [
    1,

    # two
    2,
]
# the end`.replace('\treturn_', '    return_');

describe('what counts of a Python source', () => {
  test('is not an empty line, a blank at the end of a line, or a comment', () => {
    const same: readonly (readonly [string, string])[] = [
      ['x = 1\n', '# a\n\n\nx = 1   # b\n\n'],
      ['x = 1\n', '\r\n x = 1\r\n'.replace(' x', 'x')],
      ['x = (1,\n2)\n', 'x = (1,  # one\n\n# two\n2)'],
      ['def f():\n    return 1\n', 'def f():\n# odd\n        # odder\n    return 1\n\f\n'],
      ['s = "#"\n', 's = "#" # x\n'],
      [`s = f"{d['#']}"\n`, `s = f"{d['#']}" # x\n`],
      ['x = 1 \\\n  + 2\n', 'x = 1 \\\n  + 2 # y\n'],
    ];
    for (const [a, b] of same) expect(codeOf(a), JSON.stringify(b)).toBe(codeOf(b));
  });

  test('is everything else', () => {
    const different: readonly (readonly [string, string])[] = [
      ['"""a"""\n', '"""b"""\n'],
      ['def f():\n  "a"\n', 'def f():\n  "b"\n'],
      ['x = 1 # type: int\n', 'x = 1 # type: float\n'],
      ['x = 1\n', 'x = 1 # type: int\n'],
      ['# coding: utf-8\nx = 1\n', 'x = 1\n'],
      ['# coding: latin-1\n# a\nx = 1\n', '# coding: latin-1\n# b\nx = 1\n'],
      ['x = """\n\n"""\n', 'x = """\n"""\n'],
      ['x = """ # a\n"""\n', 'x = """ # b\n"""\n'],
      ['x = """a \n"""\n', 'x = """a\n"""\n'],
      ["x = '# a'\n", "x = '# b'\n"],
      ["x = '\\'# a'\n", "x = '\\'# b'\n"],
      ["x = r'\\'# a'\n", "x = r'\\'# b'\n"],
      ['x = 1 \\\n\ny = 2\n', 'x = 1 \\\ny = 2\n'],
      ['if x:\n  a\n  b\n', 'if x:\n  a\nb\n'],
      ['#!/usr/bin/python3\nx = 1\n', '#!/usr/bin/python2\nx = 1\n'],
      // Nested quotes: a comment to Python 3.11, text since 3.12.
      ['x = f"{d["a"]} # a"\n', 'x = f"{d["a"]} # b"\n'],
      // Mistakes are hashed whole.
      ['x = "a # b\n', 'x = "a # c\n'],
      ['x = (1 # b\n', 'x = (1 # c\n'],
      ['x = 1 \\ # b\n', 'x = 1 \\ # c\n'],
      ['x = 1\ry = 2 # b\n', 'x = 1\ry = 2 # c\n'],
    ];
    for (const [a, b] of different) expect(codeOf(a), JSON.stringify(b)).not.toBe(codeOf(b));
  });

  test.each([
    'import inspect',
    'from inspect import getsource as g',
    'import linecache',
    'import sys\nopen(sys.argv[0])',
    'print(open(__file__).read())',
    'import traceback',
  ])('is every byte where it may read its own source: %s', (line) => {
    expect(codeOf(`${line}\n# a\n`)).not.toBe(codeOf(`${line}\n# b\n`));
    expect(codeOf(`x = 1 # ${line.replace('\n', ';')}\n`)).toBe(codeOf('x = 1\n'));
  });

  test.skipIf(PYTHONS.length === 0)(
    'compiles to the same program in every Python that is here',
    () => {
      const cases = [
        SOURCE,
        'x = 1 \\\n# c\ny = 2\n',
        `f'{{#}}' # {\nx = f"{x!r:{'#'}>10}"#}\n`,
        '\f\n# a\n\fx = 1\n',
      ];
      const compare = `import ast, json, sys
for a, b in json.load(sys.stdin):
    assert ast.dump(ast.parse(a)) == ast.dump(ast.parse(b)), (a, b)
    assert ast.dump(ast.parse(a, type_comments=True)) == ast.dump(ast.parse(b, type_comments=True)), a
`;
      const input = JSON.stringify(cases.map((text) => [text, formOf(text)]));
      for (const python of PYTHONS) execFileSync(python, ['-c', compare], { input });
      expect(formOf(SOURCE)).not.toContain('# why');
      expect(formOf(SOURCE).match(/^# text'''/m)).not.toBeNull();
    },
  );

  test.runIf(process.env.FULL)(
    'compiles to the same program for every module of the standard libraries',
    () => {
      for (const python of PYTHONS) {
        const library = execFileSync(python, [
          '-c',
          'import os; print(os.path.dirname(os.__file__))',
        ]);
        const folder = String(library).trim();
        const pairs: [string, string][] = [];
        for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
          if (!entry.isFile() || !entry.name.endsWith('.py')) continue;
          const path = join(entry.parentPath, entry.name);
          const { text, isPlain } = sourceText(readFileSync(path));
          const tokens = tokensOf(text);
          if (isPlain && tokens.isCertain) pairs.push([path, codeForm(text, tokens)]);
        }
        expect(pairs.length).toBeGreaterThan(500);
        const compare = `import ast, json, sys, warnings
warnings.simplefilter('ignore')
for path, form in json.load(sys.stdin):
    try:
        tree = ast.dump(ast.parse(open(path, 'rb').read()))
    except (SyntaxError, ValueError, RecursionError):
        continue
    assert tree == ast.dump(ast.parse(form)), path
`;
        execFileSync(python, ['-c', compare], { input: JSON.stringify(pairs), maxBuffer: 2 ** 30 });
      }
    },
    1_800_000,
  );
});

// ---- imports ----

const PROJECT = {
  'train.py': `"""
import in_docstring
"""
import os, alpha
import pkg.sub.leaf as leaf, beta
from pkg import named, value
from pkg.star import *
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import only_types
else:
    import not_types
try:
    import fast
except ImportError:
    fast = None
def late():
    from space.inner import thing; import tail
    return thing
if os.environ.get('NEVER'): import conditional
def generator():
    yield from [1]
late()
from random import random
import missing.module
`,
  'alpha.py': 'x = 1\n',
  'beta.py': 'import alpha\n',
  'fast.py': '',
  'only_types.py': '',
  'not_types.py': '',
  'conditional.py': '',
  'tail.py': '',
  'in_docstring.py': '',
  'unused.py': '',
  'pkg/__init__.py': 'value = 1\nfrom . import initial\n',
  'pkg/initial.py': '',
  'pkg/named.py': 'from .sub import leaf\nfrom .. import beyond\n',
  'pkg/value.py': '',
  'pkg/unused.py': '',
  'pkg/sub/__init__.py': '',
  'pkg/sub/leaf.py': 'from ...alpha import no\nfrom ..cousin import x\n',
  'pkg/cousin.py': 'x = 1\n',
  'pkg/star/__init__.py': `__all__ = ['one', "two"]\n`,
  'pkg/star/one.py': '',
  'pkg/star/two.py': '',
  'pkg/star/three.py': '',
  'space/inner.py': 'thing = 1\n',
  'space/other.py': '',
  'tools/cli.py': 'import near\nimport alpha\n',
  'tools/near.py': '',
  'pkg/__main__.py': 'from . import named\n',
};

function projectOf(files: { readonly [path: string]: string }): string {
  const folder = mkdtempSync(join(tmpdir(), 'python-code-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

async function closureIn(
  folder: string,
  entries: readonly Entry[],
  path: readonly string[] = [],
): Promise<Closure> {
  const look = new FolderLook(folder);
  return closureOf(entries, path, {
    kindOf: (name) => look.kindOf(name),
    list: (name) => look.list(name),
    facts: async (name) => sourceFacts(readFileSync(join(folder, name))),
  });
}
const found = async (
  files: { readonly [path: string]: string },
  entries: readonly Entry[],
  path?: readonly string[],
): Promise<readonly string[]> =>
  [...(await closureIn(projectOf(files), entries, path)).code].sort();

describe('what a Python program imports', () => {
  test('is found through packages, relative and conditional imports, and nothing more', async () => {
    expect(await found(PROJECT, [{ script: 'train.py' }])).toEqual(
      [
        ...[
          'train.py',
          'alpha.py',
          'beta.py',
          'fast.py',
          'not_types.py',
          'conditional.py',
          'tail.py',
        ],
        ...['pkg/__init__.py', 'pkg/initial.py', 'pkg/named.py', 'pkg/value.py', 'pkg/cousin.py'],
        ...['pkg/sub/__init__.py', 'pkg/sub/leaf.py', 'pkg/star/__init__.py', 'pkg/star/one.py'],
        ...['pkg/star/two.py', 'space/inner.py'],
      ].sort(),
    );
  });

  test('depends on where Python begins to look', async () => {
    expect(await found(PROJECT, [{ script: 'tools/cli.py' }])).toEqual([
      'tools/cli.py',
      'tools/near.py',
    ]);
    expect(await found(PROJECT, [{ script: 'tools/cli.py' }], ['.'])).toContain('alpha.py');
    const asModule = await found(PROJECT, [{ module: 'tools.cli' }]);
    expect(asModule).toEqual(['alpha.py', 'tools/cli.py']);
    expect(await found(PROJECT, [{ module: 'pkg' }])).toContain('pkg/__main__.py');
  });

  test('a package comes before a module, a module before a folder, and nothing that is installed counts', async () => {
    const files = {
      'a.py': 'import both, folder, late, venv_only\n',
      'both/__init__.py': '',
      'both.py': '',
      'folder.py': '',
      'folder/x.py': '',
      'late/x.py': '',
      'lib/late.py': '',
      'lib/site-packages/venv_only.py': '',
    };
    expect(await found(files, [{ script: 'a.py' }], ['lib', 'lib/site-packages'])).toEqual([
      'a.py',
      'both/__init__.py',
      'folder.py',
      'lib/late.py',
    ]);
  });

  test('blocks of TYPE_CHECKING count where a source says that they run', async () => {
    const block = 'if TYPE_CHECKING:\n    import t\n';
    const cases = {
      'from typing import Any, TYPE_CHECKING\n': false,
      'from typing import (\n  TYPE_CHECKING,\n)\n': false,
      'TYPE_CHECKING = False\n': false,
      'TYPE_CHECKING = True\n': true,
      'from flags import TYPE_CHECKING\n': true,
    };
    for (const [line, isFound] of Object.entries(cases)) {
      const files = { 'a.py': line + block, 't.py': '' };
      expect((await found(files, [{ script: 'a.py' }])).includes('t.py'), line).toBe(isFound);
    }
  });

  test('by other ways is told with its place; a module that is written out is found', async () => {
    const folder = projectOf({
      'a.py': `import importlib, runpy, sys
importlib.import_module('b')
importlib.import_module(name)
__import__(name)
exec(text)
runpy.run_path(name)
sys.path.insert(0, 'more')
import c
sys.path.append(name)
x = f"{__import__(name)}"
self.exec(1)
def exec(): pass
# exec(text)
`,
      'b.py': '',
      'more/c.py': '',
    });
    const { code, dynamic } = await closureIn(folder, [{ script: 'a.py' }]);
    expect([...code].sort()).toEqual(['a.py', 'b.py', 'more/c.py']);
    const text = readFileSync(join(folder, 'a.py'), 'utf8');
    const told = new Set(
      dynamic.map(({ how, start }) => `${text.slice(0, start).split('\n').length} ${how}`),
    );
    expect([...told].sort()).toEqual(
      [
        ...['2 importlib.import_module', '3 importlib.import_module', '4 __import__', '5 exec'],
        ...['6 runpy.run_path', '9 sys.path', '10 __import__'],
      ].sort(),
    );
  });

  test.skipIf(PYTHONS.length === 0)(
    'is what Python itself imports, in every version that is here',
    async () => {
      const folder = projectOf({
        ...PROJECT,
        'train.py': PROJECT['train.py'].replace('import missing.module\n', ''),
        'pkg/named.py': 'from .sub import leaf\n',
        'pkg/sub/leaf.py': 'from ..cousin import x\n',
      });
      const { code } = await closureIn(folder, [{ script: 'train.py' }]);
      const tell = `import runpy, sys
sys.path[0] = sys.argv[1]
runpy.run_path(sys.argv[1] + '/train.py', run_name='__main__')
for m in list(sys.modules.values()):
    f = getattr(m, '__file__', None) or ''
    if f.startswith(sys.argv[1]): print(f[len(sys.argv[1]) + 1:])
`;
      for (const python of PYTHONS) {
        const said = execFileSync(python, ['-B', '-c', tell, folder], { encoding: 'utf8' });
        // What it did not import is conditional, or taken from a package that has such a value.
        const rest = [...code].filter((name) => !said.includes(name));
        expect(rest.sort()).toEqual(['conditional.py', 'pkg/value.py', 'train.py']);
        expect(
          said
            .trim()
            .split('\n')
            .filter((name) => !code.has(name)),
        ).toEqual([]);
      }
    },
  );

  test('begins with what a command starts', () => {
    const look = new FolderLook(projectOf({ ...PROJECT, 'run.py': '', bare: '' }));
    const entries = (...argv: string[]): readonly unknown[] =>
      entriesOf({ argv, inputs: new Map([['script', ['run.py']]]) }, look).map((entry) =>
        'text' in entry ? entry.text.imports.map(({ module }) => module) : Object.values(entry)[0],
      );
    expect(entries('python3', 'train.py', 'x')).toEqual(['train.py']);
    expect(entries('/usr/bin/python3.11', '-u', '-X', 'dev', '-W', 'error', './train.py')).toEqual([
      'train.py',
    ]);
    expect(entries('python3', '-m', 'pkg', 'train')).toEqual(['pkg']);
    expect(entries('python3', '-c', 'import alpha')).toEqual([['alpha']]);
    expect(entries('python3', '{inputs.script}')).toEqual(['run.py']);
    expect(entries('python3', 'bare')).toEqual(['bare']);
    expect(entries('python3', 'pkg')).toEqual(['pkg/__main__.py']);
    expect(entries('uv', 'run', 'python', 'train.py')).toEqual(['train.py']);
    expect(entries('torchrun', '--nproc-per-node', '2', 'train.py')).toEqual(['train.py']);
    expect(entries('python3', '../train.py')).toEqual([]);
    expect(entries('./run.py')).toEqual(['run.py']);
  });
});

// ---- stages ----

const study = (): Rig =>
  makeRig({
    'train.py': `import json
from lib.helper import f
json.dump(f(json.load(open('params.json'))['n']), open('out.json', 'w'))
`,
    'lib/helper.py': 'from . import deep\ndef f(n): return n * deep.k\n',
    'lib/deep.py': 'k = 3\n',
    'pipeline.yaml': `params: { n: 2 }
stages:
  train:
    command: [python3, train.py]
    code: python
    params: { n: $n }
    outputs: { out: out.json }
`,
  });
const outcome = async (rig: Rig): Promise<string> => {
  const { code, stdout, stderr } = await rig.run('make');
  expect(code, stderr).toBe(0);
  return (stdout + stderr).includes('nothing to do') ? 'nothing' : 'ran';
};

describe.skipIf(PYTHONS.length === 0)('a stage with `code: python`', () => {
  test('runs again for the code of any module that it imports, and for no comment', async () => {
    const rig = study();
    expect(await outcome(rig)).toBe('ran');
    rig.write('train.py', `# new\n\n${rig.read('train.py')}`);
    rig.write('lib/deep.py', '# three\nk = 3  # or so\n');
    expect(await outcome(rig)).toBe('nothing');
    rig.write('lib/deep.py', 'k = 4\n');
    expect(await outcome(rig)).toBe('ran');
    expect(rig.read('cache/python.json')).toContain('python-facts/1');
    const why = await rig.run('why', 'train');
    expect(why.stdout + why.stderr).toContain('lib/deep.py');
    expect(JSON.parse((await rig.run('show', 'train:out')).stdout)).toBe(8);
    // A module that was looked for and not found is found now, and comes first.
    rig.write('lib/deep/__init__.py', 'k = 5\n');
    expect(await outcome(rig)).toBe('ran');
    expect(JSON.parse((await rig.run('show', 'train:out')).stdout)).toBe(10);
  });

  test('is packed with the code of its modules, which an archive runs again', async () => {
    const rig = study();
    rig.write('train.py', `# a secret remark\n${rig.read('train.py')}`);
    expect(await outcome(rig)).toBe('ran');
    const packed = await rig.run('archive', 'x.zip', '--allow', 'licence');
    expect(packed.code, packed.stderr).toBe(0);
    const verified = await rig.run('verify', 'x.zip', '--commands', '--yes');
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toMatch(/run again +1 identical/);
    expect(readFileSync(join(rig.folder, 'x.zip')).includes('a secret remark')).toBe(false);
  });

  test('tells imports that it cannot follow, with their place, until they are declared', async () => {
    const rig = study();
    rig.write('lib/deep.py', 'import importlib\nk = importlib.import_module("plug" + "in").k\n');
    rig.write('plugin.py', 'k = 7\n');
    const { events } = await rig.make('--dry-run');
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'warning', file: 'lib/deep.py', line: 2, column: 15 }),
    );
    const checked = await rig.run('check');
    expect(checked.code).toBe(0);
    expect(checked.stderr).toContain(
      'lib/deep.py:2:15: warning: lib/deep.py imports modules while it runs',
    );
    rig.edit(
      'pipeline.yaml',
      '    params:',
      '    inputs: { plugins: { file: plugin.py } }\n    params:',
    );
    expect((await rig.run('check', '--strict')).code).toBe(0);
    expect(await outcome(rig)).toBe('ran');
  });

  test('must run a Python file of the project', async () => {
    const rig = study();
    rig.edit('pipeline.yaml', 'train.py', 'trian.py');
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toContain(
      'pipeline.yaml:4:24: error: the command of stage `train` runs no Python file',
    );
    rig.edit('pipeline.yaml', 'code: python', 'code: pyton');
    expect((await rig.run('check')).stderr).toContain('did you mean');
  });
});

test('a helper that is no input of a script is told before anything runs', async () => {
  const rig = study();
  rig.edit('pipeline.yaml', 'code: python', 'inputs: { script: { file: train.py } }');
  const { code, events } = await rig.make();
  expect(code).toBe(1);
  const kinds = events.map(({ event }) => event);
  const warning = events.findIndex(({ message }) => String(message).includes('lib/helper.py'));
  expect(warning).toBeGreaterThan(0);
  expect(warning).toBeLessThan(kinds.indexOf('started'));
  expect((await rig.run('check')).code).toBe(2);
});
