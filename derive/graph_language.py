"""Owns the rewriting of a layer's definitions for a graph: other tensors read, the user's axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import prod

from derive.claim import Setting
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor, entry_of
from derive.index import ONE, ZERO, Form, Index, Zero


def user_tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, tuple(map(Form.of, shape)), tuple((i,) for i in range(len(shape))))


def plain_indices(tensor: Tensor) -> tuple[Index, ...]:
    return tuple(Index(f"j_{i}", extent) for i, extent in enumerate(tensor.shape))


def at_zero(indices: Iterable[Index]) -> tuple[Form, ...]:
    return tuple(ZERO if i.extent == ONE else i.form for i in indices)


def reread(expr: Expr, read: Callable[[Read], Read]) -> Expr:
    """The expression with every entry that it reads replaced."""

    def factor(old: Factor) -> Factor:
        entry = entry_of(old)
        assert entry is not None, "a definition holds no derivative"
        return Apply(old.function, read(entry)) if isinstance(old, Apply) else read(entry)

    return Expr(tuple(replace(t, factors=tuple(map(factor, t.factors))) for t in expr.terms))


def standing_on(start: str | Definition, setting: Setting) -> frozenset[str]:
    """The defined tensors that a definition reads, directly or not."""
    first = setting.definition(start) if isinstance(start, str) else start
    found: set[str] = set()
    pending = [] if first is None else [first]
    while pending:
        terms = pending.pop().body.terms
        names = {e.tensor.name for t in terms for f in t.factors if (e := entry_of(f)) is not None} - found
        defined = {n: d for n in names if (d := setting.definition(n)) is not None}
        found |= defined.keys()
        pending += defined.values()
    return frozenset(found)


def laid_out(definition: Definition, target: Tensor) -> tuple[Definition, ...]:
    """A definition in a layer's axes as one in the user's, called `target`.

    Where a user's axis is several of the layer's, a sum with an equation says which entry stands where.
    """
    split = definition.tensor
    groups = [[definition.indices[a] for a in group] for group in split.layout]
    long = [[i for i in group if i.extent != ONE] for group in groups]
    if all(len(group) < 2 for group in long):
        own = tuple((many or group)[0] for many, group in zip(long, groups, strict=True))
        return (replace(definition, tensor=target, indices=own),)
    inner = replace(definition, tensor=replace(split, name=f"{target.name}.split"))
    indices, summed, conditions = list[Index](), list[Index](), list[Zero]()
    for place, many in enumerate(long):
        if len(many) < 2:
            indices.append((many or [Index(f"z_{place}", ONE)])[0])
            continue
        index, flat = Index(f"z_{place}", target.shape[place]), ZERO
        for i in many:
            flat = flat * i.extent + i.form
        indices.append(index)
        summed += many
        conditions.append(Zero(index.form - flat))
    plain = len(definition.body.terms) == 1 and not definition.body.terms[0].indices
    if plain:
        term = definition.body.terms[0]
        body = Expr((replace(term, indices=tuple(summed), conditions=(*conditions, *term.conditions)),))
        return (Definition(target, tuple(indices), body, definition.role),)
    read = Read(inner.tensor, at_zero(inner.indices))
    body = Expr((Sum(tuple(summed), tuple(conditions), (read,)),))
    return (inner, Definition(target, tuple(indices), body, "laid out with the user's axes"))


def entries_bound(definition: Definition, setting: Setting) -> int:
    """No entry has more products than this when all definitions are opened, conditions not looked at."""
    total = 0
    for term in definition.body.terms:
        count = prod(int(i.extent.evaluate({})) for i in term.indices)
        for factor in term.factors:
            entry = entry_of(factor)
            found = None if entry is None else setting.definition(entry.tensor.name)
            count *= 1 if found is None else entries_bound(found, setting)
        total += count
    return total
