"""Finds certificates by a small linear program; for maintainers and tests only (needs SciPy), never trusted.

The unknowns are the coefficients of products of at most two facts (the negated goal among them) and of
the multipliers of the equations; the program asks for the sum to be -1 monomial by monomial. The float
solution only names the terms that occur; their exact rational coefficients are solved for again.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import combinations_with_replacement

from derive.certify import Obligation, certified
from derive.claim import Certificate
from derive.index import ONE, Form, Monomial, name

Column = tuple[str, tuple[int, ...], Monomial]
"""("product", fact numbers, ()) or ("multiple", (equation,), monomial)."""


def search(obligation: Obligation) -> Certificate | None:
    """A certificate of degree 1, then 2, or None where neither exists."""
    for degree in (1, 2):
        columns = list(_columns(obligation, degree))
        chosen = _support(obligation, columns)
        if chosen is None:
            continue
        certificate = _exact(obligation, chosen)
        if certificate is not None and certified(obligation, certificate):
            return certificate
    return None


def _columns(obligation: Obligation, degree: int) -> Iterable[Column]:
    numbers = [-1] + [i for i, f in enumerate(obligation.facts) if not f.equal]
    for size in range(1, degree + 1):
        for chosen in combinations_with_replacement(numbers, size):
            yield "product", chosen, ()
    names = sorted(frozenset(obligation.goal.names).union(*(f.form.names for f in obligation.facts)))
    for i, fact in enumerate(obligation.facts):
        if fact.equal:
            yield "multiple", (i,), ()
            if degree > 1:
                for n in names:
                    yield "multiple", (i,), (n,)


def _form(obligation: Obligation, column: Column) -> Form:
    _, numbers, monomial = column
    product = ONE
    for i in numbers:
        product = product * (-obligation.goal - 1 if i == -1 else obligation.facts[i].form)
    for n in monomial:
        product = product * name(n)
    return product


def _support(obligation: Obligation, columns: list[Column]) -> list[Column] | None:
    import numpy
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    forms = [_form(obligation, c) for c in columns]
    rows = {m: r for r, m in enumerate(sorted({m for f in forms for m, _ in f.terms} | {()}))}
    entries = [(rows[m], j, float(c)) for j, f in enumerate(forms) for m, c in f.terms]
    if not entries:
        return None
    at, of, values = zip(*entries, strict=True)
    matrix = csr_array((values, (at, of)), shape=(len(rows), len(columns)))
    goal = numpy.zeros(len(rows))
    goal[rows[()]] = -1.0
    # a free multiplier is written as the difference of two non-negative ones, so that sparsity has a cost
    free = [j for j, c in enumerate(columns) if c[0] == "multiple"]
    both = csr_array(numpy.hstack([matrix.toarray(), -matrix.toarray()[:, free]]))
    cost = [1.0 + 2.0 * (len(c[1]) - 1) + 0.5 * len(c[2]) for c in columns]
    answer = linprog(cost + [cost[j] for j in free], A_eq=both, b_eq=goal, method="highs-ds")
    if answer.status != 0:
        return None
    weight = [abs(x) for x in answer.x[: len(columns)]]
    for spot, j in enumerate(free):
        weight[j] += abs(answer.x[len(columns) + spot])
    return [c for c, w in zip(columns, weight, strict=True) if w > 1e-9]


def _exact(obligation: Obligation, columns: list[Column]) -> Certificate | None:
    forms = [_form(obligation, c) for c in columns]
    monomials = sorted({m for f in forms for m, _ in f.terms} | {()})
    rows = [
        [Fraction(dict(f.terms).get(m, 0)) for f in forms] + [Fraction(-1 if m == () else 0)]
        for m in monomials
    ]
    solution = _solve(rows, len(columns))
    if solution is None:
        return None
    products, multiples = [], []
    for (kind, numbers, monomial), value in zip(columns, solution, strict=True):
        if not value:
            continue
        if kind == "product":
            products.append((str(value), numbers))
        else:
            multiples.append((numbers[0], ((monomial, str(value)),)))
    return Certificate(tuple(products), tuple(multiples))


def _solve(rows: list[list[Fraction]], width: int) -> list[Fraction] | None:
    """One solution of the augmented system by Gauss-Jordan elimination over the rationals."""
    pivots: list[int] = []
    for column in range(width):
        rank = len(pivots)
        pivot = next((r for r in range(rank, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        rows[rank] = [x / rows[rank][column] for x in rows[rank]]
        for r, row in enumerate(rows):
            if r != rank and row[column]:
                rows[r] = [x - row[column] * y for x, y in zip(row, rows[rank], strict=True)]
        pivots.append(column)
    if any(row[width] for row in rows[len(pivots) :]):
        return None
    solution = [Fraction(0)] * width
    for r, column in enumerate(pivots):
        solution[column] = rows[r][width]
    return solution


def main() -> None:
    """Rewrite derive/certificates/store.json with what all claims need today, those between layers too."""
    import json
    from pathlib import Path

    from derive.between import theorem_between, theorems_between
    from derive.between.fast import MORE
    from derive.layers import registry
    from derive.oracle import Oracle, to_data
    from derive.proof import theorem
    from derive.strategy import argue

    oracle = Oracle({}, search)
    for kind in registry().values():
        for choices in kind.variants():
            for claim in kind.claims(**choices).values():
                theorem(argue(claim, oracle))
    for between in (*theorems_between().values(), *map(theorem_between, MORE)):
        for claim in between.everything().values():
            theorem(argue(claim, oracle))
    data = {key: {"shows": text} | to_data(c) for key, (text, c) in sorted(oracle.found.items())}
    path = Path(__file__).with_name("certificates") / "store.json"
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(data)} certificates")


if __name__ == "__main__":
    main()
