"""Owns the museum's exhibits of dense layers, activations, normalisation and losses."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from derive.expr import Apply, Read, Sum
from derive.museum.edits import RIGHT, Place, both, dropped, exchanged, on, scaled, without
from derive.museum.exhibit import Exhibit, Sizes


def diagonal(place: Place) -> tuple[Sum, ...]:
    """p times the row's expectation of grad_output, as p times p times the own entry."""
    p, _ = place.term.factors
    assert isinstance(p, Read)
    g = Read(replace(p.tensor, name="grad_output"), p.index)
    return (replace(place.term, factors=(p, p, g)),)


def gated_by_gradient(place: Place) -> tuple[Sum, ...]:
    """relu'(grad_output) in place of relu'(input)."""
    g, slope = place.term.factors
    assert isinstance(g, Read) and isinstance(slope, Apply)
    return (replace(place.term, factors=(g, replace(slope, of=g))),)


def once_more(sizes: Sizes) -> Fraction:
    return Fraction(1, sizes["N_0"])


EXHIBITS = (
    Exhibit(
        "dense-weight-transposed",
        "weight transposed",
        "the weight is transposed in the backward pass as in the forward pass, which fits where it is square",
        "input",
        "Linear(2, 2)",
        (1, 2),
        on(RIGHT, exchanged("weight", 0, 1)),
        on("output", exchanged("weight", 0, 1)),
    ),
    Exhibit(
        "softmax-diagonal",
        "the diagonal of the Jacobian alone",
        "grad_output is multiplied by p (1 - p): what the sum over the classes adds is lost",
        "input",
        "Softmax(1)",
        (2, 3),
        on(RIGHT, diagonal, term=1),
        sources=("deeplearning4j/libnd4j#440",),
    ),
    Exhibit(
        "cross-entropy-p-minus-y",
        "p - y: the sum of the target taken for 1",
        "p - y needs a target that sums to 1: one weighted by class does not",
        "input",
        "CrossEntropyLoss(weighted=True, target=probabilities)",
        (2, 3),
        on(RIGHT, without("whole"), term=0),
        sources=("kvark/meganeura#102",),
    ),
    Exhibit(
        "batchnorm-statistics-constant",
        "mean and variance taken as constants",
        "the batch's mean and variance are treated as constants, although they depend on the input",
        "input",
        "BatchNorm1d(2, training=True)",
        (3, 2),
        both(on(RIGHT, dropped, term=2), on(RIGHT, dropped, term=1)),
        sources=("facebookresearch/CrypTen#143", "deeplearning4j/deeplearning4j#8379", "abhiskk/ladder#2"),
    ),
    Exhibit(
        "dropout-scale-forgotten",
        "the scale 1/(1 - p) forgotten",
        "the gradient is masked and not scaled",
        "input",
        "Dropout(0.25, training=True)",
        (1, 2),
        on(RIGHT, without("scale")),
        on("output", without("scale")),
    ),
    Exhibit(
        "relu-gates-gradient",
        "the sign of grad_output tested in place of the input's",
        "the gradient is cut off where it is negative itself",
        "input",
        "ReLU()",
        (2, 3),
        on(RIGHT, gated_by_gradient),
    ),
    Exhibit(
        "mse-batch-averaged-twice",
        "divided by the batch size once more",
        "the mean is taken in the loss and again in its gradient",
        "input",
        "MSELoss()",
        (2, 3),
        on(RIGHT, scaled(once_more)),
        sources=("felipecode/coiltraine#37", "d2l-ai/d2l-en#1000"),
    ),
)
