"""Owns the ways in which a right claim is made wrong: one edit of one definition, over symbolic sizes.

A `Change` makes a term wrong; `on` applies it to one definition of a claim (the layer's own, or a helper of
the closed form), `direct` to the closed form written straight from the layer's definition. So one change
serves as a wrong definition and as a wrong gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Definition, Expr, Factor, Partial, Read, Sum, Tensor, entry_of, substitute
from derive.index import Condition, Form, Index, Within, Zero, name
from derive.museum.exhibit import Edit, Sizes

RIGHT = ""
"""The name of a claim's right side in `on`."""


@dataclass(frozen=True)
class Place:
    """A term with the definition that it stands in, and the sizes of the shape at which the bug is live."""

    term: Sum
    definition: Definition
    sizes: Sizes

    def extent(self, index: str) -> Form:
        """How far an index of the term, or of the definition, runs."""
        return next(i.extent for i in (*self.term.indices, *self.definition.indices) if i.name == index)


Change = Callable[[Place], tuple[Sum, ...]]
"""A wrong term, or several, or none."""


def on(title: str, *changes: Change, term: int | None = None) -> Edit:
    """The changes, one after another, on every term of a definition (or on term number `term`)."""

    def edit(claim: Claim, sizes: Sizes) -> Claim:
        if title == RIGHT:
            return replace(claim, right=changed(claim.right, changes, sizes, term))
        setting = claim.setting
        if setting.definition(title) is None:
            raise KeyError(f"{claim.name} has no definition of {title}")
        definitions = tuple(
            changed(d, changes, sizes, term) if d.tensor.name == title else d for d in setting.definitions
        )
        return replace(claim, setting=replace(setting, definitions=definitions))

    return edit


def changed(
    definition: Definition, changes: tuple[Change, ...], sizes: Sizes, term: int | None = None
) -> Definition:
    """A definition with its terms changed."""
    terms = list(definition.body.terms)
    for change in changes:
        pairs = [
            change(Place(t, definition, sizes)) if term in (None, number) else (t,)
            for number, t in enumerate(terms)
        ]
        terms = [new for found in pairs for new in found]
    return replace(definition, body=Expr(tuple(terms)))


def both(*edits: Edit) -> Edit:
    """Edits one after another."""

    def edit(claim: Claim, sizes: Sizes) -> Claim:
        for each in edits:
            claim = each(claim, sizes)
        return claim

    return edit


def direct(*changes: Change, term: int | None = None) -> Edit:
    """The gradient as the sum over the layer's own terms, these changed; the definition stays right.

    Without changes this is a right closed form.
    """

    def edit(claim: Claim, sizes: Sizes) -> Claim:
        output = claim.setting.definition("output")
        assert output is not None
        wrong = changed(output, changes, sizes, term)
        free = tuple(
            replace(i, extent=e) for i, e in zip(claim.right.indices, claim.target.shape, strict=True)
        )
        terms = tuple(t for old in wrong.body.terms for t in adjoint(old, output, claim.target, free))
        tensor = Tensor(claim.right.tensor.name, claim.target.shape, claim.target.layout)
        right = Definition(tensor, free, Expr(terms), "the sum over all windows")
        return pruned(replace(claim, right=right))

    return edit


def adjoint(term: Sum, output: Definition, target: Tensor, free: tuple[Index, ...]) -> tuple[Sum, ...]:
    """What one term of the output sends back to the entry target[free]: a sum over everything else."""
    gradient = Read(replace(output.tensor, name="grad_output"), output.left.index)
    found = []
    for position, factor in enumerate(term.factors):
        if not isinstance(factor, Read) or factor.tensor.name != target.name:
            continue
        bound = {i.name: i for i in (*output.indices, *term.indices)}
        given: dict[str, Form] = {}
        hits: list[tuple[Form, Form]] = []
        for form, index in zip(factor.index, free, strict=True):
            single = next((n for n in bound if form == name(n) and n not in given), None)
            if single is not None:
                given[single] = index.form
            else:
                hits.append((form, index.form))
        others = tuple(f for p, f in enumerate(term.factors) if p != position)
        taken = {i.name for i in free}
        renamed = {n: n * 2 for n in bound if n not in given and n in taken}
        left = tuple(replace(i, name=renamed.get(n, n)) for n, i in bound.items() if n not in given)
        values = {**given, **{old: name(new) for old, new in renamed.items()}}
        moved = substitute(Sum((), term.conditions, (gradient, *others), term.coefficient), values)
        conditions = (*moved.conditions, *(Zero(form.substitute(values) - own) for form, own in hits))
        found.append(replace(moved, indices=left, conditions=conditions))
    return tuple(found)


def pruned(claim: Claim) -> Claim:
    """Without the definitions that neither side of the claim reads."""
    needed: set[str] = set()
    pending = [claim.left, claim.right.body]
    while pending:
        for term in pending.pop().terms:
            for factor in term.factors:
                reads = (factor.of, factor.wrt) if isinstance(factor, Partial) else (entry_of(factor),)
                for title in {r.tensor.name for r in reads if isinstance(r, Read)} - needed:
                    needed.add(title)
                    if (definition := claim.setting.definition(title)) is not None:
                        pending.append(definition.body)
    kept = tuple(d for d in claim.setting.definitions if d.tensor.name in needed)
    return replace(claim, setting=replace(claim.setting, definitions=kept))


# ---- changes of a term ---------------------------------------------------------------------------------


def sized(values: Mapping[str, Form]) -> Change:
    """Sizes in conditions and places replaced; how far sums run, and shapes, stay."""

    def change(place: Place) -> tuple[Sum, ...]:
        term = place.term
        conditions = tuple(_in_form(c, lambda f: f.substitute(values)) for c in term.conditions)
        factors = tuple(
            _at(f, lambda index: tuple(i.substitute(values) for i in index)) for f in term.factors
        )
        return (replace(term, conditions=conditions, factors=factors),)

    return change


def _in_form(condition: Condition, function: Callable[[Form], Form]) -> Condition:
    """A condition whose form is changed and whose bound stays."""
    if isinstance(condition, Within):
        return Within(function(condition.form), condition.high)
    return Zero(function(condition.form))


def _at(factor: Factor, function: Callable[[tuple[Form, ...]], tuple[Form, ...]]) -> Factor:
    """A read at another place; anything else as it is."""
    return replace(factor, index=function(factor.index)) if isinstance(factor, Read) else factor


def placed(title: str, function: Callable[[Place, tuple[Form, ...]], tuple[Form, ...]]) -> Change:
    """Reads of one tensor at another place."""

    def change(place: Place) -> tuple[Sum, ...]:
        factors = tuple(
            _at(f, lambda index: function(place, index))
            if isinstance(f, Read) and f.tensor.name == title
            else f
            for f in place.term.factors
        )
        return (replace(place.term, factors=factors),)

    return change


def turned(title: str, *indices: str) -> Change:
    """A tensor read backwards along the named indices."""

    def function(place: Place, index: tuple[Form, ...]) -> tuple[Form, ...]:
        back = {n: place.extent(n) - 1 - name(n) for n in indices}
        return tuple(form.substitute(back) for form in index)

    return placed(title, function)


def exchanged(title: str, one: int, other: int) -> Change:
    """A tensor read with two axes exchanged."""

    def function(_: Place, index: tuple[Form, ...]) -> tuple[Form, ...]:
        found = list(index)
        found[one], found[other] = index[other], index[one]
        return tuple(found)

    return placed(title, function)


def fixed(title: str, axis: int, at: Form) -> Change:
    """A tensor always read at one place of an axis."""
    return placed(title, lambda _, index: (*index[:axis], at, *index[axis + 1 :]))


def only(*conditions: Condition) -> Change:
    """The term where further conditions hold."""
    return lambda place: (replace(place.term, conditions=(*place.term.conditions, *conditions)),)


def instead(*conditions: Condition) -> Change:
    """The term under other conditions."""
    return lambda place: (replace(place.term, conditions=conditions),)


def cases(*changes: Change) -> Change:
    """The sum of several changes of the same term."""
    return lambda place: tuple(t for change in changes for t in change(place))


def unsummed(index: str, at: Form) -> Change:
    """An index of the sum at one value only."""

    def change(place: Place) -> tuple[Sum, ...]:
        rest = tuple(i for i in place.term.indices if i.name != index)
        if len(rest) == len(place.term.indices):
            raise KeyError(f"{place.term} does not sum over {index}")
        return (substitute(replace(place.term, indices=rest), {index: at}),)

    return change


def scaled(factor: Callable[[Sizes], Fraction]) -> Change:
    """The term times a number that depends on the shape."""
    return lambda place: (replace(place.term, coefficient=place.term.coefficient * factor(place.sizes)),)


def without(*titles: str) -> Change:
    """The term without its factors from the named tensors."""

    def change(place: Place) -> tuple[Sum, ...]:
        kept = tuple(
            f for f in place.term.factors if (e := entry_of(f)) is None or e.tensor.name not in titles
        )
        if len(kept) == len(place.term.factors):
            raise KeyError(f"{place.term} has no factor of {titles}")
        return (replace(place.term, factors=kept),)

    return change


def dropped(place: Place) -> tuple[Sum, ...]:
    """No such term."""
    return ()
