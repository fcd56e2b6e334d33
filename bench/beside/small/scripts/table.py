"""python table.py FILE… TABLE: the losses by learning rate. FILE.list holds names of files, one per line."""
import json
import sys

names = sys.argv[1:-1]
if names[0].endswith('.list'):
    with open(names[0]) as text:
        names = text.read().splitlines()
rows = []
for name in names:
    with open(name) as text:
        rows.append(json.load(text))
with open(sys.argv[-1], 'w') as text:
    for row in sorted(rows, key=lambda row: row['rate']):
        print(f'{row["rate"]}\t{row["loss"]:.3e}', file=text)
