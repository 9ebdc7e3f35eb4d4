"""The meaning of every rule: the expression after a step, and what must be shown for it. Trusted.

A rule is applied to the arguments that a step states; nothing is searched for here. `equality.same` compares
the normal forms in which the two sides of a claim must end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from derive.certify import Obligation, known, refuse, to_show
from derive.claim import Fact, Setting
from derive.equality import same_term
from derive.expr import Apply, Expr, Factor, Partial, Read, Sum, entry_of, substitute
from derive.functions import DERIVATIVE, IDENTITY, INVERSE, Polynomial
from derive.index import ONE, Condition, Form, Index, Within, Zero, name

T = TypeVar("T")

Replayed = tuple[Expr, list[Obligation]]


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*'*", re.ASCII)


def is_name(text: object) -> bool:
    """Whether this can name a size, an index or a tensor."""
    return isinstance(text, str) and len(text) < 60 and NAME.fullmatch(text) is not None


def sizes_of(setting: Setting) -> frozenset[str]:
    named = [f.form.names for f in setting.facts] + [s.names for t in setting.inputs for s in t.shape]
    return frozenset().union(*named)


@dataclass(frozen=True)
class Context:
    """Where an expression stands: the setting, and the free indices of the claim."""

    setting: Setting
    free: tuple[Index, ...]

    def facts(self, term: Sum) -> tuple[Fact, ...]:
        return known(self.setting, (*self.free, *term.indices), term.conditions)

    def taken(self, term: Sum) -> frozenset[str]:
        return term.names | {i.name for i in self.free} | sizes_of(self.setting)

    def fresh(self, term: Sum, names: Sequence[str], where: str) -> None:
        if isinstance(names, str) or not all(is_name(n) for n in names):
            raise refuse("not a name", where, "letters, digits, _ and '", repr(names)[:60])
        if len(set(names)) != len(names) or set(names) & self.taken(term):
            raise refuse("captured index name", where, "fresh names", ", ".join(names))

    def bodies(self, read: Read) -> tuple[Sum, ...]:
        """The terms of the definition of read.tensor, as they are written there."""
        definition = self.setting.definition(read.tensor.name)
        if definition is None or definition.tensor != read.tensor:
            raise refuse("no such definition", read.tensor.name)
        return definition.body.terms

    def values(self, read: Read) -> dict[str, Form]:
        """The indices of the definition of read.tensor at the entry read."""
        definition = self.setting.definition(read.tensor.name)
        if definition is None:
            raise refuse("no such definition", read.tensor.name)
        return {i.name: e for i, e in zip(definition.indices, read.index, strict=True)}

    def opened(self, term: Sum, read: Read, fresh: Sequence[Sequence[str]]) -> list[Sum]:
        """The terms of the definition of read.tensor at read.index, bound indices renamed."""
        bodies, values = self.bodies(read), self.values(read)
        if len(fresh) != len(bodies):
            raise refuse("names for another number of terms", read.tensor.name)
        opened = []
        for body, names in zip(bodies, fresh, strict=True):
            self.fresh(term, names, f"unfolding {read.tensor.name}")
            renaming = {i.name: name(n) for i, n in zip(body.indices, names, strict=True)}
            indices = tuple(Index(n, i.extent) for i, n in zip(body.indices, names, strict=True))
            opened.append(replace(substitute(body, {**values, **renaming}), indices=indices))
        return opened


def pick(items: Sequence[T], position: int) -> T:
    """items[position], counted from 0; a negative or missing position is refused."""
    if type(position) is not int or not 0 <= position < len(items):
        raise refuse("no such place", "step arguments", f"0 to {len(items) - 1}", repr(position))
    return items[position]


def join(term: Sum, at: int, new: Sum, conditions: Sequence[Condition] = (), spare: int | None = None) -> Sum:
    """`term` with factor number `at` replaced by the product `new` (its factor `spare` left out)."""
    rest = tuple(f for j, f in enumerate(new.factors) if j != spare)
    return Sum(
        term.indices + new.indices,
        term.conditions + new.conditions + tuple(conditions),
        term.factors[:at] + rest + term.factors[at + 1 :],
        term.coefficient * new.coefficient,
    )


def chain(
    context: Context, expr: Expr, *, term: int, factor: int, fresh: Sequence[Sequence[str]]
) -> Replayed:
    """d T[e]/d X[u] = sum over every occurrence of X, or of a tensor defined from it, in T's definition.

    An occurrence X[i] gives [i = u] times the other factors; an occurrence of a defined tensor S gives
    d S[..]/d X[u] times the other factors; where the occurrence is inside a function, its derivative there
    (`functions.DERIVATIVE`) is a further factor. Inputs are independent of each other.
    """
    old = pick(expr.terms, term)
    partial = pick(old.factors, factor)
    if not isinstance(partial, Partial) or partial.wrt.tensor not in context.setting.inputs:
        raise refuse("not a derivative by an input", f"factor {factor}", got=str(partial))
    new: list[Sum] = []
    for body in context.opened(old, partial.of, fresh):
        for j, occurrence in enumerate(body.factors):
            entry = entry_of(occurrence)
            if entry is None:
                raise refuse("derivative inside a definition", partial.of.tensor.name)
            if entry.tensor == partial.wrt.tensor:
                pairs = zip(entry.index, partial.wrt.index, strict=True)
                inner, equations = [], [Zero(i - u) for i, u in pairs]
            elif entry.tensor not in context.setting.inputs:
                inner, equations = [Partial(entry, partial.wrt)], []
            else:
                continue
            joined = join(old, factor, body, equations, spare=j)
            for scale, outer in slope(occurrence):
                factors = (*joined.factors, *outer, *inner)
                new.append(replace(joined, factors=factors, coefficient=scale * joined.coefficient))
    return expr.with_term(term, tuple(new)), []


def slope(factor: Factor) -> list[tuple[Fraction, tuple[Factor, ...]]]:
    """The derivative of a factor by its own entry, as a sum of coefficients with factors."""
    if not isinstance(factor, Apply):
        return [(Fraction(1), ())]
    known: Polynomial | None = DERIVATIVE.get(factor.function)
    if known is None:
        raise refuse("no derivative known", factor.function, ", ".join(DERIVATIVE))
    return [
        (scale, tuple(factor.of if name == IDENTITY else Apply(name, factor.of) for name in names))
        for scale, names in known
    ]


def unfold(
    context: Context, expr: Expr, *, term: int, factor: int, fresh: Sequence[Sequence[str]]
) -> Replayed:
    """T[e] = the body of T's definition at e (reads are inside their tensors, so it applies)."""
    old = pick(expr.terms, term)
    read = pick(old.factors, factor)
    if not isinstance(read, Read):
        raise refuse("not a read", f"factor {factor}", got=str(read))
    opened = context.opened(old, read, fresh)
    return expr.with_term(term, tuple(join(old, factor, body) for body in opened)), []


def delta(context: Context, expr: Expr, *, term: int, index: str, condition: int) -> Replayed:
    """sum over v of [v = e] f(v) = f(e), where 0 <= e < extent of v."""
    old = pick(expr.terms, term)
    hit = pick(old.conditions, condition)
    summed = next((i for i in old.indices if i.name == index), None)
    slope = hit.form.coefficient(index) if isinstance(hit, Zero) else None
    if summed is None or slope not in (ONE, -ONE):
        raise refuse("not a delta of a summed index", f"[{index} = ...]", got=str(hit))
    point = name(index) - hit.form if slope == ONE else name(index) + hit.form
    kept = tuple(c for j, c in enumerate(old.conditions) if j != condition)
    rest = replace(old, indices=tuple(i for i in old.indices if i.name != index), conditions=kept)
    new = substitute(rest, {index: point})
    needed = to_show(context.facts(new), Within(point, summed.extent), f"{index} = {point} is in range")
    return expr.with_term(term, (new,)), needed


def reindex(
    context: Context,
    expr: Expr,
    *,
    term: int,
    index: str,
    new: str,
    extent: Form,
    forward: Form,
    backward: Form,
) -> Replayed:
    """sum over v of f(v) = sum over v' of f(forward(v')), with `backward` the two-sided inverse."""
    old = pick(expr.terms, term)
    at = next((j for j, i in enumerate(old.indices) if i.name == index), None)
    context.fresh(old, [new], "change of variable")
    if not extent.names <= sizes_of(context.setting):
        raise refuse("extent depends on more than sizes", new, got=str(extent))
    around = context.taken(old) - {index}
    if forward.coefficient(new) not in (ONE, -ONE) or backward.coefficient(index) not in (ONE, -ONE):
        raise refuse("not an affine change of a summed variable", index, got=str(forward)[:100])
    if at is None or not forward.names <= around | {new} or not backward.names <= around | {index}:
        raise refuse("not a change of a summed variable", index)
    if forward.substitute({new: backward}) != name(index) or backward.substitute({index: forward}) != name(
        new
    ):
        raise refuse("not inverse to each other", index, f"{index} = {forward}", f"{new} = {backward}")
    moved = substitute(old, {index: forward})
    indices = (*old.indices[:at], Index(new, extent), *old.indices[at + 1 :])
    after = replace(moved, indices=indices)
    needed = to_show(context.facts(after), Within(forward, old.indices[at].extent), f"{index} is in range")
    needed += to_show(context.facts(old), Within(backward, extent), f"{new} is in range")
    return expr.with_term(term, (after,)), needed


def guard(context: Context, expr: Expr, *, term: int, conditions: tuple[Condition, ...]) -> Replayed:
    """[old] f = [new] f, where each implies the other under the hypotheses and index ranges."""
    old = pick(expr.terms, term)
    new = replace(old, conditions=tuple(conditions))
    if not new.names <= context.taken(old):
        raise refuse("unknown name in a condition", "guard", got=str(new))
    before, after = context.facts(old), context.facts(new)
    needed = [o for c in new.conditions for o in to_show(before, c, f"the old guard implies {c}")]
    needed += [o for c in old.conditions for o in to_show(after, c, f"the new guard implies {c}")]
    return expr.with_term(term, (new,)), needed


def cancel(
    context: Context, expr: Expr, *, term: int, factor: int, spare: tuple[int, ...], indices: tuple[str, ...]
) -> Replayed:
    """1/T[e] * (the body of T at e) = 1 where T[e] is not 0; T's body must be one term.

    `indices` are the summed indices of the term, and `spare` its factors, that are the body, in the body's
    order; neither may occur anywhere else in the term, nor may e name those indices.
    """
    old = pick(expr.terms, term)
    inverse = pick(old.factors, factor)
    if not isinstance(inverse, Apply) or inverse.function != INVERSE:
        raise refuse("not an inverse", f"factor {factor}", got=str(inverse))
    bodies = context.bodies(inverse.of)
    if len(bodies) != 1 or len(set(spare)) != len(spare) or factor in spare:
        raise refuse("not the body of what is inverted", str(inverse))
    definition, body = inverse.of, bodies[0]
    bound = {i.name: i for i in old.indices}
    fit = len(set(indices)) == len(indices) == len(body.indices) and set(indices) <= bound.keys()
    if not fit or inverse.names & set(indices):
        raise refuse("not the sums of what is inverted", str(definition), got=", ".join(indices))
    taken = tuple(bound[n] for n in indices)
    renaming = {i.name: name(n) for i, n in zip(body.indices, indices, strict=True)}
    at = {**context.values(inverse.of), **renaming}
    wanted = replace(substitute(body, at), indices=taken)
    if tuple(i.extent for i in body.indices) != tuple(i.extent for i in taken):
        raise refuse("sums over another range", str(definition))
    if wanted.conditions or wanted.factors != tuple(pick(old.factors, j) for j in spare):
        raise refuse("not the body of what is inverted", str(definition), str(wanted), str(old))
    rest = tuple(f for j, f in enumerate(old.factors) if j != factor and j not in spare)
    kept = tuple(i for i in old.indices if i.name not in indices)
    after = Sum(kept, old.conditions, rest, old.coefficient / wanted.coefficient)
    if after.names & set(indices):
        raise refuse("the sum reaches over more than what is inverted", str(definition), got=str(after))
    return expr.with_term(term, (after,)), []


def collect(_: Context, expr: Expr, *, term: int, other: int) -> Replayed:
    """c f + d f = (c + d) f, and nothing where that is 0; the two are equal as terms but for c and d."""
    first, second = pick(expr.terms, term), pick(expr.terms, other)
    if other <= term or not same_term(first, replace(second, coefficient=first.coefficient)):
        raise refuse("not like terms", f"terms {term} and {other}", str(first), str(second))
    total = first.coefficient + second.coefficient
    kept = expr.with_term(other, ())
    return kept.with_term(term, (replace(first, coefficient=total),) if total else ()), []


RULES: Mapping[str, Callable[..., Replayed]] = {
    "chain": chain,
    "unfold": unfold,
    "delta": delta,
    "reindex": reindex,
    "guard": guard,
    "cancel": cancel,
    "collect": collect,
}


def replay(context: Context, expr: Expr, rule: str, arguments: Mapping[str, Any]) -> Replayed:
    """One step recomputed from its arguments, which may come from anywhere."""
    if rule not in RULES:
        raise refuse("unknown rule", rule, ", ".join(RULES))
    if any(isinstance(arguments.get(key), str) for key in ("fresh", "spare", "indices", "conditions")):
        raise refuse("arguments do not fit the rule", rule, got="text for a list")
    try:
        return RULES[rule](context, expr, **arguments)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as fault:
        raise refuse("arguments do not fit the rule", rule, got=str(fault)) from None
