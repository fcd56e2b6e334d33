"""What people write today for static sparse training and RigL: PyTorch, weight × mask.

Answers requests on stdin, one line of JSON each: {"arm": "static" | "rigl", "seed": 3}. One thread.
The network, data, batch size, optimiser, epochs, per-layer connections (ERK) and RigL's rule are
those of the study's preset `mnist` (784-512-256-10, 90 % sparse, Adam 0.001, batch 128, 10 epochs,
fraction 0.3, every 100 batches until 75 %). Every epoch is evaluated on the test samples. Samples
lie in memory already normalised to float32, which is the fastest that PyTorch can be given them.
"""
import gzip
import json
import math
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
WIDTHS = [784, 512, 256, 10]
BATCH, EPOCHS, RATE, SPARSITY = 128, 10, 0.001, 0.9
FRACTION, EVERY, STOP = 0.3, 100, 0.75


def idx(path, header):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def load(folder):
    def part(name):
        x = idx(f"{folder}/{name}-images-idx3-ubyte.gz", 16).reshape(-1, WIDTHS[0])
        y = idx(f"{folder}/{name}-labels-idx1-ubyte.gz", 8)
        return torch.from_numpy(x.astype(np.float32) / 255), torch.from_numpy(y.astype(np.int64))

    (x, y), (test_x, test_y) = part("train"), part("t10k")
    mean, std = x.mean(), x.std()
    return (x - mean) / std, y, (test_x - mean) / std, test_y


def erk_counts():
    """Connections of each layer: Erdos-Renyi densities; a layer whose density would exceed 1 is dense."""
    shapes = list(zip(WIDTHS[:-1], WIDTHS[1:]))
    budget = (1 - SPARSITY) * sum(i * o for i, o in shapes)
    dense = {len(shapes) - 1}
    while True:
        free = [n for n in range(len(shapes)) if n not in dense]
        rest = budget - sum(shapes[n][0] * shapes[n][1] for n in dense)
        scale = rest / sum(sum(shapes[n]) for n in free)
        over = [n for n in free if scale * sum(shapes[n]) > shapes[n][0] * shapes[n][1]]
        if not over:
            return [
                i * o if n in dense else round(scale * (i + o)) for n, (i, o) in enumerate(shapes)
            ]
        dense.add(over[0])


class Masked(torch.nn.Module):
    def __init__(self, inputs, outputs, count):
        super().__init__()
        mask = torch.zeros(inputs * outputs)
        mask[torch.randperm(inputs * outputs)[:count]] = 1
        self.dense = count == inputs * outputs
        self.register_buffer("mask", mask.view(outputs, inputs))
        self.weight = torch.nn.Parameter(
            torch.randn(outputs, inputs) * math.sqrt(2 * outputs / count) * self.mask
        )
        self.bias = torch.nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        if self.dense:
            return F.linear(x, self.weight, self.bias)
        # Kept for RigL, which needs the gradient at positions without a connection, too.
        self.effective = self.weight * self.mask
        if self.wants_gradient:
            self.effective.retain_grad()
        return F.linear(x, self.effective, self.bias)

    wants_gradient = False


def rewire(layer, optimizer, fraction):
    """RigL: drops the weakest, grows where the dense gradient is greatest. Adam's moments begin at 0."""
    mask = layer.mask.view(-1)
    weight = layer.weight.data.view(-1)
    gradient = layer.effective.grad.view(-1)
    count = int(mask.sum().item())
    moved = int(count * fraction)
    if moved == 0:
        return
    strength = torch.where(mask > 0, weight.abs(), torch.full_like(weight, math.inf))
    dropped = torch.topk(strength, moved, largest=False).indices
    kept = mask.clone()
    kept[dropped] = 0
    score = torch.where(kept > 0, torch.full_like(weight, -1.0), gradient.abs())
    grown = torch.topk(score, moved).indices
    fresh = grown[mask[grown] == 0]
    mask.copy_(kept)
    mask[grown] = 1
    weight[fresh] = 0
    weight.mul_(mask)
    for name in ("exp_avg", "exp_avg_sq"):
        moments = optimizer.state[layer.weight][name].view(-1)
        moments[fresh] = 0
        moments.mul_(mask)


def train(arm, seed, data):
    x, y, test_x, test_y = data
    torch.manual_seed(seed)
    layers = [
        Masked(i, o, count) for i, o, count in zip(WIDTHS[:-1], WIDTHS[1:], erk_counts())
    ]

    def forward(batch):
        for layer in layers[:-1]:
            batch = F.relu(layer(batch))
        return layers[-1](batch)

    optimizer = torch.optim.Adam([p for layer in layers for p in layer.parameters()], lr=RATE)
    steps = math.ceil(len(x) / BATCH)
    end = STOP * EPOCHS * steps
    done = 0
    accuracies = []
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for at in range(0, len(x), BATCH):
            chosen = order[at : at + BATCH]
            done += 1
            update = arm == "rigl" and done % EVERY == 0 and done < end
            for layer in layers:
                layer.wants_gradient = update
            optimizer.zero_grad()
            F.cross_entropy(forward(x[chosen]), y[chosen]).backward()
            if not update:
                optimizer.step()
                continue
            fraction = FRACTION / 2 * (1 + math.cos(math.pi * done / end))
            for layer in layers:
                if not layer.dense:
                    rewire(layer, optimizer, fraction)
        with torch.no_grad():
            accuracies.append((forward(test_x).argmax(1) == test_y).double().mean().item() * 100)
    return accuracies


def main():
    data = load(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        accuracies = train(request["arm"], request["seed"], data)
        said = {"accuracy": accuracies[-1], "cpu": time.process_time(), "torch": torch.__version__}
        print(json.dumps(said), flush=True)


main()
