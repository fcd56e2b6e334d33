"""Two classifiers in plain Python: k nearest neighbours and multinomial logistic regression."""
import math
from collections import Counter


class Neighbours:
    """The most frequent species among the k nearest flowers (Euclidean distance); ties go to the nearest."""

    def __init__(self, k):
        self.k = k

    def fit(self, flowers):
        self.flowers = flowers
        return []

    def predict(self, measures):
        nearest = sorted(self.flowers, key=lambda f: math.dist(f["measures"], measures))[: self.k]
        return Counter(flower["species"] for flower in nearest).most_common(1)[0][0]


class Logistic:
    """Softmax regression on standardised measures, by full-batch gradient descent."""

    def __init__(self, epochs, rate):
        self.epochs, self.rate = epochs, rate

    def fit(self, flowers):
        """Returns the mean cross-entropy (nats) after each epoch."""
        columns = list(zip(*(f["measures"] for f in flowers)))
        self.means = [sum(c) / len(c) for c in columns]
        self.scales = [
            math.sqrt(sum((v - m) ** 2 for v in c) / len(c)) or 1.0 for c, m in zip(columns, self.means)
        ]
        self.species = sorted({f["species"] for f in flowers})
        inputs = [self._standardised(f["measures"]) for f in flowers]
        self.weights = [[0.0] * len(inputs[0]) for _ in self.species]
        losses = []
        for _ in range(self.epochs):
            gradient = [[0.0] * len(inputs[0]) for _ in self.species]
            loss = 0.0
            for x, flower in zip(inputs, flowers):
                probabilities = self._probabilities(x)
                for c, name in enumerate(self.species):
                    error = probabilities[c] - (name == flower["species"])
                    if name == flower["species"]:
                        loss -= math.log(probabilities[c])
                    for i, value in enumerate(x):
                        gradient[c][i] += error * value
            for row, change in zip(self.weights, gradient):
                for i, value in enumerate(change):
                    row[i] -= self.rate * value / len(inputs)
            losses.append(loss / len(inputs))
        return losses

    def predict(self, measures):
        probabilities = self._probabilities(self._standardised(measures))
        return self.species[probabilities.index(max(probabilities))]

    def _standardised(self, measures):
        return [1.0] + [(v - m) / s for v, m, s in zip(measures, self.means, self.scales)]

    def _probabilities(self, x):
        scores = [sum(w * v for w, v in zip(row, x)) for row in self.weights]
        powers = [math.exp(score - max(scores)) for score in scores]
        return [power / sum(powers) for power in powers]
