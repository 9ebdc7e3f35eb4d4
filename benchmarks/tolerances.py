"""How many of the museum's bugs pass the usual tolerance tests, and how often these refuse what is right.

    python -m benchmarks.tolerances [-o FILE] [--only TEXT]

Each bug as a NumPy function in float32 (`derive/museum/functions*.py`) is compared with its right twin in
float32 on 30 draws of each kind of data, by the defaults of numpy.allclose, torch.allclose and
torch.testing.assert_close, and by a relative L2 distance below 1e-3. The right twin is compared in the same
way with itself in float64. Seeds are fixed; NumPy alone is needed.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import tolerances_planted as planted
from benchmarks.tolerances_cases import BLIND, MODERATE
from benchmarks.tolerances_page import Row, page
from derive.museum.functions import CASES, WRITTEN, Function
from derive.spelling import parse_layer
from derive.verify_call import subject
from derive.verify_results import results
from derive.verify_run import Case

Array = NDArray[Any]
Arrays = dict[str, Array]
KINDS = ("dense", "sparse", "mean-scaled")
DRAWS = 30
SETTINGS: Mapping[str, Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "moderate": MODERATE,
    "small": CASES,
    "blind": BLIND,
    "planted": planted.CASES,
}
"""Layers of some size, shapes of a unit test, shapes that hide bugs; bugs of compiled text."""
MEASURED = {**WRITTEN, **planted.PLANTED}


def close(rtol: float, atol: float) -> Callable[[Array, Array], bool]:
    """|got - right| <= atol + rtol |right| in float32, as PyTorch counts it."""

    def test(got: Array, right: Array) -> bool:
        allowed, off = np.float32(atol) + abs(np.float32(rtol) * right), abs(got - right)
        return bool(((got == right) | (np.isfinite(off) & (off <= allowed))).all())

    return test


def relative(got: Array, right: Array) -> bool:
    """||got - right|| < 1e-3 ||right||, in float64; nothing wrong passes where both are zero."""
    wide = right.astype(np.float64)
    off, size = (float(np.sqrt((a * a).sum())) for a in (got.astype(np.float64) - wide, wide))
    return off < 1e-3 * size or off == 0


TESTS: Mapping[str, Callable[[Array, Array], bool]] = {
    "numpy.allclose": lambda got, right: bool(np.allclose(got, right)),
    "torch.allclose": close(1e-5, 1e-8),
    "assert_close": close(1.3e-6, 1e-5),
    "relative L2": relative,
}


def drawn(case: Case, kind: str, draw: np.random.Generator, blind: bool) -> Arrays:
    """Float32 operands of one draw: standard normal, mostly zeros, or as after a mean loss."""
    found: Arrays = {}
    share = draw.uniform(0.01, 0.05)
    for name, shape in case.shapes.items():
        values = draw.standard_normal(shape)
        if name == "mask":
            values = draw.random(shape) >= 0.25
        elif name == "target" and type(case.layer).__name__ == "CrossEntropyLoss":
            values = portions(shape, kind, draw, blind)
        elif kind == "sparse" and name in ("input", "grad_output"):
            kept = draw.random(shape) < share
            values = kept * (abs(values) if name == "input" else values)
        elif kind == "mean-scaled" and name == "grad_output":
            values = values / max(1, prod(shape))
        elif kind == "mean-scaled" and name in ("weight", "bias"):
            values = values / np.sqrt(prod(case.shapes["weight"][1:]))
        found[name] = np.asarray(values, np.float32)
    return found


def portions(shape: Sequence[int], kind: str, draw: np.random.Generator, blind: bool) -> Array:
    """Targets of cross entropy: one class a row where blind, else any portions, or several classes a row."""
    if blind:
        return np.eye(shape[1])[draw.integers(0, shape[1], shape[0])]
    found: Array = draw.random(tuple(shape))
    return (found < 0.3) * 1.0 if kind == "sparse" else found


def ran(function: Function, case: Case, key: str, arrays: Arrays) -> Array:
    """The result of a key that a function gives."""
    tried = subject(function, case.layer, case.shape)
    returned = tried.run({name: array.copy() for name, array in arrays.items()}, case.numbers)
    return np.array(results(returned, case.wanted, tried.name)[MEASURED[key].result])


def pairs(key: str, setting: str, draws: int = DRAWS) -> Iterator[tuple[str, Array, Array, Array]]:
    """Kind of data, wrong and right result in float32, right result in float64, of every draw.

    A buffer that is kept is measured on the second call, as a training loop would meet it; where blind on the
    first, as a unit test would.
    """
    text, shape = SETTINGS[setting][key]
    blind, wrong, right = setting == "blind", MEASURED[key].wrong, MEASURED[key].right()
    case = Case.of(parse_layer(text), shape, subject(right, parse_layer(text), shape).kind)
    for number, kind in enumerate(KINDS):
        for n in range(draws):
            seed = [zlib.crc32(key.encode()), list(SETTINGS).index(setting), number, n]
            draw = np.random.default_rng(seed)
            arrays, function = drawn(case, kind, draw, blind), wrong()
            if MEASURED[key].bug == "kept" and not blind:
                ran(function, case, key, drawn(case, kind, draw, blind))
            wide = {name: array.astype(np.float64) for name, array in arrays.items()}
            yield (
                kind,
                ran(function, case, key, arrays),
                ran(right, case, key, arrays),
                ran(right, case, key, wide),
            )


def measured(key: str, setting: str, draws: int = DRAWS) -> Row:
    """One row of the table."""
    passed, loose, refused, equal = Counter[tuple[str, str]](), Counter[str](), Counter[str](), 0
    for kind, wrong, right, exact in pairs(key, setting, draws):
        assert wrong.dtype == right.dtype == np.float32, key
        alike = bool(np.array_equal(wrong, right))
        equal += alike
        for name, test in TESTS.items():
            passes = test(wrong, right)
            passed[name, kind] += passes
            loose[name] += passes and not alike
            refused[name] += not test(right, exact.astype(np.float32))
    return Row(
        key,
        f"{SETTINGS[setting][key][0]} at {','.join(map(str, SETTINGS[setting][key][1]))}",
        {name: tuple(passed[name, kind] for kind in KINDS) for name in TESTS},
        {name: loose[name] for name in TESTS},
        {name: refused[name] for name in TESTS},
        equal,
        draws * len(KINDS),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="also write the page there")
    parser.add_argument("--only", default="", help="keys that hold this")
    options = parser.parse_args(arguments)
    found: dict[str, list[Row]] = {setting: [] for setting in SETTINGS}
    for key in (key for key in MEASURED if options.only in key):
        for setting in (setting for setting, cases in SETTINGS.items() if key in cases):
            found[setting].append(measured(key, setting))
        print(key, file=sys.stderr, flush=True)
    text = page(found, KINDS)
    print(text, end="")
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
