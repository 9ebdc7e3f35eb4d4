"""The gate on what schedules write for layers that select or end in a function: nothing sound is refused.

One text holds a forward pass and its gradients, which share a workspace; the rows have remainders for every
number of lanes. Nothing is compiled here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from codegen.artefact import Artefact
from codegen.call import asked_for
from codegen.compile import ISAS
from codegen.errors import BuildError
from codegen.fused import _Fused
from codegen.produce import Request, module_source
from codegen.validate import _lexical, products
from derive.spelling import parse_layer

WIDTH = 0
"""Stands for a number beside or at a multiple of the lanes of some vector."""
WIDTHS = (15, 16, 17, 31, 33)
KINDS = (("avx512", "float32"), ("avx2", "float32"), ("portable", "float64"), ("avx512", "float64"))
LAYERS = (
    ("MaxPool2d(3, stride=2, padding=1)", (1, 2, 7, WIDTH)),
    ("MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), ceil_mode=True)", (1, 2, 6, WIDTH)),
    ("MaxPool1d(3, stride=2, return_indices=True)", (2, 2, WIDTH)),
    ("MinPool2d(3, padding=1, stride=1)", (1, 1, 5, WIDTH)),
    ("AdaptiveMaxPool2d((2, 3))", (1, 2, 5, WIDTH)),
    ("MaxUnpool2d(2)", (1, 2, 3, WIDTH)),
    ("Softmax(-1)", (3, WIDTH)),
    ("Softmax(1)", (2, 3, WIDTH)),
    ("LogSoftmax(0)", (WIDTH, 3)),
    ("CrossEntropyLoss(weighted=True, label_smoothing=0.1)", (3, WIDTH)),
    ("CrossEntropyLoss(reduction='none')", (2, 4, WIDTH)),
    ("CrossEntropyLoss(target='probabilities')", (3, WIDTH)),
    ("NLLLoss(weighted=True)", (3, WIDTH)),
    ("LeakyReLU(0.2)", (3, WIDTH)),
    ("Hardtanh(-2.0, 0.5)", (3, WIDTH)),
    ("GELU()", (3, WIDTH)),
    ("BatchNorm1d(3, training=True)", (4, 3, WIDTH)),
    ("Conv2d(3, 5, 3, padding=1); ReLU()", (1, 3, 6, WIDTH)),
    ("Linear(9, 17); LeakyReLU(0.1)", (WIDTH, 9)),
)
JUDGED = re.compile(r"( *)\w+ = ([ev])_(?:larger|smaller|same|choose)\(.*\b(\w+)\)\n")


def written(text: str, shape: tuple[int, ...], kind: tuple[str, str], width: int) -> Artefact:
    """The kernels of a layer, perhaps with an activation behind it, as they come to be validated."""
    first, _, then = text.partition("; ")
    shape = tuple(width if n == WIDTH else n for n in shape)
    layer = parse_layer(first).told(shape)
    layer = _Fused(layer, parse_layer(then)) if then else layer
    isa, dtype = ISAS[kind[0]], kind[1]
    request = Request(layer, shape, dtype, asked_for(layer, shape), "fast", isa)
    source, known, _ = module_source(request)
    return Artefact(
        source, Path(), isa.lanes(dtype), dtype, load_variant=unloaded, layer=layer, shape=shape, **known
    )


def unloaded(_: object) -> None:
    raise AssertionError("nothing is compiled here")


def judge(made: Artefact) -> None:
    """The gate, as validation has it; what is compared and chosen from is not replaced by a number."""
    _lexical(made, products(made))
    judged = list(JUDGED.finditer(made.pyx_text))
    for found in {judged[0], judged[-1]} if judged else ():
        number = f"{found[1]}{found[3]} = {found[2]}_rational(12345, 2)\n"
        wrong = made.pyx_text[: found.start()] + number + made.pyx_text[found.start() :]
        with pytest.raises(BuildError, match="codes compared with codes"):
            _lexical(replace(made, pyx_text=wrong), products(made))


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[text for text, _ in LAYERS])
def test_what_schedules_write_is_not_refused(number: int) -> None:
    """Every layer at one width, for one instruction set and dtype."""
    kind, width = KINDS[number % len(KINDS)], WIDTHS[number % len(WIDTHS)]
    judge(written(*LAYERS[number], kind, width))


@pytest.mark.sweep
@pytest.mark.parametrize(("kind", "width"), list(product(KINDS, WIDTHS)), ids=str)
def test_no_text_is_refused(kind: tuple[str, str], width: int) -> None:
    for text, shape in LAYERS:
        judge(written(text, shape, kind, width))
