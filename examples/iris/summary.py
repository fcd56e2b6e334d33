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
cells = {at: (statistics.mean(v), statistics.stdev(v), len(v)) for at, v in runs.items()}

with open("summary.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["model", "noise", "n", "mean", "sd"])
    for (model, noise), (mean, sd, n) in cells.items():
        writer.writerow([model, noise, n, round(mean, 4), round(sd, 4)])

with open("summary.md", "w") as file:
    file.write("# Accuracy on held-out flowers\n\n")
    file.write("Mean (SD) over seeds; columns: the share of wrong labels in training.\n\n")
    file.write(f"| model | {' | '.join(noises)} |\n| --- |{' --- |' * len(noises)}\n")
    for model in models:
        row = [f"{cells[model, noise][0]:.3f} ({cells[model, noise][1]:.3f})" for noise in noises]
        file.write(f"| {model} | {' | '.join(row)} |\n")
