"""python train.py RATE DATA FILE: gradient descent on a quadratic."""
import json
import os
import sys

from loss import loss

rate, data, file = float(sys.argv[1]), sys.argv[2], sys.argv[3]
with open(data) as text:
    x = json.load(text)['start']
for _ in range(100):
    x -= rate * 2 * x
os.makedirs(os.path.dirname(file) or '.', exist_ok=True)
with open(file, 'w') as text:
    json.dump({'rate': rate, 'loss': loss(x)}, text)
