"""Owns the comparison with PyTorch: the same weights, the same batches, the same rate, in float64."""

from __future__ import annotations

from dataclasses import fields
from itertools import islice
from typing import Any

import numpy as np

from derive.layers.base import Layer
from examples.digits.data import Array, Images, load, shuffled
from examples.digits.network import BATCH, LAYERS, Network, Told, initial
from examples.digits.train import RATE

CHECKED = 100
"""Steps that are compared."""


def batches(count: int, seed: int) -> list[Array]:
    """The batches of the first CHECKED steps of a training run with that seed."""
    rng = np.random.default_rng(seed)
    epochs = -(-CHECKED // (count // BATCH))
    return list(islice((p for _ in range(epochs) for p in shuffled(count, BATCH, rng)), CHECKED))


def torch_losses(weights: dict[str, Array], images: Images, places: list[Array], rate: float) -> Array:
    """The losses of torch.nn's layers of the same text under torch.optim.SGD, in float64."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network waits longer for other threads than they would save
    model = torch.nn.Sequential(*(_peer(torch.nn, layer) for layer in LAYERS)).to(torch.float64)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.from_numpy(weights[name]))
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    losses = []
    for p in places:
        optimiser.zero_grad()
        scores = model(torch.from_numpy(images.pictures[p]))
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(images.digits[p]))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    torch.set_num_threads(threads)
    return np.array(losses)


def largest_difference(seed: int, told: Told | None = None) -> float:
    """The largest relative difference of the losses of the first CHECKED steps."""
    images, _ = load("float64")
    network = Network("float64", initial(seed), told)
    places = batches(len(images), seed)
    ours = np.array([network.learn(images.pictures[p], images.digits[p], RATE) for p in places])
    theirs = torch_losses(initial(seed), images, places, RATE)
    return apart(ours, theirs)


def apart(ours: Array, theirs: Array) -> float:
    """The largest relative difference; NaN where an entry is."""
    return float(np.max(np.abs(ours - theirs) / np.abs(theirs)))


def _peer(modules: object, layer: Layer) -> Any:
    """torch.nn's module of the same name with the same arguments."""
    return getattr(modules, type(layer).__name__)(**{f.name: getattr(layer, f.name) for f in fields(layer)})
