"""The mean square of the distance over the seeds, by number of steps: it should be near that number."""
import json
import statistics
from collections import defaultdict

squares = defaultdict(list)
with open("walks/index.json") as file:
    for item in json.load(file):
        with open(f"walks/{item['file']}") as walk:
            squares[item["at"]["steps"]].append(json.load(walk)["square"])

with open("summary.md", "w") as file:
    file.write("| steps | walks | mean square of the distance |\n| --- | --- | --- |\n")
    for steps, found in squares.items():
        file.write(f"| {steps} | {len(found)} | {statistics.mean(found):.1f} |\n")
