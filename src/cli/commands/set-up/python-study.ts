// python-study.ts — the files of `pipeline init --python`: a study in Python that needs its standard library alone

/** By path. */
export const PYTHON_STUDY: { readonly [path: string]: string } = {
  'pipeline.yaml': `# yaml-language-server: $schema=./pipeline.schema.json
# How many hidden neurons does it take to part two moons? Change something and run 'pipeline make' again: only what
# depends on it runs. README.md says what to try.
params:
  points: 400
  noise: 0.2
  hidden: [2, 8]
  rates: [0.1, 0.5]
  seeds: [0, 1, 2]
  epochs: 30

presets:                            # pipeline make --preset quick
  quick: { epochs: 5, seeds: [0] }

stages:
  data:                             # a task for each seed: data[0], data[1], data[2]
    command: [python3, data.py]
    matrix: { seed: $seeds }
    inputs: { script: { file: data.py } }
    params: { seed: $seed, points: $points, noise: $noise }
    fingerprint: [python3, --version]
    outputs: { points: points.json }

  train:                            # a task for each point of the matrix: train[2,0.1,0], …
    command: [python3, train.py]
    matrix: { hidden: $hidden, rate: $rates, seed: $seeds }
    inputs: { script: { file: train.py }, points: data.points }
    params: { hidden: $hidden, rate: $rate, seed: $seed, epochs: $epochs }
    fingerprint: [python3, --version]
    checkpoint: { grace: 10s }      # $PIPELINE_CHECKPOINT: a folder that survives Ctrl-C and kill -9
    events: true                    # $PIPELINE_EVENTS: progress and metrics, seen live
    outputs:
      model: model.json
      metrics: metrics.json
      curve: { kind: metrics-log }  # the metrics that were reported, step by step

  summary:                          # has no axes: it gets the metrics of all runs, in order
    command: [python3, summary.py]
    inputs: { script: { file: summary.py }, runs: train.metrics }
    fingerprint: [python3, --version]
    outputs: { table: table.md, csv: table.csv }
    artifacts: { table: table.md, csv: table.csv }

plots:                              # pipeline plot draws them
  curves: { stage: "train:curve", y: loss, color: rate, facet: hidden, band: seed }
  accuracy: { stage: "train:metrics", x: hidden, y: accuracy, color: rate, band: seed }
`,
  'data.py': `"""Two moons that interlock: points of two classes, drawn from a seed."""
import json
import math
import random

params = json.load(open('params.json'))
rng = random.Random(params['seed'])


def moon(label, n):
    for _ in range(n):
        angle = math.pi * rng.random()
        x, y = math.cos(angle), math.sin(angle)
        if label:
            x, y = 1 - x, 0.5 - y
        noise = params['noise']
        yield [round(x + rng.gauss(0, noise), 6), round(y + rng.gauss(0, noise), 6), label]


half = params['points'] // 2
points = [*moon(0, half), *moon(1, half)]
rng.shuffle(points)
cut = len(points) * 3 // 4
json.dump({'train': points[:cut], 'test': points[cut:]}, open('points.json', 'w'))
`,
  'train.py': `"""A network of one hidden layer, trained by stochastic gradient descent. It goes on where it was interrupted."""
import json
import math
import os
import random

params = json.load(open('params.json'))
points = json.load(open('points.json'))
saved = os.path.join(os.environ['PIPELINE_CHECKPOINT'], 'state.json')
events = open(os.environ['PIPELINE_EVENTS'], 'a')


def report(**event):
    """Tells the pipeline how far we are. Any language can: it is a line of JSON."""
    print(json.dumps(event), file=events, flush=True)


def begin():
    rng = random.Random(params['seed'])
    return {
        'epoch': 0,
        'inner': [[rng.gauss(0, 1) for _ in range(3)] for _ in range(params['hidden'])],
        'outer': [rng.gauss(0, 1) for _ in range(params['hidden'] + 1)],
    }


def save(state):
    """Never leaves half a checkpoint: written beside, then renamed."""
    with open(saved + '.new', 'w') as file:
        json.dump(state, file)
    os.replace(saved + '.new', saved)


def forward(state, x, y):
    hidden = [math.tanh(a * x + b * y + c) for a, b, c in state['inner']]
    z = sum(w * h for w, h in zip(state['outer'], hidden)) + state['outer'][-1]
    return hidden, 1 / (1 + math.exp(-max(-30.0, min(30.0, z))))


def step(state, x, y, label):
    """One update; gives the loss before it."""
    hidden, p = forward(state, x, y)
    error, rate, outer = p - label, params['rate'], state['outer']
    for h, (neuron, value) in enumerate(zip(state['inner'], hidden)):
        back = error * outer[h] * (1 - value * value)
        for i, given in enumerate((x, y, 1)):
            neuron[i] -= rate * back * given
        outer[h] -= rate * error * value
    outer[-1] -= rate * error
    return -math.log(max(1e-12, p if label else 1 - p))


def accuracy(state, part):
    right = sum((forward(state, x, y)[1] > 0.5) == bool(label) for x, y, label in points[part])
    return right / len(points[part])


state = json.load(open(saved)) if os.path.exists(saved) else begin()
if state['epoch'] > 0:
    print('goes on after epoch', state['epoch'])
while state['epoch'] < params['epochs']:
    epoch = state['epoch'] + 1
    # The order depends on seed and epoch alone: an interrupted run ends where any other does.
    order = random.Random(params['seed'] * 1000 + epoch).sample(points['train'], len(points['train']))
    loss = sum(step(state, *point) for point in order) / len(order)
    state['epoch'] = epoch
    report(progress=[epoch, params['epochs']], note='loss %.3f' % loss)
    report(step=epoch, metrics={'loss': loss, 'accuracy': accuracy(state, 'test')})
    save(state)

json.dump({'inner': state['inner'], 'outer': state['outer']}, open('model.json', 'w'))
json.dump({part: accuracy(state, part) for part in ('train', 'test')} | {'accuracy': accuracy(state, 'test')},
          open('metrics.json', 'w'))
`,
  'summary.py': String.raw`"""Test accuracy by network and learning rate: a table for people, and one for programs."""
import csv
import json
import statistics

cells = {}
for item in json.load(open('runs/index.json')):
    at = item['at']
    accuracy = json.load(open('runs/' + item['file']))['accuracy']
    cells.setdefault((int(at['hidden']), float(at['rate'])), []).append(accuracy)

rows = [(hidden, rate, statistics.mean(seen), statistics.stdev(seen) if len(seen) > 1 else 0, len(seen))
        for (hidden, rate), seen in sorted(cells.items())]
with open('table.md', 'w') as file:
    print('| hidden neurons | learning rate | test accuracy | SD | seeds |', file=file)
    print('| ---: | ---: | ---: | ---: | ---: |', file=file)
    for hidden, rate, mean, sd, n in rows:
        print(f'| {hidden} | {rate} | {mean:.3f} | {sd:.3f} | {n} |', file=file)
with open('table.csv', 'w', newline='') as file:
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['hidden', 'rate', 'accuracy', 'sd', 'seeds'])
    writer.writerows(rows)
`,
  'README.md': `# A study in Python

It needs Python 3.9 or later, and no packages.

~~~sh
pipeline make                       # runs everything; the result is artifacts/summary/table.md
pipeline make                       # nothing to do
pipeline metrics train:metrics --group-by hidden,rate --columns accuracy
pipeline plot                       # draws the plots of pipeline.yaml
pipeline make --set epochs=60       # runs what depends on it; --dry-run shows it first
pipeline why train/8/0.5/0          # why it would run, or who made it
pipeline shell train/8/0.5/0        # a shell with the inputs of one task; --run, --with 'python3 -m pdb'
~~~

Press Ctrl-C during training, or kill it, and run make again: each training continues after its last epoch, with the same result.
pipeline.yaml describes what is computed. Scripts are inputs: if you edit train.py, only training and what
depends on it run. Editors use pipeline.schema.json to complete pipeline.yaml; "pipeline schema > pipeline.schema.json" updates it.

To use packages, create an environment and name its Python in pipeline.yaml:

~~~sh
uv venv && uv pip install numpy     # or: python3 -m venv .venv && .venv/bin/pip install numpy
~~~
`,
  '.gitignore': `.venv/
__pycache__/
cache/
artifacts/
plots/
`,
};
