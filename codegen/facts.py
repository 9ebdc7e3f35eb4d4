"""Owns what a lowering must know of a layer beside its claim: parameters of functions, codes, shifts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Apply, Definition, Read, Sum, entry_of
from derive.layers.base import Layer
from derive.layers.codes import Code, Shift


@dataclass(frozen=True)
class Facts:
    """What of a layer at a shape no claim says.

    Attributes:
        parameters: of the functions that the claims apply.
        codes: indicator tensors and the whole numbers that stand for them.
        shifts: tensors that may hold anything.
        keeps: whether codes that a kernel finds are stored, for a gradient or a caller.
    """

    parameters: Mapping[str, Fraction] = field(default_factory=dict)
    codes: Mapping[str, Code] = field(default_factory=dict)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    keeps: bool = True


NOTHING = Facts()


def facts_of(layer: Layer, shape: Sequence[int]) -> Facts:
    return Facts(layer.parameters(), layer.codes(shape), layer.shifts(shape))


def reached(claim: Claim) -> tuple[Definition, ...]:
    """The definitions that a right side reads, directly or through others, in the order of the setting."""
    found: set[str] = set()
    pending = [claim.right]
    while pending:
        names = {e.tensor.name for t in pending.pop().body.terms for e in entries_of(t)} - found
        found |= names
        pending += [d for d in claim.setting.definitions if d.tensor.name in names]
    return tuple(d for d in claim.setting.definitions if d.tensor.name in found)


def entries_of(term: Sum) -> Iterator[Read]:
    """The reads of a term, those inside functions included."""
    yield from (e for e in map(entry_of, term.factors) if e is not None)


def linear(claim: Claim, facts: Facts = NOTHING) -> bool:
    """Whether a right side is contractions alone: no function, coefficient, indicator, bare long product."""
    definitions = (*reached(claim), claim.right)
    terms = [t for d in definitions for t in d.body.terms]
    special = {*facts.codes, *facts.shifts}
    long = len(terms) == 1 and len(terms[0].factors) > 2 and not terms[0].indices and not terms[0].conditions
    return not long and all(
        t.coefficient == 1
        and t.factors
        and not any(isinstance(f, Apply) for f in t.factors)
        and not any(e.tensor.name in special for e in entries_of(t))
        for t in terms
    )
