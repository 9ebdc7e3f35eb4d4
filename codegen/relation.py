"""Owns the reading of a claim's left side as a set of terms, straight from the definition of the layer.

A kernel claims to compute the left side of its equation: an entry of the output, or the derivative of
the loss by an entry of an operand. Unfolding the definitions of that side, and nothing else, gives
`Family`s of terms; no closed form, no helper tensor of a proof and no kernel text enters, so what is
checked against these families is checked against the definition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import count
from math import prod

from codegen.errors import BuildError
from derive.claim import Claim, Setting
from derive.expr import Factor, Partial, Read, Sum, Tensor, entry_of, substitute
from derive.index import Condition, Form, Index, Within, Zero


@dataclass(frozen=True)
class Family:
    """result[result] gets coefficient * product of factors, once for every admitted value of the indices.

    `indices` are all names, the free ones of the result and the summed ones alike.
    """

    indices: tuple[Index, ...]
    conditions: tuple[Condition, ...]
    result: tuple[Form, ...]
    factors: tuple[Read, ...]
    coefficient: Fraction = Fraction(1)

    @property
    def extents(self) -> dict[str, int]:
        return {i.name: number(i.extent) for i in self.indices}


@dataclass(frozen=True)
class Relation:
    """Every entry of `result` is the sum of the terms that the families give it; nothing else."""

    result: Tensor
    families: tuple[Family, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return shape_of(self.result)

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """The tensors that occur as factors, each once, in order of appearance."""
        return tuple(dict.fromkeys(f.tensor for family in self.families for f in family.factors))


def relation_of(claim: Claim) -> Relation:
    """The terms of a claim's left side, at sizes (see `derive.instance.claim_at`).

    Raises BuildError where the left side is not one entry of a defined tensor or one derivative.
    """
    match claim.left.terms:
        case (Sum(indices=(), conditions=(), factors=(factor,)),):
            pass
        case _:
            raise _unreadable(claim, "one output entry or one derivative")
    match factor:
        case Read():
            terms = unfold(Sum((), (), (factor,)), claim.setting)
            families = tuple(
                Family(claim.indices + t.indices, t.conditions, factor.index, _reads(claim, t), t.coefficient)
                for t in terms
            )
            return Relation(factor.tensor, families)
        case Partial():
            terms = unfold(Sum((), (), (factor.of,)), claim.setting)
            families = tuple(f for t in terms for f in _derivative(claim, t, factor.wrt.tensor))
            return Relation(factor.wrt.tensor, families)
    raise _unreadable(claim, "one output entry or one derivative")


def _derivative(claim: Claim, term: Sum, wrt: Tensor) -> list[Family]:
    """The families that one term of the loss contributes: each occurrence of `wrt` taken out in turn.

    A term in which `wrt` does not occur has derivative 0, whatever functions it applies.
    """
    if not any(_depends(f, wrt, claim.setting) for f in term.factors):
        return []
    reads, found = _reads(claim, term), []
    for position, read in enumerate(reads):
        if read.tensor.name == wrt.name:
            others = reads[:position] + reads[position + 1 :]
            found.append(Family(term.indices, term.conditions, read.index, others, term.coefficient))
    return found


def _depends(factor: Factor, wrt: Tensor, setting: Setting) -> bool:
    """Whether a factor reads a tensor, directly or through definitions."""
    entry = entry_of(factor)
    if entry is None or entry.tensor.name == wrt.name:
        return True
    definition = setting.definition(entry.tensor.name)
    inner = definition.body.terms if definition is not None else ()
    return any(_depends(f, wrt, setting) for t in inner for f in t.factors)


def unfold(term: Sum, setting: Setting) -> list[Sum]:
    """The term with every defined tensor replaced by its definition, down to input tensors.

    Bound names are renamed apart where they would collide.
    """
    fresh, done, waiting = count(1), [], [term]
    while waiting:
        current = waiting.pop(0)
        spot = next((i for i, f in enumerate(current.factors) if _defined(f, setting)), None)
        if spot is None:
            done.append(current)
        else:
            waiting.extend(_opened(current, spot, setting, fresh))
    return done


def _defined(factor: Factor, setting: Setting) -> bool:
    return isinstance(factor, Read) and setting.definition(factor.tensor.name) is not None


def _opened(term: Sum, spot: int, setting: Setting, fresh: count[int]) -> list[Sum]:
    read = term.factors[spot]
    assert isinstance(read, Read)
    definition = setting.definition(read.tensor.name)
    assert definition is not None
    opened = []
    for body in definition.body.terms:
        taken = term.names | read.names
        avoid = taken | body.names
        renamed = {
            n: next(m for i in fresh if (m := f"{n}_{i}") not in avoid) for n in sorted(body.bound & taken)
        }
        values = {old: Index(new, Form()).form for old, new in renamed.items()}
        values |= {i.name: form for i, form in zip(definition.indices, read.index, strict=True)}
        inner = substitute(body, values)
        bound = tuple(Index(renamed.get(i.name, i.name), i.extent) for i in inner.indices)
        factors = term.factors[:spot] + inner.factors + term.factors[spot + 1 :]
        conditions = term.conditions + inner.conditions
        opened.append(Sum(term.indices + bound, conditions, factors, term.coefficient * inner.coefficient))
    return opened


def _reads(claim: Claim, term: Sum) -> tuple[Read, ...]:
    reads = tuple(f for f in term.factors if isinstance(f, Read))
    if len(reads) != len(term.factors):
        raise _unreadable(claim, "a definition by sums of products of tensor entries")
    return reads


def _unreadable(claim: Claim, expected: str) -> BuildError:
    return BuildError(
        "the validator cannot read this equation", where=claim.name, expected=expected, got=str(claim.left)
    )


def pinned(family: Family) -> Family:
    """The same terms, an index that an equation gives (with the factor 1 or -1) written by the others."""
    for condition in family.conditions:
        for index in family.indices if isinstance(condition, Zero) else ():
            factor = condition.form.coefficient(index.name)
            if factor is None or factor.constant not in (1, -1):
                continue
            value = {index.name: (condition.form - factor * index.form) * -factor}
            kept = tuple(c for c in family.conditions if c != condition)
            inside = (*kept, Within(index.form, index.extent))
            fewer = Family(
                tuple(i for i in family.indices if i != index),
                tuple(c.mapped(partial(Form.substitute, values=value)) for c in inside),
                tuple(f.substitute(value) for f in family.result),
                tuple(replace(r, index=tuple(f.substitute(value) for f in r.index)) for r in family.factors),
                family.coefficient,
            )
            return pinned(fewer)
    return family


def number(form: Form) -> int:
    """The value of a form that names nothing; raises BuildError where it still names a size."""
    value = form.constant
    if value is None:
        raise BuildError(
            "a size is not a number", where=str(form), mend="instantiate the claim with claim_at"
        )
    return value


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    return tuple(map(number, tensor.shape))


def entries(tensor: Tensor) -> int:
    return prod(shape_of(tensor))
