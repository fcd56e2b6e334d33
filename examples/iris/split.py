"""Splits the flowers into training and test sets, with equal shares of each species."""
import csv
import json
import random
from collections import defaultdict

with open("params.json") as file:
    params = json.load(file)

by_species = defaultdict(list)
with open("iris.csv") as file:
    for row in csv.DictReader(file):
        species = row.pop("species")
        by_species[species].append({"species": species, "measures": [float(v) for v in row.values()]})

generator = random.Random(params["seed"])
train, test = [], []
for flowers in by_species.values():
    generator.shuffle(flowers)
    held_out = round(params["test"] * len(flowers))
    test += flowers[:held_out]
    train += flowers[held_out:]

with open("split.json", "w") as file:
    json.dump({"train": train, "test": test}, file)
print(f"{len(train)} to train, {len(test)} to test")
