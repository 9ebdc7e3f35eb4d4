"""Numbers put into the all-sizes derivation give the size's derivation, step by step, for every class.

`put` is a second reading of `derive.instance`, written as a list of named rewrites, each of which can be
switched off: so it is seen which rewrite makes a step trivial at a size, and that nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import zip_longest

import pytest

from derive.derivation import Derivation, differentiate
from derive.equations import Line, living
from derive.expr import Expr, Read, Sum, Tensor
from derive.index import Form, Index, Within, Zero, name
from derive.instance import expr_at
from derive.layers import registry
from derive.notation.build import parsed
from derive.spelling import parse_layer
from derive.symbolic import SymbolicDerivation, derivations

Example = tuple[str, tuple[int, ...]]
EXAMPLES: list[Example] = [example for kind in registry().values() for example in kind.examples]
NAMES = [f"{text} at {','.join(map(str, shape))}" for text, shape in EXAMPLES]

LONG = ("CircularPad3d(1)", "ReflectionPad3d(1)", "ReplicationPad3d(1)")
EACH = [
    pytest.param(example, marks=[pytest.mark.sweep] * (example[0] in LONG), id=title)
    for example, title in zip(EXAMPLES, NAMES, strict=True)
]
"""Every example; two-dimensional layers stand for those whose derivations are longest."""

REWRITES = (
    "an index of one value is that value",
    "a sum over no value is 0",
    "a true condition is left out",
    "a false condition empties its sum",
    "a bracket that no number meets empties its sum",
)
ONE_VALUE, NO_VALUE, TRUE, FALSE, UNMET = REWRITES


@cache
def pairs(example: Example) -> list[tuple[SymbolicDerivation, Derivation]]:
    """The derivations of an example's class for all sizes, each with that at the example's sizes."""
    layer, shape = parse_layer(example[0]), example[1]
    at_size = differentiate(layer, shape)
    everywhere = derivations(type(layer), layer.choices(shape), list(at_size))
    return [(everywhere[wrt], at_size[wrt]) for wrt in at_size]


def put(expr: Expr, sizes: Mapping[str, int], free: tuple[Index, ...], without: str = "") -> Expr:
    """The expression with numbers for sizes and the REWRITES done, all but `without`."""
    values = {size: Form.of(value) for size, value in sizes.items()}
    ones = [i.name for i in free if i.extent.evaluate(sizes) == 1]
    terms = (put_term(t.mapped(lambda f: f.substitute(values)), ones, without) for t in expr.terms)
    return Expr(tuple(t for t in terms if t is not None))


def put_term(term: Sum, free: list[str], without: str) -> Sum | None:
    counts = {i.name: i.extent.constant for i in term.indices}
    if without != NO_VALUE and 0 in counts.values():
        return None
    if without != ONE_VALUE:
        spent = [*free, *(n for n, count in counts.items() if count == 1)]
        indices = tuple(i for i in term.indices if i.name not in spent or counts[i.name] != 1)
        term = replace(term.mapped(lambda f: f.substitute({n: Form() for n in spent})), indices=indices)
    decided = {c: bool(c.holds({})) for c in term.conditions if not c.names}
    if without != FALSE and False in decided.values():
        return None
    if without != TRUE:
        term = replace(term, conditions=tuple(c for c in term.conditions if not decided.get(c, False)))
    ends = [c.high.constant for c in term.conditions if isinstance(c, Within)]
    return None if without != UNMET and any(e is not None and e <= 0 for e in ends) else term


def instantiated(general: SymbolicDerivation, sizes: Mapping[str, int]) -> Iterator[tuple[Expr, Expr, Line]]:
    """Both sides of every equation at the sizes by `derive.instance`, without those that become the same."""
    free = general.claim.indices
    for line in general.steps:
        lhs, rhs = (living(expr_at(side, sizes, free)) for side in (line.lhs, line.rhs))
        if lhs != rhs:
            yield lhs, rhs, line


def difference(general: SymbolicDerivation, special: Derivation) -> str:
    """The first place where the instance is not the derivation at the size, or ""."""
    for found, step in zip_longest(instantiated(general, special.sizes), special.steps):
        if found is None or step is None:
            return f"the chain ends before the other one: {found or step}"
        lhs, rhs, line = found
        if (lhs, rhs, line.rule) != (step.lhs, step.rhs, step.rule):
            return f"{line.rule}: {lhs} = {rhs}, at the size {step.rule}: {step.lhs} = {step.rhs}"
        if not same_reason(line.reason, step.reason, special.sizes):
            return f"{line.reason}, at the size {step.reason}"
    return ""


def same_reason(general: str, special: str, sizes: Mapping[str, int]) -> bool:
    """The same words; of a change of variable the same equations with numbers for sizes.

    A variable that has one value at the size need not be named there.
    """
    start = "change of variable "
    if not general.startswith(start):
        return general == special
    values = {size: Form.of(value) for size, value in sizes.items()}
    heads = [text.removeprefix(start).split(": ") for text in (general, special)]
    changes = [f"{m[1]} = {parsed(m[2]).substitute(values)}" for m in CHANGE.finditer(heads[0][0])]
    told = heads[1][0].split(", ")
    return heads[0][1:] == heads[1][1:] and set(told) <= set(changes)


CHANGE = re.compile(r"([\w']+) = ([^,]+)")


@pytest.mark.parametrize("example", EACH)
def test_numbers_in_the_all_sizes_derivation_give_the_sizes_derivation(example: Example) -> None:
    for general, special in pairs(example):
        assert general.theorem is special.theorem
        assert not difference(general, special)


@pytest.mark.parametrize("example", EACH)
def test_only_the_named_rewrites_happen(example: Example) -> None:
    for general, special in pairs(example):
        free = general.claim.indices
        for line in general.steps:
            for side in (line.lhs, line.rhs):
                assert put(side, special.sizes, free) == living(expr_at(side, special.sizes, free))


def trivial(example: Example, without: str = "") -> int:
    """How many equations for all sizes say the same on both sides at the example's sizes."""
    return sum(
        put(line.lhs, special.sizes, general.claim.indices, without)
        == put(line.rhs, special.sizes, general.claim.indices, without)
        for general, special in pairs(example)
        for line in general.steps
    )


DROPS: dict[str, tuple[Example, int]] = {
    ONE_VALUE: (("Conv2d(1, 1, 2)", (1, 1, 3, 3)), 2),
    TRUE: (("Conv2d(1, 1, 2)", (1, 1, 3, 3)), 2),
    NO_VALUE: (("ReplicationPad2d((1, 2, 0, 1))", (1, 1, 3, 4)), 3),
    UNMET: (("ReplicationPad2d((1, 2, 0, 1))", (1, 1, 3, 4)), 6),
}
"""An example for each rewrite, and so many of its equations are left out because of that rewrite alone."""


@pytest.mark.parametrize("rewrite", DROPS)
def test_which_rewrite_makes_equations_trivial(rewrite: str) -> None:
    """The fourth rewrite makes none trivial in the examples: the rules leave no condition that it decides."""
    example, count = DROPS[rewrite]
    assert trivial(example) - trivial(example, rewrite) == count


def test_each_rewrite_alone() -> None:
    size, i, j = name("s"), Index("i", name("s")), Index("j", name("t"))
    table = Tensor("table", (name("s"), name("t")))
    term = Sum((i, j), (Zero(i.form - j.form), Within(j.form, size)), (Read(table, (i.form, j.form)),))
    expr, shown = Expr((term,)), {}
    for sizes in ({"s": 1, "t": 3}, {"s": 3, "t": 1}, {"s": 1, "t": 1}, {"s": 0, "t": 3}, {"s": 3, "t": 3}):
        shown[tuple(sizes.values())] = str(living(expr_at(expr, sizes, ())))
        assert shown[tuple(sizes.values())] == str(put(expr, sizes, ()))
    assert shown == {
        (1, 3): "sum_{j<3} [j = 0][0 <= j < 1] table[0, j]",
        (3, 1): "sum_{i<3} [i = 0] table[i, 0]",
        (1, 1): "table[0, 0]",
        (0, 3): "0",
        (3, 3): "sum_{i<3} sum_{j<3} [-i + j = 0][0 <= j < 3] table[i, j]",
    }
    never = Expr((replace(term, conditions=(Zero(size - 2),)),))
    assert str(expr_at(never, {"s": 3, "t": 3}, ())) == str(put(never, {"s": 3, "t": 3}, ())) == "0"
    unmet = Expr((replace(term, conditions=(Within(i.form, size - 3),)),))
    assert str(living(expr_at(unmet, {"s": 3, "t": 3}, ()))) == "0"


# ---- sabotage -------------------------------------------------------------------------------------

SABOTAGED: list[Example] = [
    ("Conv2d(2, 4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2)", (2, 2, 6, 5)),
    ("ConvTranspose1d(2, 4, 2, stride=3, padding=1, output_padding=2, groups=2)", (2, 2, 4)),
    ("MaxPool2d((3, 2), stride=2, padding=(1, 0), ceil_mode=True)", (1, 2, 4, 5)),
    ("CrossEntropyLoss()", (2, 3)),
]


def doubled(expr: Expr) -> Expr:
    first, *rest = expr.terms
    return Expr((replace(first, coefficient=2 * first.coefficient), *rest))


def shifted(expr: Expr) -> Expr:
    """The first entry that is read, read one place further on its last axis."""
    first, *rest = expr.terms
    at, read = next((k, f) for k, f in enumerate(first.factors) if isinstance(f, Read) and f.index)
    moved = replace(read, index=(*read.index[:-1], read.index[-1] + 1))
    return Expr((replace(first, factors=(*first.factors[:at], moved, *first.factors[at + 1 :])), *rest))


def unguarded(expr: Expr) -> Expr:
    first, *rest = expr.terms
    assert first.conditions
    return Expr((replace(first, conditions=first.conditions[:-1]), *rest))


@pytest.mark.parametrize("example", SABOTAGED, ids=[text for text, _ in SABOTAGED])
@pytest.mark.parametrize("damage", [doubled, shifted, unguarded])
def test_a_changed_step_is_seen(example: Example, damage: Callable[[Expr], Expr]) -> None:
    seen = 0
    for general, special in pairs(example):
        for place, line in enumerate(general.steps):
            try:
                wrong = replace(line, rhs=damage(line.rhs))
            except (AssertionError, StopIteration):
                continue  # nothing in this equation to damage so
            assert difference(damaged(general, place, wrong), special)
            seen += 1
    assert seen > 3 or (damage is unguarded and "Cross" in example[0])


def test_a_changed_reason_and_a_missing_step_are_seen() -> None:
    general, special = pairs(SABOTAGED[0])[0]
    for place, line in enumerate(general.steps):
        words = line.reason.replace("k_h - 1", "k_h - 2") if "k_h" in line.reason else line.reason + "?"
        assert difference(damaged(general, place, replace(line, reason=words)), special)
        assert difference(damaged(general, place, None), special)


class Damaged:
    """A derivation for all sizes with other equations."""

    def __init__(self, general: SymbolicDerivation, steps: tuple[Line, ...]) -> None:
        self.claim, self.steps = general.claim, steps


def damaged(general: SymbolicDerivation, place: int, line: Line | None) -> SymbolicDerivation:
    steps = general.steps
    kept = (*steps[:place], *([] if line is None else [line]), *steps[place + 1 :])
    return Damaged(general, kept)  # type: ignore[return-value]
