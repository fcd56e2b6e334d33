"""PyTorch's side of the training bench: answers requests on stdin, one line of JSON each.

One thread. The same net, data, batch size and optimiser as ours, and the whole step: batch
assembly, forward, loss, backward, update. Where a choice was open it is the one that is faster
here: samples lie in memory already normalised to float32.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)

WIDTHS = [784, 512, 256, 10]
BATCH = 128


class Masked(torch.nn.Linear):
    """weight * mask in the forward pass: autograd masks the gradient in turn."""

    def __init__(self, inputs, outputs, sparsity):
        super().__init__(inputs, outputs)
        self.register_buffer("mask", (torch.rand(outputs, inputs) >= sparsity).float())
        with torch.no_grad():
            self.weight *= self.mask

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class Net(torch.nn.Module):
    def __init__(self, sparsity):
        super().__init__()
        shapes = list(zip(WIDTHS[:-1], WIDTHS[1:]))
        hidden = torch.nn.Linear if sparsity == 0 else lambda i, o: Masked(i, o, sparsity)
        self.layers = torch.nn.ModuleList(
            [hidden(*shape) for shape in shapes[:-1]] + [torch.nn.Linear(*shapes[-1])]
        )

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def load(folder):
    samples = np.fromfile(f"{folder}/samples.u8", np.uint8).reshape(-1, WIDTHS[0])
    labels = np.fromfile(f"{folder}/labels.u8", np.uint8)
    with open(f"{folder}/scale.json") as file:
        scale = json.load(file)
    x = (torch.from_numpy(samples).float() / 255 - scale["mean"]) / scale["std"]
    return x, torch.from_numpy(labels).long()


def time_steps(run, x, y, steps):
    net, optimizer = run
    seconds = []
    order = torch.randperm(len(x))
    for step in range(steps):
        start = time.process_time()
        at = (step * BATCH) % (len(x) - BATCH + 1)
        chosen = order[at : at + BATCH]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[chosen]), y[chosen])
        loss.backward()
        optimizer.step()
        if not loss.item() < 100:
            raise ArithmeticError("training diverged")
        seconds.append(time.process_time() - start)
    return seconds


def main():
    runs = {}
    x = y = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["ask"] == "version":
            reply = {"name": f"PyTorch {torch.__version__}", "build": torch.__config__.show()}
        elif request["ask"] == "data":
            x, y = load(request["folder"])
            reply = {}
        else:
            sparsity = request["arm"]["sparsity"]
            if sparsity not in runs:
                net = Net(sparsity)
                runs[sparsity] = net, torch.optim.Adam(net.parameters(), lr=1e-3)
                time_steps(runs[sparsity], x, y, 5)
            reply = time_steps(runs[sparsity], x, y, request["steps"])
        print(json.dumps(reply), flush=True)


main()
