"""The loss of a quadratic: a helper of train.py."""


def loss(x):
    return x * x
