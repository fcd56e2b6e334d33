"""python table.py FILE… TABLE: the losses by learning rate."""
import json
import sys

rows = []
for name in sys.argv[1:-1]:
    with open(name) as text:
        rows.append(json.load(text))
with open(sys.argv[-1], 'w') as text:
    for row in sorted(rows, key=lambda row: row['rate']):
        print(f'{row["rate"]}\t{row["loss"]:.3e}', file=text)
