"""Owns the right result that a user's function is judged by: the claim's left side, as exact polynomials.

The left side of a claim is the layer's definition (of the output) or its derivative by an operand, not a
closed form. It is unrolled to monomials in the operands' entries; what a table holds becomes part of a
monomial's rational coefficient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.claim import Claim
from derive.errors import LimitError
from derive.exhaust_codes import Rows
from derive.exhaust_rows import sizes
from derive.expr import Sum, Tensor
from derive.flatten import flatten
from derive.index import Form
from derive.verify_poly import Monomial, Poly

Arrays = Mapping[str, NDArray[Any]]
Tables = Mapping[str, tuple[Fraction, ...]]
MOST_MONOMIALS = 12_000_000
"""Monomials of one result that are held at a time (about 1 GB)."""
WHOLE = 2**62
"""Magnitude from which sums are taken in Python's whole numbers instead of 64 bits."""


@dataclass(frozen=True)
class Part:
    """The monomials with the same operands: rows (entry, an address in each operand), whole coefficients."""

    operands: tuple[str, ...]
    rows: NDArray[np.int64]
    coefficients: NDArray[Any]


@dataclass(frozen=True)
class Truth:
    """One result, entry by entry: the sum of `parts`, divided by `scale`."""

    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    scale: int

    @property
    def count(self) -> int:
        """Number of monomials."""
        return sum(len(part.rows) for part in self.parts)

    @property
    def degree(self) -> int:
        return max((len(part.operands) for part in self.parts), default=0)

    @cached_property
    def largest(self) -> int:
        """Sum of the magnitudes of an entry's coefficients, the largest one, rounded up; at least 1."""
        top = max((int(abs(p.coefficients).max(initial=0)) for p in self.parts), default=0)
        kind: Any = np.int64 if top * self.count < WHOLE else object
        total = np.zeros(prod(self.shape), kind)
        for part in self.parts:
            np.add.at(total, part.rows[:, 0], abs(part.coefficients).astype(kind))
        return max(1, -(-max(total.tolist(), default=0) // self.scale))

    @cached_property
    def terms(self) -> int:
        """Most monomials that one entry has; at least 1."""
        total = np.zeros(prod(self.shape), np.int64)
        for part in self.parts:
            np.add.at(total, part.rows[:, 0], 1)
        return max(1, int(total.max(initial=0)))

    def polynomials(self, offsets: Mapping[str, int]) -> list[Poly]:
        """The entries, flat, as polynomials in the symbols numbered from `offsets` on."""
        entries: list[dict[Monomial, Fraction | int]] = [{} for _ in range(prod(self.shape))]
        for part in self.parts:
            starts = [offsets[name] for name in part.operands]
            for (entry, *addresses), coefficient in zip(
                part.rows.tolist(), part.coefficients.tolist(), strict=True
            ):
                monomial = tuple(sorted(s + a for s, a in zip(starts, addresses, strict=True)))
                old = entries[entry].get(monomial, 0)
                entries[entry][monomial] = old + Fraction(coefficient, self.scale)
        return [Poly(terms) for terms in entries]

    def numerators(self, arrays: Arrays, shift: int = 0, magnitude: bool = False) -> NDArray[Any]:
        """scale * 2^(shift * degree) times the entries at operands `arrays` / 2^shift, which are whole.

        `magnitude` takes the magnitude of every monomial.
        """
        top = [max(1, int(np.abs(a).max(initial=0))) for a in arrays.values()]
        bound = self.largest * self.scale * max(top, default=1) ** self.degree * 2 ** (shift * self.degree)
        kind: Any = np.int64 if bound < WHOLE else object
        total = np.zeros(prod(self.shape), kind)
        for part in self.parts:
            value = part.coefficients.astype(kind) * 2 ** (shift * (self.degree - len(part.operands)))
            for column, name in enumerate(part.operands, 1):
                value = value * whole(arrays[name], kind).ravel()[part.rows[:, column]]
            np.add.at(total, part.rows[:, 0], abs(value) if magnitude else value)
        return total.reshape(self.shape)


def whole(array: NDArray[Any], kind: Any) -> NDArray[Any]:
    """Whole numbers held as floats, as integers of the given kind."""
    integers = array.astype(np.int64)
    return integers if kind is np.int64 else integers.astype(object)


def truth(claim: Claim, tables: Tables, shape: tuple[int, ...]) -> Truth:
    """The left side of a claim at sizes, its tables replaced by their values.

    `shape` is the result's as the user sees it. Raises LimitError where there are too many monomials.
    """
    tensors = {t.name: t for t in claim.setting.inputs}
    terms = flatten(claim.left, claim.setting)
    found = [(Rows(claim.indices, term), term) for term in terms]
    if (count := sum(rows.count for rows, _ in found)) > MOST_MONOMIALS:
        raise LimitError(
            "too large to compare entry by entry",
            where=claim.name,
            expected=f"at most {MOST_MONOMIALS:,} monomials",
            got=f"{count:,}",
            mend="use a smaller shape: an index mistake shows on small ones",
        )
    scales = {title: lcm(*(v.denominator for v in values)) for title, values in tables.items()}
    each = [
        term.coefficient.denominator * prod(scales.get(title, 1) for title, _ in rows.reads)
        for rows, term in found
    ]
    scale = lcm(*each) if each else 1
    parts = [_part(rows, term, claim.target, tensors, tables, scale) for rows, term in found]
    return Truth(shape, tuple(parts), scale)


def _part(
    rows: Rows, term: Sum, target: Tensor, tensors: Mapping[str, Tensor], tables: Tables, scale: int
) -> Part:
    """The monomials of one flat term; a factor from a table is multiplied into the coefficient."""
    names = tuple(title for title, _ in rows.reads if title not in tables)
    columns = [rows.outer(_flat(target, rows.entry))]
    columns += [rows.outer(_flat(tensors[t], index)) for t, index in rows.reads if t not in tables]
    factors = [Fraction(scale) * term.coefficient]
    kind: Any = np.int64 if scale * abs(term.coefficient) < WHOLE else object
    coefficients = np.ones(len(columns[0]), kind)
    for title, index in rows.reads:
        if title in tables:
            common = lcm(*(v.denominator for v in tables[title]))
            values = np.array([int(v * common) for v in tables[title]], kind)
            coefficients = coefficients * values[rows.outer(_flat(tensors[title], index))]
            factors.append(Fraction(1, common))
    coefficients = coefficients * int(prod(factors))
    kept = coefficients != 0
    return Part(names, np.stack(columns, axis=1)[kept], coefficients[kept])


def _flat(tensor: Tensor, index: tuple[Form, ...]) -> Form:
    """The row-major address, the same for the language's axes and the user's."""
    total = Form()
    for extent, form in zip(sizes(tensor), index, strict=True):
        total = total * extent + form
    return total
