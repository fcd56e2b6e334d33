"""python data.py SEED TEST FILE: the handwritten digits that come with scikit-learn, split by a seed."""
import sys

import numpy as np
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

seed, test, file = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
x, y = load_digits(return_X_y=True)
parts = train_test_split(x / 16, y, test_size=test, random_state=seed, stratify=y)
names = ['train.x', 'test.x', 'train.y', 'test.y']
save_file({name: np.ascontiguousarray(part) for name, part in zip(names, parts)}, file)
