"""Owns the loop: epochs of shuffled batches, what was measured on the way, and what the network reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from examples.digits.data import Array, Images, in_order, shuffled
from examples.digits.network import BATCH, Network, Told

RATE = 0.2
EPOCHS = 30


@dataclass
class History:
    """What a run measured.

    Attributes:
        losses: the loss of each step, before the step.
        training, test: after each epoch the share of images read right.
        steps: in one epoch.
    """

    steps: int
    losses: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)


def train(
    network: Network,
    training: Images,
    test: Images,
    *,
    epochs: int = EPOCHS,
    rate: float = RATE,
    seed: int = 0,
    told: Told | None = None,
) -> History:
    """Stochastic gradient descent at a fixed rate; `seed` orders the batches; nothing is chosen by `test`.

    Raises FloatingPointError where the loss is no longer finite at the end of an epoch.
    """
    rng = np.random.default_rng(seed)
    history = History(len(training) // BATCH)
    for epoch in range(epochs):
        for places in shuffled(len(training), BATCH, rng):
            loss = network.learn(training.pictures[places], training.digits[places], rate)
            history.losses.append(loss)
            if told is not None:
                told("training", len(history.losses), epochs * history.steps)
        for images, shares in ((training, history.training), (test, history.test)):
            right = answers(network, images).argmax(1) == images.digits
            shares.append(float(right.mean()))
        if not np.isfinite(history.losses[-1]):
            raise FloatingPointError(f"the loss is {history.losses[-1]} after epoch {epoch + 1}")
    return history


def answers(network: Network, images: Images) -> Array:
    """How likely each digit is, for each image: (count, 10)."""
    found = [network.probabilities(images.pictures[p]) for p in in_order(len(images), BATCH)]
    return np.concatenate(found)[: len(images)]
