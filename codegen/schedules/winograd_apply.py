"""Owns how a constant matrix is applied to named vectors with few operations.

Rows and columns that belong to a point and its negative differ in signs alone: of such rows the parts with
equal and with opposite signs are computed once (E + k O and E - k O), of such columns sums and differences.
Every constant stands in the text as the exact rational that it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from codegen.loops import Assign, Call, Statement

Matrix = tuple[tuple[Fraction, ...], ...]
Terms = dict[str, Fraction]


def constant(value: Fraction) -> str:
    """The name of a constant."""
    sign = "minus" if value < 0 else "plus"
    return f"{sign}_{abs(value.numerator)}_{value.denominator}"


@dataclass
class Applied:
    """Statements as they are written, results by name; temporaries are `stem` and a number.

    Attributes:
        constants: that the statements use; they are given values ahead of loops (`declared`).
    """

    stem: str
    body: list[Statement] = field(default_factory=list)
    constants: set[Fraction] = field(default_factory=set)

    def apply(self, matrix: Matrix, sources: Sequence[str]) -> list[str]:
        """The names of matrix @ sources."""
        rows = self._folded(matrix, sources)
        results: list[str] = [""] * len(rows)
        for i, row in enumerate(rows):
            if results[i]:
                continue
            twin = next((j for j in range(i + 1, len(rows)) if not results[j] and _twins(row, rows[j])), None)
            if twin is None:
                results[i] = self._sum(row)
            else:
                results[i], results[twin] = self._pair(row, rows[twin])
        return results

    def _folded(self, matrix: Matrix, sources: Sequence[str]) -> list[Terms]:
        """The rows as combinations, columns that differ in signs alone joined to sums and differences."""
        rows: list[Terms] = [{} for _ in matrix]
        left = list(range(len(sources)))
        while left:
            p = left.pop(0)
            q = next((q for q in left if _opposite(matrix, p, q)), None)
            if q is None:
                for terms, row in zip(rows, matrix, strict=True):
                    terms.update({sources[p]: row[p]} if row[p] else {})
                continue
            left.remove(q)
            total = self._named("v_add", sources[p], sources[q])
            apart = self._named("v_sub", sources[p], sources[q])
            for terms, row in zip(rows, matrix, strict=True):
                terms.update({total if row[p] == row[q] else apart: row[p]} if row[p] else {})
        return rows

    def _pair(self, one: Terms, other: Terms) -> tuple[str, str]:
        """Two rows that agree up to signs: what they share plus and minus the rest."""
        same = self._sum({n: v for n, v in one.items() if v == other[n]})
        rest = {n: v for n, v in one.items() if v != other[n]}
        scale = next((v for v in rest.values() if abs(v) == 1), next(iter(reversed(rest.values()))))
        apart = self._sum({n: v / scale for n, v in rest.items()})
        return self._plus(same, scale, apart), self._plus(same, -scale, apart)

    def _sum(self, terms: Terms) -> str:
        """One combination; it begins with a term that needs no constant, where there is one."""
        if not terms:
            return self._named("v_zero")
        first = next((n for n, v in terms.items() if v == 1), next(iter(terms)))
        total = first if terms[first] == 1 else self._named("v_mul", self._constant(terms[first]), first)
        for title, value in terms.items():
            if title != first:
                total = self._plus(total, value, title)
        return total

    def _plus(self, total: str, scale: Fraction, term: str) -> str:
        if abs(scale) == 1:
            return self._named("v_add" if scale == 1 else "v_sub", total, term)
        return self._named("v_fma", total, self._constant(scale), term)

    def _constant(self, value: Fraction) -> str:
        self.constants.add(value)
        return constant(value)

    def _named(self, operation: str, *arguments: str) -> str:
        name = f"{self.stem}{len(self.body)}"
        self.body.append(Assign(name, Call(operation, arguments)))
        return name


def apart(matrix: Matrix) -> list[tuple[int, ...]]:
    """The rows in sets that share nothing: one and its twin, or one alone."""
    left, found = list(range(len(matrix))), list[tuple[int, ...]]()
    while left:
        i = left.pop(0)
        terms = [dict(zip("abcdefgh", row, strict=False)) for row in matrix]
        twin = next((j for j in left if _twins(terms[i], terms[j])), None)
        found.append((i,) if twin is None else (i, twin))
        left = [j for j in left if j != twin]
    return found


def sharing(matrix: Matrix) -> list[tuple[int, ...]]:
    """The rows in sets that share the sums or differences of columns, the first row's set first."""
    sources = [f"x{i}" for i in range(len(matrix[0]))]
    used = [set(row) - set(sources) for row in Applied("d")._folded(matrix, sources)]
    left, found = list(range(len(matrix))), list[tuple[int, ...]]()
    while left:
        own = tuple(i for i in left if i == left[0] or used[i] & used[left[0]])
        found.append(own)
        left = [i for i in left if i not in own]
    return found


def _twins(one: Terms, other: Terms) -> bool:
    """Whether two rows agree up to signs and have both equal and opposite ones."""
    if one.keys() != other.keys() or any(abs(one[n]) != abs(other[n]) for n in one):
        return False
    return len({one[n] == other[n] for n in one}) == 2


def _opposite(matrix: Matrix, p: int, q: int) -> bool:
    """Whether columns agree up to signs, with equal and opposite ones, in so many rows that it pays."""
    used = [(row[p], row[q]) for row in matrix if row[p] or row[q]]
    signs = {a == b for a, b in used}
    return len(used) > 2 and len(signs) == 2 and all(abs(a) == abs(b) for a, b in used)


def declared(constants: Iterable[Fraction]) -> list[Statement]:
    """The constants given their values."""
    return [
        Assign(constant(v), Call("v_rational", (v.numerator, v.denominator))) for v in sorted(set(constants))
    ]
