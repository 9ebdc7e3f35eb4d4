"""Owns false versions of a claim: its right side, and the helpers that it alone stands on, changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Definition, Expr, Partial, Read, Sum, entry_of, substitute
from derive.index import ONE, ZERO, Index


def read_by(claim: Claim, expr: Expr) -> set[str]:
    """Tensors that an expression reads, directly or through definitions."""
    found: set[str] = set()
    pending = [expr]
    while pending:
        for term in pending.pop().terms:
            for factor in term.factors:
                for read in (factor.of, factor.wrt) if isinstance(factor, Partial) else (entry_of(factor),):
                    assert read is not None
                    definition = claim.setting.definition(read.tensor.name)
                    if read.tensor.name not in found and definition is not None:
                        pending.append(definition.body)
                    found.add(read.tensor.name)
    return found


def mutants(claim: Claim) -> Iterator[tuple[str, Claim]]:
    """(what was changed, the claim with that change)."""
    left = read_by(claim, claim.left)
    for definition in (*claim.setting.definitions, claim.right):
        if definition.tensor.name in left:
            continue
        for said, body in changed(definition):
            yield f"{definition.tensor.name}: {said}", with_body(claim, definition, body)


def with_body(claim: Claim, definition: Definition, body: Expr) -> Claim:
    new = replace(definition, body=body)
    if definition is claim.right:
        return replace(claim, right=new)
    definitions = tuple(new if d is definition else d for d in claim.setting.definitions)
    return replace(claim, setting=replace(claim.setting, definitions=definitions))


def changed(definition: Definition) -> Iterator[tuple[str, Expr]]:
    if not definition.body.terms:
        for scale in (1, -2):
            yield f"{scale} for nothing", Expr((Sum((), (), (), Fraction(scale)),))
    for t, term in enumerate(definition.body.terms):
        for said, new in changed_terms(term, definition.indices):
            yield said, definition.body.with_term(t, (new,))


def changed_terms(term: Sum, free: tuple[Index, ...]) -> Iterator[tuple[str, Sum]]:
    yield "doubled", replace(term, coefficient=term.coefficient * 2)
    if not term.conditions and not term.factors:
        yield "negated", replace(term, coefficient=-term.coefficient)
    for c, condition in enumerate(term.conditions):
        rest = term.conditions[:c] + term.conditions[c + 1 :]
        yield f"without {condition}", replace(term, conditions=rest)
        moved = replace(condition, form=condition.form + 1)
        yield f"{condition} moved by one", replace(term, conditions=(*rest, moved))
    for index in term.indices:
        rest = tuple(i for i in term.indices if i != index)
        yield f"{index.name} only 0", substitute(replace(term, indices=rest), {index.name: ZERO})
    for f, factor in enumerate(term.factors):
        for index in (*free, *term.indices):
            if isinstance(factor, Read) and any(
                e.coefficient(index.name) in (ONE, -ONE) for e in factor.index
            ):
                back = {index.name: index.extent - 1 - index.form}
                turned = factor.mapped(lambda form, back=back: form.substitute(back))
                yield (
                    f"{factor} read backwards in {index.name}",
                    replace(term, factors=(*term.factors[:f], turned, *term.factors[f + 1 :])),
                )
