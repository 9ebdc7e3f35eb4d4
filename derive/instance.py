"""Owns the passage from a claim over symbolic sizes to the same claim at given sizes.

Substituting numbers for sizes is the only thing that happens, plus two rewrites that hold for every
expression: an index that runs over one value is that value (a sum over none is 0), and a condition
without names that is true is left out (one that is false empties its sum).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from derive.claim import Claim
from derive.errors import ProofError
from derive.expr import Definition, Expr, Sum, substitute
from derive.index import ONE, ZERO, Condition, Form, Index, Monomial, Within, Zero
from derive.steps import sizes_of


def claim_at(claim: Claim, sizes: Mapping[str, int]) -> Claim:
    """The claim with every size a number and unit indices gone from bodies.

    Free indices of extent 1 stay listed (an entry still has full rank) but are written 0. Raises
    ProofError where a size is missing or a hypothesis of the claim fails at the sizes.
    """
    named = sizes_of(claim.setting)
    if missing := named - sizes.keys():
        raise ProofError("a size has no value", where=claim.name, got=", ".join(sorted(missing)))
    only = {size: sizes[size] for size in named}
    if failed := [f for f in claim.setting.facts if not f.holds(only)]:
        raise ProofError(
            "the theorem's hypotheses do not hold at these sizes",
            where=claim.name,
            expected=str(failed[0]),
            got=", ".join(f"{n}={only[n]}" for n in sorted(failed[0].form.names)),
        )
    fixed = claim.mapped(numbers(only))
    units = unit_values(fixed.indices)
    setting = replace(fixed.setting, definitions=tuple(map(tidy_definition, fixed.setting.definitions)))
    return replace(fixed, setting=setting, left=tidy(fixed.left, units), right=tidy_definition(fixed.right))


def expr_at(expr: Expr, sizes: Mapping[str, int], free: tuple[Index, ...]) -> Expr:
    """One expression of a claim's derivation at given sizes; `free` are the claim's indices."""
    instantiate = numbers(sizes)
    return tidy(expr.mapped(instantiate), unit_values(tuple(i.mapped(instantiate) for i in free)))


class numbers:
    """Form -> Form, sizes replaced by numbers; what a form became is kept, for most occur more than once."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.values = {size: int(value) for size, value in sizes.items()}
        self.known: dict[Form, Form] = {}

    def __call__(self, form: Form) -> Form:
        if form not in self.known:
            self.known[form] = Form.collect(self._term(m, c) for m, c in form.terms)
        return self.known[form]

    def _term(self, monomial: Monomial, coefficient: int) -> tuple[Monomial, int]:
        rest = tuple(n for n in monomial if n not in self.values)
        return rest, coefficient * prod(self.values[n] for n in monomial if n in self.values)


def unit_values(indices: tuple[Index, ...]) -> dict[str, Form]:
    return {i.name: ZERO for i in indices if i.extent == ONE}


def tidy_definition(definition: Definition) -> Definition:
    return replace(definition, body=tidy(definition.body, unit_values(definition.indices)))


def tidy(expr: Expr, units: Mapping[str, Form]) -> Expr:
    """Unit indices written 0, true conditions left out, empty terms dropped."""
    return Expr(tuple(t for term in expr.terms if (t := _tidy_term(term, units)) is not None))


def _tidy_term(term: Sum, units: Mapping[str, Form]) -> Sum | None:
    if any(i.extent == ZERO for i in term.indices):
        return None
    fixed = {**units, **unit_values(term.indices)}
    plain = substitute(term, fixed) if fixed else term
    kept = []
    for condition in plain.conditions:
        verdict = _decided(condition)
        if verdict is False:
            return None
        if verdict is None:
            kept.append(condition)
    indices = tuple(i for i in plain.indices if i.extent != ONE)
    return replace(plain, indices=indices, conditions=tuple(kept))


def _decided(condition: Condition) -> bool | None:
    """True or False where the condition names nothing."""
    if condition.names:
        return None
    match condition:
        case Zero():
            return bool(condition.holds({}))
        case Within():
            return bool(condition.holds({}))
