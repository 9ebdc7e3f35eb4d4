"""Rows of many classes: text for every instruction set passes the gate, and one kernel is built whole."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest

from codegen import build
from codegen.call import Kernel
from codegen.compile import ISAS
from codegen.errors import BuildError
from codegen.facts import facts_of
from codegen.lexical import gate
from codegen.permitted import check_permitted
from codegen.produce import Request, module_source
from derive.layers.base import Layer
from derive.spelling import parse_layer

SHAPE = (3, 1003)
"""Many vectors a row and a remainder, whatever the vectors' length."""
LAYERS = ("CrossEntropyLoss()", "Softmax(1)")
CASES = [(text, isa) for text in LAYERS for isa in ISAS]


def layer_of(text: str) -> Layer:
    layer = parse_layer(text).told(SHAPE)
    assert isinstance(layer, Layer)
    return layer


@cache
def written(text: str, isa: str) -> tuple[str, dict[str, Any]]:
    """What is generated, forward and gradient."""
    asked = Request(layer_of(text), SHAPE, "float32", ("output", "input"), "fast", ISAS[isa])
    source, known, _ = module_source(asked)
    return source, known


def judged(text: str, source: str, known: dict[str, Any]) -> None:
    """Raises BuildError where the gate refuses the text."""
    layer = layer_of(text)
    tables = {*layer.tables(SHAPE), *(n for own in known["constants"].values() for n in own)}
    gate(source)
    check_permitted(source, known["equations"], [], facts_of(layer, SHAPE), known["operand_order"], tables)


@pytest.mark.parametrize(("text", "isa"), CASES)
def test_long_rows_pass_the_gate(text: str, isa: str) -> None:
    """The largest entry of a row is found in vectors, in forward pass and gradient."""
    source, known = written(text, isa)
    judged(text, source, known)
    lanes = ISAS[isa].lanes("float32")
    assert source.count(f"# ROWS: vectors of {lanes} along e_1") >= 2 * len(known["equations"])
    assert SHAPE[1] % lanes and SHAPE[1] >= 2 * lanes


@pytest.mark.parametrize(("text", "isa"), CASES)
def test_a_number_among_the_entries_of_a_row_is_refused(text: str, isa: str) -> None:
    source, known = written(text, isa)
    compared = list(re.finditer(r"( *)v_flag = v_larger\(v_taken, \w+, (\w+)\)\n", source))
    assert len(compared) >= 2
    for found in (compared[0], compared[-1]):
        number = f"{found[1]}{found[2]} = v_rational(12345, 2)\n"
        with pytest.raises(BuildError, match="codes compared with codes"):
            judged(text, source[: found.start()] + number + source[found.start() :], known)


def test_a_kernel_of_long_rows_is_built() -> None:
    kernel = build(layer_of("CrossEntropyLoss()"), SHAPE, tune=False)
    assert isinstance(kernel, Kernel)
    checks = json.loads(kernel.proof)["validation"]["checks"]
    assert {"output", "grad_input"} <= {c["kernel"] for c in checks}
