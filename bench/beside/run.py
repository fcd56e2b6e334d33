"""The study of `pipeline init --python --template sklearn` beside the same in DVC and in Snakemake: docs/comparison.md.

    PIPELINE='node dist/cli.cjs' DVC=/venv/bin/dvc SNAKEMAKE=/venv/bin/snakemake python bench/beside/run.py [--quick] [TOOL…]

`python` on PATH must have what requirements.txt of the template names. Seconds are CPU time of all that a command started
(user and system), so that other work on the machine counts little. Prints JSON, a line for each measurement.
"""

import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
QUICK = '--quick' in sys.argv
PIPELINE = shlex.split(os.environ.get('PIPELINE', 'npx pipeline'))
DVC = shlex.split(os.environ.get('DVC', 'dvc'))
SNAKEMAKE = shlex.split(os.environ.get('SNAKEMAKE', 'snakemake')) + ['--cores', '2']
ENV = {**os.environ, 'NO_COLOR': '1', 'DVC_NO_ANALYTICS': '1', 'GIT_CONFIG_GLOBAL': '/dev/null'}
GIBS = 3


def run(folder, words):
    """Runs a command to its end: CPU seconds, exit code, what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {'seconds': round(seconds, 1), 'code': done.returncode, 'said': done.stdout.decode('utf-8', 'replace')}


def lines(paths):
    """Lines that are written: neither blank nor a comment alone."""
    return sum(
        1 for path in paths for line in path.read_text().splitlines() if line.strip() and not line.strip().startswith('#')
    )


def pipeline_study(folder):
    run(folder, [*PIPELINE, 'init', '--python', '--template', 'sklearn', '.'])
    prefix = subprocess.run(['python', '-c', 'import sys; print(sys.prefix)'], stdout=subprocess.PIPE, check=True).stdout
    (folder / '.venv').symlink_to(prefix.decode().strip())
    if QUICK:
        edit(folder / 'pipeline.yaml', 'seeds: [0, 1, 2]', 'seeds: [0]')


def dvc_study(folder):
    for path in [*(HERE / 'scripts').iterdir(), *(HERE / 'dvc').iterdir()]:
        if path.is_file():
            shutil.copy(path, folder)
    if QUICK:
        edit(folder / 'params.yaml', 'seeds: [0, 1, 2]', 'seeds: [0]')
    run(folder, ['git', 'init', '-q'])
    run(folder, [*DVC, 'init', '-q'])


def snakemake_study(folder):
    for path in [*(HERE / 'scripts').iterdir(), *(HERE / 'snakemake').iterdir()]:
        if path.is_file():
            shutil.copy(path, folder)
    if QUICK:
        edit(folder / 'Snakefile', 'SEEDS = [0, 1, 2]', 'SEEDS = [0]')


def edit(path, before, after):
    text = path.read_text()
    assert before in text, (path, before)
    path.write_text(text.replace(before, after))


TOOLS = {
    'pipeline': {
        'study': pipeline_study,
        'make': [*PIPELINE, 'make'],
        'described': ['pipeline.yaml'],
        'scripts': ['data.py', 'train.py', 'scores.py', 'summary.py'],
    },
    'dvc': {
        'study': dvc_study,
        'make': [*DVC, 'repro'],
        'described': ['dvc.yaml', 'params.yaml'],
        'scripts': ['data.py', 'train.py', 'scores.py', 'summary.py'],
    },
    'snakemake': {
        'study': snakemake_study,
        'make': SNAKEMAKE,
        'described': ['Snakefile'],
        'scripts': ['data.py', 'train.py', 'scores.py', 'summary.py'],
    },
}


def started(folder, log):
    """How many trainings a log tells of: each imports scikit-learn once, and says so by the mark of this measurement."""
    path = folder / log
    return path.read_text().split() if path.exists() else []


def kill_at_half(folder, make, total):
    """Kills the tool and all that it started by SIGKILL when half of the trainings have ended. Gives what is left to say."""
    process = subprocess.Popen(
        make, cwd=folder, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    marks = Path(ENV['MARKS'])
    while process.poll() is None and len(marks.read_text().split()) <= total // 2:
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def measure(name, tool):
    with tempfile.TemporaryDirectory(prefix=f'beside-{name}-') as scratch:
        folder = Path(scratch)
        tool['study'](folder)
        # Each start of a training leaves a mark, whatever tool began it.
        marks = Path(scratch + '.marks')
        marks.write_text('')
        ENV['MARKS'] = str(marks)
        edit(folder / 'train.py', 'import json\n', f'import json\nopen({str(marks)!r}, "a").write("x ")\n')
        told = {'tool': name, 'description': lines([folder / one for one in tool['described']])}
        told['scripts'] = lines([folder / one for one in tool['scripts']]) - 1

        def step(what, words=tool['make']):
            marks.write_text('')
            ended = run(folder, words)
            trained = len(marks.read_text().split())
            tail = ended['said'].strip().splitlines()[-4:]
            print(json.dumps({'tool': name, 'step': what, **ended, 'said': tail, 'trained': trained}), flush=True)
            return ended

        print(json.dumps(told), flush=True)
        step('from nothing')
        total = 4 if QUICK else 12
        step('no-op')
        edit(folder / 'scores.py', 'from sklearn', '# A comment.\nfrom sklearn')
        step('comment in a helper')
        edit(folder / 'scores.py', "'accuracy': accuracy_score(y, model.predict(x))", "'accuracy': float(accuracy_score(y, model.predict(x)))")
        edit(folder / 'train.py', 'range(state', 'range(0 + state')
        marks.write_text('')
        kill_at_half(folder, tool['make'], total)
        step('after kill -9')
        if name == 'snakemake':
            step('after --unlock', [*tool['make'], '--unlock'])
            step('after --unlock, again', [*tool['make'], '--rerun-incomplete'])
        marks.unlink()


LARGE = f"""
import sys
block = bytes(range(256)) * 4096
with open(sys.argv[1], 'wb') as file:
    for n in range({GIBS} * 1024):
        file.write(n.to_bytes(8, 'big') + block[8:])
"""
READ = """
import sys
with open(sys.argv[1], 'rb') as file, open(sys.argv[2], 'w') as out:
    out.write(str(sum(len(block) for block in iter(lambda: file.read(1 << 20), b''))))
"""
LARGE_STUDIES = {
    'pipeline': {
        'pipeline.yaml': """stages:
  large: { command: [python, large.py, "{outputs.x}"], inputs: { s: { file: large.py } }, outputs: { x: x.bin } }
  size: { command: [python, read.py, "{inputs.x}", "{outputs.n}"], inputs: { s: { file: read.py }, x: large.x }, outputs: { n: n.txt } }
"""
    },
    'dvc': {
        'dvc.yaml': """stages:
  large: { cmd: python large.py x.bin, deps: [large.py], outs: [x.bin] }
  size: { cmd: python read.py x.bin n.txt, deps: [read.py, x.bin], outs: [n.txt] }
"""
    },
    'snakemake': {
        'Snakefile': """rule size:
    input: "read.py", "x.bin"
    output: "n.txt"
    shell: "python {input} {output}"
rule large:
    input: "large.py"
    output: "x.bin"
    shell: "python {input} {output}"
"""
    },
}


def measure_large(name, tool):
    """An output of 3 GiB and a task that reads it: CPU seconds, memory of the largest process, disk."""
    with tempfile.TemporaryDirectory(prefix=f'beside-{name}-') as scratch:
        folder = Path(scratch)
        for path, text in {**LARGE_STUDIES[name], 'large.py': LARGE, 'read.py': READ}.items():
            (folder / path).write_text(text)
        if name == 'dvc':
            run(folder, ['git', 'init', '-q'])
            run(folder, [*DVC, 'init', '-q'])
        made = run(folder, tool['make'])
        megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        disk = int(subprocess.run(['du', '-s', '-B1M', folder], stdout=subprocess.PIPE, check=True).stdout.split()[0])
        again = run(folder, tool['make'])
        tail = made['said'].strip().splitlines()[-4:]
        told = {'tool': name, 'step': f'{GIBS} GiB', **made, 'said': tail, 'megabytes': round(megabytes), 'disk': disk}
        print(json.dumps({**told, 'again': again['seconds']}), flush=True)


def main():
    chosen = [word for word in sys.argv[1:] if word in TOOLS] or list(TOOLS)
    for name in chosen:
        (measure_large if '--large' in sys.argv else measure)(name, TOOLS[name])


if __name__ == '__main__':
    main()
