"""Owns one run of a user's function at one shape: the operands, the right results, and the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from math import lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import BackflipError
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.verify_bugs_real import real_bugs
from derive.verify_call import Arrays, Subject
from derive.verify_museum import named_bugs
from derive.verify_names import given, passed
from derive.verify_poly import Poly
from derive.verify_real import Judge
from derive.verify_results import results
from derive.verify_truth import Truth, truth

USER_FAULTS = (Exception, SystemExit)
"""What somebody else's code may raise while it runs: anything of its own, sys.exit() too."""
NOT_CHECKED = "NOT CHECKED"
FORWARD = ("output", "indices")
"""Results of a forward pass; the others are gradients."""
STARTS = count(0, 2**40)
"""Where the symbols of each case begin: what a function keeps of one is not taken for those of another."""
CARRIERS = ("grad_output", "input", "other")
"""Operands one of which stands in every monomial that a table multiplies."""


@dataclass(frozen=True)
class Case:
    """A layer at a shape, with what is needed to run a function on it; `kind` as in `Subject`."""

    layer: Layer
    shape: tuple[int, ...]
    kind: str

    @staticmethod
    def of(layer: Layer, shape: tuple[int, ...], kind: str) -> Case:
        """Raises LayerError where the shape does not fit the layer."""
        layer.operands(shape)
        return Case(layer, shape, kind)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of everything that is passed, grad_output first."""
        found = {o.name: o.shape for o in self.layer.operands(self.shape) if given(o.name)}
        return {"grad_output": found.pop("grad_output"), **found}

    @cached_property
    def wanted(self) -> dict[str, tuple[int, ...]]:
        """The results that are judged, and their shapes: the output, gradients by operand, or both."""
        operands = self.layer.operands(self.shape)
        judged = () if self.kind == "backward" else ("output",)
        gradients = () if self.kind == "forward" else tuple(o.name for o in operands if o.differentiable)
        shapes = {o.name: o.shape for o in operands}
        if self.kind == "forward" and getattr(self.layer, "return_indices", False):
            judged, shapes = (*judged, "indices"), shapes | {"indices": shapes["output"]}
        return {key: shapes[key] for key in (*judged, *gradients)}

    @cached_property
    def truths(self) -> dict[str, Truth]:
        choices, sizes = self.layer.choices(self.shape), self.layer.sizes(self.shape)
        claims = claims_of(type(self.layer), choices)
        tables = self.layer.tables(self.shape)
        return {key: truth(claim_at(claims[key], sizes), tables, s) for key, s in self.wanted.items()}

    @cached_property
    def monomials(self) -> int:
        return sum(right.count for right in self.truths.values())

    @cached_property
    def real(self) -> bool:
        """Whether results are compared as rounded numbers: they are no polynomials of the operands."""
        return Judge(self.layer, self.shape).real

    @property
    def countable(self) -> bool:
        """Whether the case is small enough for known bugs to be computed and compared."""
        return self.entries <= 20_000 if self.real else self.monomials <= 60_000

    @property
    def entries(self) -> int:
        """Of all operands and results."""
        return sum(map(prod, (*self.shapes.values(), *self.wanted.values())))

    @cached_property
    def numbers(self) -> dict[str, Any]:
        return passed(self.layer, self.shape)

    @cached_property
    def scale(self) -> int:
        """The common denominator of every table: operands are multiples of it, results whole."""
        return lcm(*(right.scale for right in self.truths.values()))

    @cached_property
    def scaled(self) -> frozenset[str]:
        """The operands that carry `scale`: CARRIERS, where these are enough."""
        if self.scale == 1:
            return frozenset()
        parts = [part for right in self.truths.values() if right.scale > 1 for part in right.parts]
        enough = all(set(part.operands) & set(CARRIERS) for part in parts)
        return frozenset(CARRIERS if enough else self.shapes)

    @cached_property
    def offsets(self) -> dict[str, int]:
        """The number of each operand's first symbol; no other case's symbols have these numbers."""
        found, start = {}, next(STARTS)
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
        for name, shape in self.shapes.items():
            if 0 <= (place := number - self.offsets[name]) < prod(shape):
                index = np.unravel_index(place, shape)
                return f"{name}[{', '.join(str(int(i)) for i in index)}]"
        return "a symbol of another run"

    def polynomials(self, key: str) -> list[Poly]:
        """The right result, flat, as polynomials in the symbols."""
        return self.truths[key].polynomials(self.offsets)

    def values(
        self, key: str, arrays: Mapping[str, NDArray[Any]], shift: int = 0, magnitude: bool = False
    ) -> NDArray[Any]:
        """2^(shift * degree) times the right result at operands / 2^shift: exact whole numbers.

        The operands that carry `scale` must be multiples of it.
        """
        right = self.truths[key]
        found: NDArray[Any] = right.numerators(arrays, shift, magnitude) // right.scale
        return found

    def terms_each(self) -> int:
        """Bound on the number of monomials of an entry, and on the sum of its coefficients."""
        return max((max(t.terms, t.largest) for t in self.truths.values()), default=1)


@dataclass(frozen=True)
class Outcome:
    """What one run found; where it failed, the result concerned, the arrays, what was got and right.

    Numbers are whole: the operands were arrays / 2^shift, `got` and `right` are multiplied by
    2^(shift * degree). `later`: the first call was right, another one on the same operands was not;
    `named` says what it is then.
    """

    ok: bool
    label: str
    covered: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fault: str = ""
    key: str = ""
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    got: NDArray[Any] | None = None
    right: NDArray[Any] | None = None
    shift: int = 0
    later: bool = False
    named: tuple[str, ...] = ()

    def bugs(self, case: Case) -> list[str]:
        """Known bugs whose result is exactly this one."""
        if self.later:
            return list(self.named)
        if self.got is None or self.right is None or not self.arrays or not case.countable:
            return []
        if case.real:
            return real_bugs(case.layer, case.shape, self.key, self.got, self.right, dict(self.arrays))
        arrays, got, right, own = dict(self.arrays), self.got, self.right, case.truths[self.key]
        if self.shift and len({len(part.operands) for part in own.parts}) > 1 and got.dtype.kind in "fiu":
            arrays = {name: np.ldexp(array, -self.shift) for name, array in arrays.items()}
            got, right = (np.ldexp(a.astype(float), -self.shift * own.degree) for a in (got, right))
        return named_bugs(case.layer, case.shape, self.key, got, right, arrays)


class Refusal(Exception):
    """The function does not run on symbols; says why."""


class Rounded(Exception):
    """Every coefficient is the right one, or that rounded by floating point."""


def call(tried: Subject, case: Case, arrays: Arrays) -> dict[str, Any]:
    """The user's results by name; whatever the function raises is passed on as it is."""
    copies = {name: array.copy() for name, array in arrays.items()}
    returned = tried.run(copies, case.numbers)
    return results(returned, case.wanted, tried.name)


def titled(key: str) -> str:
    return key if key in FORWARD else f"grad_{key}"


def run_symbols(tried: Subject, case: Case) -> Outcome:
    """Every entry as a polynomial; raises Refusal where the function needs numbers, or Rounded."""
    arrays, before = case.symbols(), Poly.refusals
    try:
        found = call(tried, case, arrays)
    except BackflipError:
        raise
    except USER_FAULTS as raised:
        raise Refusal(f"{type(raised).__name__}: {str(raised)[:80]}") from None
    if Poly.refusals != before:
        raise Refusal("it compared or converted a symbol and went on")
    cells, rounded = 0, False
    for key, value in found.items():
        got = np.asarray(value, object)
        if got.shape != case.wanted[key]:
            return shape_fault(case, found, key, got, arrays)
        right = case.polynomials(key)
        for number, (entry, wanted) in enumerate(zip(got.ravel(), right, strict=True)):
            poly = Poly.of(entry)
            if poly is None:
                raise Refusal(f"an entry of the result is a {type(entry).__name__}")
            if poly.same(wanted):
                continue
            if not poly.rounds(wanted):
                where = ", ".join(str(int(i)) for i in np.unravel_index(number, got.shape))
                texts = poly.text(case.symbol_text, wanted), wanted.text(case.symbol_text, poly)
                fault = f"{titled(key)}[{where}]: got {texts[0]}, expected {texts[1]}"
                return failed(found, key, got, as_array(right, got.shape), arrays, fault)
            rounded = True
        cells += got.size
    if rounded:
        raise Rounded("its coefficients are the right ones rounded, each to within 2^-40")
    return Outcome(True, f"THIS SIZE, {cells:,} identities, exhaustive", tuple(found))


def as_array(entries: list[Poly], shape: tuple[int, ...]) -> NDArray[Any]:
    found = np.empty(len(entries), object)
    found[:] = entries
    return found.reshape(shape)


def failed(
    found: Mapping[str, Any],
    key: str,
    got: NDArray[Any],
    right: NDArray[Any],
    arrays: Mapping[str, NDArray[Any]],
    fault: str,
    shift: int = 0,
) -> Outcome:
    return Outcome(False, "REFUTED", tuple(found), (), fault, key, arrays, got, right, shift)


def shape_fault(
    case: Case,
    found: Mapping[str, Any],
    key: str,
    got: NDArray[Any],
    arrays: Mapping[str, NDArray[Any]],
    shift: int = 0,
) -> Outcome:
    """A result of the wrong shape: the right one is given along, in symbols or in numbers."""
    fault = f"{titled(key)} has shape {got.shape}, expected {case.wanted[key]}"
    symbolic = any(a.dtype == object for a in arrays.values())
    right = as_array(case.polynomials(key), case.wanted[key]) if symbolic else case.values(key, arrays, shift)
    return failed(found, key, got, right, arrays, fault, shift)
