"""What is said of measured rounding: the best peer, what is luck and what is not, which rows there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks import rounding_measured as measuring
from benchmarks.kernels.cases import CASES
from benchmarks.rounding_page import ALL, OURS, above, page, ratios, spoken
from codegen.bench.plain import reference
from codegen.bench.task import Task
from derive.layers.conv import Conv2d

pytest.importorskip("torch")
Array = np.ndarray[Any, Any]
TASK = Task(Conv2d(8, 8, 3, padding=1, bias=False), (1, 8, 10, 10))
DRAWS = 4


def row(**errors: list[float]) -> dict[str, Any]:
    """A row of one kind with the same largest and root mean square errors."""
    return {
        "schedule": ["X tile: 1"],
        "errors": {"normal": {n: [(e, e) for e in v] for n, v in errors.items()}},
    }


def test_the_best_peer_is_the_one_that_errs_least() -> None:
    found = ratios(row(backflip=[3.0, 3.0], torch=[4.0, 4.0], onnxruntime=[2.0, 2.0]))
    assert (found[ALL, "rms"].peer, round(found[ALL, "rms"].value, 9)) == ("onnxruntime", 1.5)


def test_luck_is_not_above_and_more_than_luck_is() -> None:
    torch = [1.0, 1.1, 0.9, 1.0]
    assert not above(row(backflip=[1.1, 1.0, 1.0, 0.95], torch=torch))
    assert not above(row(backflip=torch, torch=torch))
    assert above(row(backflip=[1.5, 1.6, 1.4, 1.5], torch=torch))
    assert above(row(backflip=[1.01 * e for e in torch], torch=torch))


def test_the_page_names_rows_that_are_above() -> None:
    rows = {"a | forward | float32": row(backflip=[1.0, 1.0], torch=[1.0, 1.0])}
    data = {"versions": {"torch": "2"}, "rows": rows}
    assert "0 of 1 rows are above" in page(data) and "**" not in page(data)
    rows["b | forward | float32"] = row(backflip=[2.0, 2.0], torch=[1.0, 1.0])
    assert "1 of 2 rows are above" in page(data) and "b, forward, float32" in page(data)
    assert "**2.00** **2.00**" in page(data) and "rms **2.00**" in "\n".join(
        spoken("b", rows["b | forward | float32"])
    )


class Planted:
    """In a kernel's place: what is right, with an error."""

    def __init__(self, error: Callable[[Array], Array]) -> None:
        self.error = error

    def forward(self, x: Array, weight: Array, out: Array) -> Array:
        (exact,) = reference(TASK, {"input": x, "weight": weight})
        out[...] = self.error(exact)
        return out


def noisy(exact: Array) -> Array:
    size = 1e-6 * np.sqrt((exact**2).mean())
    return exact + size * np.random.default_rng(1).standard_normal(exact.shape)


@pytest.mark.parametrize(
    ("error", "told"), [(lambda exact: exact, False), (noisy, True)], ids=["rounded", "noisy"]
)
def test_a_kernel_is_above_where_it_errs_more_than_its_peers(error: Any, told: bool) -> None:
    errors = measuring.measured(TASK, Planted(error), DRAWS, "torch,channels_last")
    assert set(errors) == set(measuring.KINDS)
    assert {OURS, "torch", "torch channels_last"} == set(errors["normal"])
    assert above({"schedule": [""], "errors": errors}) is told


def test_every_convolution_and_linear_layer_has_all_its_passes() -> None:
    found = [measuring.named(case, task.operation) for case, task in measuring.tasks()]
    layers = [
        c for c in CASES if c.layer.startswith(("Conv", "Linear")) and c.kind not in ("overhead", "denormal")
    ]
    assert len(found) == len(set(found)) == 3 * len(layers)
    assert list(measuring.tasks(["conv3d", "weight"])) != []


def test_kinds_of_data_differ() -> None:
    given = {kind: measuring.operands(TASK, kind, 0) for kind in measuring.KINDS}
    assert (given["ReLU-like"]["input"] == 0).mean() > 0.3 and (given["ReLU-like"]["weight"] < 0).any()
    assert all((values >= 0).all() for values in given["all-positive"].values())
    heavy, normal = (abs(given[kind]["input"]).max() for kind in ("heavy-tailed", "normal"))
    assert heavy > normal
    again = measuring.operands(TASK, "normal", 0)
    assert all((again[n] == values).all() for n, values in given["normal"].items())
    assert (measuring.operands(TASK, "normal", 1)["input"] != again["input"]).any()
