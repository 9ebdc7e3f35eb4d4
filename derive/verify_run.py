"""Owns one run of a user's backward pass at one shape: the operands, the truth, and the comparison.

The truth is the definition's own gradient (the left side of the claim that was proved), as monomials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import BackflipError, LayerError
from derive.exhaust_plan import plan
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.program import side_pairs
from derive.verify_bugs import named_bugs
from derive.verify_call import Arrays, Subject, results
from derive.verify_poly import Poly

OPERANDS = {"input": ("grad_output", "weight"), "weight": ("grad_output", "input"), "bias": ("grad_output",)}


USER_FAULTS = (Exception, SystemExit)
"""What somebody else's code may raise while it runs: anything of its own, sys.exit() too."""


@dataclass(frozen=True)
class Case:
    """A layer at a shape, with what is needed to run a backward pass on it."""

    layer: Layer
    shape: tuple[int, ...]

    @staticmethod
    def of(layer: Layer, shape: tuple[int, ...]) -> Case:
        if layer.array_program("input", shape) is None:
            raise LayerError("no backward pass to compare with", where=repr(layer), expected="a convolution")
        return Case(layer, shape)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        found = {o.name: o.shape for o in self.layer.operands(self.shape) if o.name != "output"}
        return {"grad_output": found.pop("grad_output"), **found}

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for key in OPERANDS if key in self.shapes)

    @cached_property
    def truth(self) -> dict[str, NDArray[np.int64]]:
        """For each gradient the rows (entry, addresses of the factors) of all its monomials."""
        claims, sizes = self.layer.claims(**self.layer.choices(self.shape)), self.layer.sizes(self.shape)
        plans = {key: plan(claim_at(claims[key], sizes)) for key in self.keys}
        return {key: side_pairs(work, work.left, OPERANDS[key], None) for key, work in plans.items()}

    @cached_property
    def countable(self) -> bool:
        """Whether the case is small enough for known bugs to be computed and compared."""
        return sum(map(len, self.truth.values())) <= 60_000

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """Stride and the rest: as the user's function gets them, and one value an axis."""
        layer: Any = self.layer
        sizes = layer.sizes(self.shape)
        uniform = {"stride": layer.strides, "dilation": layer.dilations, "kernel_size": layer.kernel}
        passed: dict[str, Any] = {key: v[0] if len(set(v)) == 1 else v for key, v in uniform.items()}
        pads = layer.paddings
        plain = pads[0][0] if len({p for pair in pads for p in pair}) == 1 else None
        passed["padding"] = (
            plain
            if plain is not None
            else tuple(b for b, _ in pads)
            if all(b == a for b, a in pads)
            else pads
        )
        passed |= {
            "groups": layer.groups,
            "in_channels": layer.in_channels,
            "out_channels": layer.out_channels,
        }
        passed |= {"strides": layer.strides, "dilations": layer.dilations, "paddings": pads}
        return passed | {"leftovers": tuple(sizes[f"r_{tag}"] for tag in layer.tags)}

    @cached_property
    def offsets(self) -> dict[str, int]:
        found, start = {}, 0
        for name, shape in self.shapes.items():
            found[name], start = start, start + prod(shape)
        return found

    def symbols(self) -> Arrays:
        found = {}
        for name, shape in self.shapes.items():
            array = np.empty(prod(shape), object)
            array[:] = [Poly.symbol(self.offsets[name] + i) for i in range(len(array))]
            found[name] = array.reshape(shape)
        return found

    def symbol_text(self, number: int) -> str:
        name = max((n for n in self.shapes if self.offsets[n] <= number), key=lambda n: self.offsets[n])
        if number - self.offsets[name] >= prod(self.shapes[name]):
            return "a symbol of another run"
        index = np.unravel_index(number - self.offsets[name], self.shapes[name])
        return f"{name}[{', '.join(str(int(i)) for i in index)}]"

    def polynomials(self, key: str) -> list[Poly]:
        """The right gradient, flat, as polynomials in the symbols."""
        starts = [self.offsets[name] for name in OPERANDS[key]]
        entries: list[dict[tuple[int, ...], int]] = [{} for _ in range(prod(self.shapes[key]))]
        for entry, *addresses in self.truth[key].tolist():
            monomial = tuple(sorted(s + a for s, a in zip(starts, addresses, strict=True)))
            entries[entry][monomial] = entries[entry].get(monomial, 0) + 1
        return [Poly(terms) for terms in entries]

    def values(self, key: str, arrays: Arrays) -> NDArray[np.int64]:
        """The right gradient at integer operands, exactly."""
        rows = self.truth[key]
        product_ = np.ones(len(rows), np.int64)
        for column, name in enumerate(OPERANDS[key], 1):
            product_ = product_ * arrays[name].astype(np.int64).ravel()[rows[:, column]]
        found = np.zeros(prod(self.shapes[key]), np.int64)
        np.add.at(found, rows[:, 0], product_)
        return found.reshape(self.shapes[key])

    def terms_each(self) -> int:
        """Most monomials that one entry has."""
        return max(int(np.bincount(rows[:, 0]).max()) if len(rows) else 1 for rows in self.truth.values())


@dataclass(frozen=True)
class Outcome:
    """What one run found; where it failed, the gradient concerned, the arrays and the result."""

    ok: bool
    label: str
    covered: tuple[str, ...]
    expected: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fault: str = ""
    key: str = ""
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    got: NDArray[Any] | None = None

    def bugs(self, case: Case) -> list[str]:
        """Known bugs whose result is exactly this one."""
        if self.got is None or len(self.arrays) == 0 or not case.countable:
            return []
        unbatched = len(case.shapes["input"]) == len(case.numbers["strides"]) + 1
        arrays = {
            k: v[None] if unbatched and k in ("input", "grad_output") else v for k, v in self.arrays.items()
        }
        got = self.got[None] if unbatched and self.key == "input" else self.got
        return named_bugs(self.key, got, arrays, case.numbers, same)


def same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Exactly equal arrays of symbols or numbers."""
    if a.shape != b.shape:
        return False
    pairs = zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
    return all(left is not None and right is not None and left.same(right)
               for left, right in ((Poly.of(x), Poly.of(y)) for x, y in pairs))  # fmt: skip


class Refusal(Exception):
    """The function does not run on symbols; says why."""


def call(tried: Subject, case: Case, arrays: Arrays) -> dict[str, Any]:
    """The user's gradients by name; whatever the function raises is passed on as it is."""
    copies = {name: array.copy() for name, array in arrays.items()}
    returned = tried.run(copies, case.numbers)
    return results(returned, {key: case.shapes[key] for key in case.keys}, tried.name)


def run_symbols(tried: Subject, case: Case) -> Outcome:
    """Every entry as a polynomial; raises Refusal where the function needs numbers."""
    arrays, before = case.symbols(), Poly.refusals
    try:
        found = call(tried, case, arrays)
    except BackflipError:
        raise
    except USER_FAULTS as raised:
        raise Refusal(f"{type(raised).__name__}: {str(raised)[:80]}") from None
    if Poly.refusals != before:
        raise Refusal("it compared or converted a symbol and went on")
    cells = 0
    for key, value in found.items():
        got = np.asarray(value, object)
        if got.shape != case.shapes[key]:
            return shape_fault(case, found, key, got, arrays)
        for number, (entry, right) in enumerate(zip(got.ravel(), case.polynomials(key), strict=True)):
            poly = Poly.of(entry)
            if poly is None:
                raise Refusal(f"an entry of the result is a {type(entry).__name__}")
            if poly.rounds(right):
                raise Refusal("its coefficients are the right ones rounded")
            if not poly.same(right):
                where = ", ".join(str(int(i)) for i in np.unravel_index(number, got.shape))
                texts = poly.text(case.symbol_text), right.text(case.symbol_text)
                fault = f"grad_{key}[{where}]: got {texts[0]}, expected {texts[1]}"
                return failed(case, found, key, got, arrays, fault)
        cells += got.size
    return Outcome(True, f"THIS SIZE, {cells:,} identities, exhaustive", tuple(found), case.keys)


def failed(
    case: Case, found: Mapping[str, Any], key: str, got: NDArray[Any], arrays: Arrays, fault: str
) -> Outcome:
    return Outcome(False, "REFUTED", tuple(found), case.keys, (), fault, key, arrays, got)


def shape_fault(case: Case, found: Mapping[str, Any], key: str, got: NDArray[Any], arrays: Arrays) -> Outcome:
    fault = f"grad_{key} has shape {got.shape}, expected {case.shapes[key]}"
    return failed(case, found, key, got, arrays, fault)
