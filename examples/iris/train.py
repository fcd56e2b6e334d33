"""Trains one classifier on labels of which some are wrong, and tests it on labels that are right."""
import json
import random

from classifiers import Logistic, Neighbours

with open("params.json") as file:
    params = json.load(file)
with open("split.json") as file:
    split = json.load(file)

generator = random.Random(1000 + params["seed"])
species = sorted({flower["species"] for flower in split["train"]})
for flower in split["train"]:
    if generator.random() < params["noise"]:
        others = [name for name in species if name != flower["species"]]
        flower["species"] = others[generator.randrange(len(others))]

model = params["model"]
if model["kind"] == "neighbours":
    classifier = Neighbours(model["k"])
else:
    classifier = Logistic(model["epochs"], model["rate"])
losses = classifier.fit(split["train"])
right = [classifier.predict(f["measures"]) == f["species"] for f in split["test"]]
accuracy = sum(right) / len(right)

with open("metrics.json", "w") as file:
    json.dump({"accuracy": accuracy, "loss": losses}, file)
print(f"accuracy {accuracy:.3f}")
