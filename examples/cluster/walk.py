"""A random walk in the plane: how far from its start does it end?"""
import json
import random

with open("params.json") as file:
    params = json.load(file)

generator = random.Random(params["seed"])
x = y = 0
for _ in range(params["steps"]):
    dx, dy = [(1, 0), (-1, 0), (0, 1), (0, -1)][int(generator.random() * 4)]
    x, y = x + dx, y + dy

with open("metrics.json", "w") as file:
    json.dump({"square": x * x + y * y}, file)
print(f"ends at {x}, {y}")
