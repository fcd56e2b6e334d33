"""python summary.py FOLDER…: test accuracy by penalty and learning rate."""
import csv
import json
import os
import statistics
import sys

cells = {}
for folder in sorted(sys.argv[1:]):
    penalty, rate, _ = os.path.basename(folder).split('_')
    with open(os.path.join(folder, 'metrics.json')) as file:
        cells.setdefault((float(penalty), float(rate)), []).append(json.load(file)['accuracy'])

rows = [
    (*cell, statistics.mean(seen), statistics.stdev(seen) if len(seen) > 1 else 0, len(seen))
    for cell, seen in sorted(cells.items())
]
with open('table.md', 'w') as file:
    print('| penalty | learning rate | test accuracy | SD | seeds |', file=file)
    print('| ---: | ---: | ---: | ---: | ---: |', file=file)
    for penalty, rate, mean, sd, n in rows:
        print(f'| {penalty} | {rate} | {mean:.3f} | {sd:.3f} | {n} |', file=file)
with open('table.csv', 'w', newline='') as file:
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(['penalty', 'rate', 'accuracy', 'sd', 'seeds'])
    writer.writerows(rows)
