"""A study of three stages in pipeline, DVC, Calkit and exca, and what runs again after which change: docs/comparison.md.

    PIPELINE='node dist/cli.cjs' DVC=/venv/bin/dvc CALKIT=/venv/bin/calkit EXCA=/venv/bin/python python bench/beside/small.py [TOOL…]

EXCA is the Python of an environment in which exca is installed. Seconds are CPU time of all that a command started. Prints
JSON, a line for each measurement; `trained` counts the trainings that started.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import DVC, ENV, PIPELINE, edit, lines, run

HERE = Path(__file__).parent / 'small'
CALKIT = shlex.split(os.environ.get('CALKIT', 'calkit'))
EXCA = shlex.split(os.environ.get('EXCA', 'python3'))
RATES = '0.001 0.01 0.1'

TOOLS = {
    'pipeline': {'make': [*PIPELINE, 'make'], 'description': 'pipeline.yaml', 'git': False},
    'dvc': {'make': [*DVC, 'repro'], 'description': 'dvc.yaml', 'git': True},
    'calkit': {'make': [*CALKIT, 'run'], 'description': 'calkit.yaml', 'git': True},
    'exca': {'make': [*EXCA, 'study.py', *RATES.split()], 'description': 'study.py', 'git': False},
}


def prepare(name, tool, folder):
    """Writes the study. Its trainings leave a mark, and its description is counted before that is put in."""
    for path in [*(HERE / name).iterdir(), *(HERE / 'scripts').iterdir()]:
        if path.is_file() and (name != 'exca' or path.name in ('study.py', 'loss.py')):
            shutil.copy(path, folder)
    if tool['git']:
        for words in (['init', '-q'], ['add', '-A'], ['-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', 'a']):
            run(folder, ['git', *words])
    if name == 'dvc':
        run(folder, [*DVC, 'init', '-q'])
    written = {'description': lines([folder / tool['description']]), 'scripts': 0}
    if name != 'exca':
        written['scripts'] = lines([folder / one for one in ('data.py', 'loss.py', 'train.py', 'table.py')])
    return written


def train_file(name, folder):
    return folder / ('study.py' if name == 'exca' else 'train.py')


def mark(name, folder, marks):
    """Lets each training leave a mark, so that they are counted alike whatever the tool prints."""
    line = f'open({str(marks)!r}, "a").write("x ")'
    if name == 'exca':
        edit(folder / 'study.py', "        print('RAN train', self.rate)", f"        print('RAN train', self.rate)\n        {line}")
    else:
        edit(folder / 'train.py', 'rate, data, file = ', f'{line}\nrate, data, file = ')


def more_rates(name, tool, folder):
    if name == 'exca':
        return [*tool['make'], '0.2']
    edit(folder / tool['description'], '0.001, 0.01, 0.1]', '0.001, 0.01, 0.1, 0.2]')
    return tool['make']


def kill_at_half(folder, make, marks):
    """Kills the tool and what it started by SIGKILL in the third of four trainings."""
    process = subprocess.Popen(
        make, cwd=folder, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and len(marks.read_text().split()) < 3:
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(marks.read_text().split())


def measure(name, tool):
    with tempfile.TemporaryDirectory(prefix=f'small-{name}-') as scratch:
        folder = Path(scratch)
        marks = Path(scratch + '.marks')
        marks.write_text('')
        print(json.dumps({'tool': name, **prepare(name, tool, folder)}), flush=True)
        mark(name, folder, marks)
        make = tool['make']

        def step(what, words):
            marks.write_text('')
            ended = run(folder, words)
            trained = len(marks.read_text().split())
            tail = ended['said'].strip().splitlines()[-3:]
            print(json.dumps({'tool': name, 'step': what, **ended, 'said': tail, 'trained': trained}), flush=True)

        step('from nothing', make)
        step('no-op', make)
        make = more_rates(name, tool, folder)
        step('one more rate', make)
        edit(folder / 'loss.py', 'def loss', '# A comment.\ndef loss')
        step('comment in the helper', make)
        edit(folder / 'loss.py', 'return x * x', 'return 2 * x * x')
        step('code of the helper', make)
        edit(train_file(name, folder), '100', '200')
        step('code of the training', make)
        # A file that is read and that nobody declared.
        edit(train_file(name, folder), "loss(x)}", "loss(x) * float(open('scale.txt').read())}")
        (folder / 'scale.txt').write_text('1')
        step('reads an undeclared file', make)
        (folder / 'scale.txt').write_text('2')
        step('the undeclared file changed', make)
        edit(train_file(name, folder), " * float(open('scale.txt').read())}", '}')
        if name == 'exca':
            edit(folder / 'study.py', 'x -= self.rate', "__import__('time').sleep(0.01); x -= self.rate")
            shutil.rmtree(folder / 'cache')  # exca does not see that the code is another
        else:
            edit(folder / 'train.py', 'x -= rate', "__import__('time').sleep(0.01); x -= rate")
        marks.write_text('')
        started = kill_at_half(folder, make, marks)
        print(json.dumps({'tool': name, 'step': 'killed', 'trained': started}), flush=True)
        step('after kill -9', make)
        marks.unlink()


def main():
    for name in [word for word in sys.argv[1:] if word in TOOLS] or list(TOOLS):
        measure(name, TOOLS[name])


if __name__ == '__main__':
    main()
