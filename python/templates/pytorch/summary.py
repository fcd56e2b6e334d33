"""Test accuracy by width and learning rate: a table for people, and one for programs."""
import csv
import statistics

from pipeline_study import inputs, outputs

cells = {}
for run in inputs.list('runs'):
    cell = (int(run.at['width']), float(run.at['rate']))
    cells.setdefault(cell, []).append(run.json()['accuracy'])

rows = [
    (*cell, statistics.mean(seen), statistics.stdev(seen) if len(seen) > 1 else 0, len(seen))
    for cell, seen in sorted(cells.items())
]
with open(outputs['table'], 'w') as file:
    print('| width | learning rate | test accuracy | SD | seeds |', file=file)
    print('| ---: | ---: | ---: | ---: | ---: |', file=file)
    for width, rate, mean, sd, n in rows:
        print(f'| {width} | {rate} | {mean:.3f} | {sd:.3f} | {n} |', file=file)
with open(outputs['csv'], 'w', newline='') as file:
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['width', 'rate', 'accuracy', 'sd', 'seeds'])
    writer.writerows(rows)
