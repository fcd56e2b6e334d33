"""The handwritten digits that come with scikit-learn, split by a seed."""
import numpy as np
from pipeline_study import outputs, params
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

p = params(seed=0, test=0.25)
x, y = load_digits(return_X_y=True)
parts = train_test_split(x / 16, y, test_size=p.test, random_state=p.seed, stratify=y)
names = ['train.x', 'test.x', 'train.y', 'test.y']
save_file({name: np.ascontiguousarray(part) for name, part in zip(names, parts)}, outputs['digits'])
