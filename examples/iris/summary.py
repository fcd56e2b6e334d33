"""Mean accuracy and SD over the seeds, by model and noise."""
import csv
import json
import statistics
from collections import defaultdict

runs = defaultdict(list)
with open("runs/index.json") as file:
    for item in json.load(file):
        with open(f"runs/{item['file']}") as run:
            runs[item["at"]["model"], item["at"]["noise"]].append(json.load(run)["accuracy"])

models = list(dict.fromkeys(model for model, _ in runs))
noises = list(dict.fromkeys(noise for _, noise in runs))
# A single seed has no deviation.
cells = {
    at: (statistics.mean(v), statistics.stdev(v) if len(v) > 1 else None, len(v))
    for at, v in runs.items()
}

with open("summary.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", "noise", "n", "mean", "sd"])
    for (model, noise), (mean, sd, n) in cells.items():
        writer.writerow([model, noise, n, round(mean, 4), "" if sd is None else round(sd, 4)])

with open("summary.md", "w") as file:
    file.write("# Accuracy on held-out flowers\n\n")
    file.write("Mean (SD) over seeds; columns: the share of wrong labels in training.\n\n")
    file.write(f"| model | {' | '.join(noises)} |\n| --- |{' --- |' * len(noises)}\n")
    for model in models:
        row = []
        for noise in noises:
            mean, sd, _ = cells[model, noise]
            row.append(f"{mean:.3f}" if sd is None else f"{mean:.3f} ({sd:.3f})")
        file.write(f"| {model} | {' | '.join(row)} |\n")
