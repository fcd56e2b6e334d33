"""SciPy's side of the training bench: answers requests on stdin, one line of JSON each.

Not a training step: only its matrix products, over CSR matrices of the same shapes and batch. For
each layer Y = W X and, but for the first, dX = W^T dY; then the weight gradient at the connections
that exist, for which SciPy has no product: either the whole dY X^T, of which these are picked, or the rows
of dY and X that each one needs, gathered and multiplied, whichever is faster. The output layer is
dense. One thread, float32.
"""
import json
import sys
import time

import numpy as np
import scipy
import scipy.sparse

WIDTHS = [784, 512, 256, 10]
BATCH = 128


def least_time(call):
    def once():
        start = time.process_time()
        call()
        return time.process_time() - start

    return min(once() for _ in range(3))


class Layer:
    def __init__(self, inputs, outputs, sparsity, random):
        mask = random.random((outputs, inputs)) >= sparsity
        weights = random.standard_normal((outputs, inputs)).astype(np.float32) * mask
        self.dense = sparsity == 0
        self.w = weights if self.dense else scipy.sparse.csr_matrix(weights)
        self.wt = weights.T if self.dense else self.w.T.tocsr()
        self.o, self.i = np.nonzero(mask)
        self.x = random.standard_normal((inputs, BATCH)).astype(np.float32)
        self.dy = random.standard_normal((outputs, BATCH)).astype(np.float32)
        self.weight_gradient = min((self.picked, self.gathered), key=least_time)

    def picked(self):
        return (self.dy @ self.x.T)[self.o, self.i]

    def gathered(self):
        return np.einsum("kb,kb->k", self.dy[self.o], self.x[self.i])

    def products(self, is_first):
        y = self.w @ self.x
        dx = None if is_first else self.wt @ self.dy
        if self.dense:
            return y, dx, self.dy @ self.x.T
        return y, dx, self.weight_gradient()


def time_steps(layers, steps):
    seconds = []
    for _ in range(steps):
        start = time.process_time()
        for l, layer in enumerate(layers):
            layer.products(l == 0)
        seconds.append(time.process_time() - start)
    return seconds


def main():
    nets = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["ask"] == "version":
            reply = {"name": f"SciPy {scipy.__version__}"}
        else:
            sparsity = request["arm"]["sparsity"]
            if sparsity not in nets:
                random = np.random.default_rng(0)
                shapes = list(zip(WIDTHS[:-1], WIDTHS[1:]))
                nets[sparsity] = [Layer(*s, sparsity, random) for s in shapes[:-1]]
                nets[sparsity].append(Layer(*shapes[-1], 0, random))
                time_steps(nets[sparsity], 3)
            reply = time_steps(nets[sparsity], request["steps"])
        print(json.dumps(reply), flush=True)


main()
