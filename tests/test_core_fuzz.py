"""Every step that a trusted rule accepts leaves the value alone: random settings, expressions and arguments.

The values are those of a small interpreter written here, over a prime field: the unknown functions are
polynomials whose derivatives are known, so neither the table nor the evaluator of the library is asked. What
a step leaves to be shown is looked up at the sizes tried instead of being certified.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from derive.certify import Obligation
from derive.check import check
from derive.claim import Argument, Claim, Fact, Setting, Step
from derive.errors import LimitError, ProofError
from derive.exhaust import compare
from derive.expr import Apply, Definition, Expr, Factor, Partial, Read, Sum, Tensor, single, substitute
from derive.index import Condition, Form, Index, Within, Zero, name
from derive.instance import claim_at
from derive.judge_field import judge_with_field
from derive.numbers_field import PRIME
from derive.spelling import parse_layer
from derive.steps import Context, replay

P = 2**31 - 1
N, M = name("N"), name("M")
FACTS = (Fact(N - 1), Fact(M))
SIZES = ((1, 1), (2, 2), (3, 2), (2, 0))
ONE_OF = {1: Fraction(1), 2: Fraction(2, 3), -3: Fraction(-3)}
POLYNOMIALS: Mapping[str, tuple[int, ...]] = {"f": (3, 5, 7), "tanh": (2, 0, 11, 13), "silu": (1, 17)}
NAMES = ("i", "j", "k", "a", "b")
INPUTS = (
    Tensor("x", (N,), ((0,),)),
    Tensor("y", (N, M), ((0,), (1,))),
    Tensor("z", (M,), ((0,),)),
    Tensor("w", ()),
)
Values = dict[str, int]


class Undefined(Exception):
    """A read outside its tensor, or an inverse of 0."""


class Meaning:
    """What expressions of a setting are at sizes and entries drawn from a seed."""

    def __init__(self, setting: Setting, sizes: Values, seed: int) -> None:
        self.setting, self.sizes, self.seed = setting, sizes, seed
        self.known: dict[Any, int] = {}

    def expr(self, expr: Expr, values: Values) -> int:
        return sum(self.term(t, values) for t in expr.terms) % P

    def term(self, term: Sum, values: Values) -> int:
        total = 0
        for own in assignments(term.indices, self.sizes):
            at = {**self.sizes, **values, **own}
            if all(c.holds(at) for c in term.conditions):
                total += self.product(term.factors, at)
        return total * term.coefficient.numerator * pow(term.coefficient.denominator, -1, P) % P

    def product(self, factors: tuple[Factor, ...], at: Values) -> int:
        total = 1
        for factor in factors:
            total = total * self.factor(factor, at) % P
        return total

    def factor(self, factor: Factor, at: Values) -> int:
        match factor:
            case Read():
                return self.entry(*self.place(factor, at))
            case Apply(function, of):
                return applied(function, self.factor(of, at))
            case Partial(of, wrt):
                return self.slope(*self.place(of, at), self.place(wrt, at))

    def place(self, read: Read, at: Values) -> tuple[str, tuple[int, ...]]:
        where = tuple(int(f.evaluate(at)) for f in read.index)
        if any(not 0 <= v < e.evaluate(self.sizes) for v, e in zip(where, read.tensor.shape, strict=True)):
            raise Undefined
        return read.tensor.name, where

    def entry(self, title: str, where: tuple[int, ...]) -> int:
        key = (title, where)
        if key not in self.known:
            definition = self.setting.definition(title)
            if definition is None:
                self.known[key] = random.Random(f"{self.seed} {key}").randrange(P)
            else:
                own = dict(zip((i.name for i in definition.indices), where, strict=True))
                self.known[key] = self.expr(definition.body, own)
        return self.known[key]

    def slope(self, title: str, where: tuple[int, ...], by: tuple[str, tuple[int, ...]]) -> int:
        """d entry / d entry of an input, by the product rule and the chain rule."""
        key = (title, where, by)
        if key in self.known:
            return self.known[key]
        definition = self.setting.definition(title)
        if definition is None:
            return int((title, where) == by)
        own = dict(zip((i.name for i in definition.indices), where, strict=True))
        total = 0
        for term in definition.body.terms:
            part = 0
            for inner in assignments(term.indices, self.sizes):
                at = {**self.sizes, **own, **inner}
                if not all(c.holds(at) for c in term.conditions):
                    continue
                for j, factor in enumerate(term.factors):
                    rest = self.product(term.factors[:j] + term.factors[j + 1 :], at)
                    part += rest * self.of_factor(factor, at, by)
            total += part * term.coefficient.numerator * pow(term.coefficient.denominator, -1, P)
        self.known[key] = total % P
        return total % P

    def of_factor(self, factor: Factor, at: Values, by: tuple[str, tuple[int, ...]]) -> int:
        if isinstance(factor, Apply):
            outer = slope_of(factor.function, self.factor(factor.of, at))
            return outer * self.slope(*self.place(factor.of, at), by) % P
        assert isinstance(factor, Read)
        return self.slope(*self.place(factor, at), by)


def assignments(indices: tuple[Index, ...], sizes: Values) -> Iterator[Values]:
    for choice in product(*(range(int(i.extent.evaluate(sizes))) for i in indices)):
        yield {i.name: v for i, v in zip(indices, choice, strict=True)}


def applied(function: str, x: int) -> int:
    if function == "recip":
        if x == 0:
            raise Undefined
        return pow(x, -1, P)
    if function.endswith("_prime"):
        return slope_of(function.removesuffix("_prime"), x)
    return sum(c * pow(x, n, P) for n, c in enumerate(POLYNOMIALS[function])) % P


def slope_of(function: str, x: int) -> int:
    if function == "recip":
        return -pow(applied(function, x), 2, P)
    return sum(n * c * pow(x, n - 1, P) for n, c in enumerate(POLYNOMIALS[function]) if n) % P


# ---- random settings and expressions ------------------------------------------------------------------


class Draw:
    """Random parts of the language, with few names so that they meet."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def indices(self, most: int, without: frozenset[str] = frozenset()) -> tuple[Index, ...]:
        free = [n for n in NAMES if n not in without]
        chosen = self.rng.sample(free, self.rng.randint(0, min(most, len(free))))
        return tuple(Index(n, self.rng.choice((N, M, N))) for n in chosen)

    def condition(self, indices: tuple[Index, ...]) -> Condition:
        form = Form.of(self.rng.randint(-1, 1))
        for i in self.rng.sample(indices, min(len(indices), 2)):
            form = form + i.form * self.rng.choice((-1, 1, 1))
        return Zero(form) if self.rng.random() < 0.6 else Within(form, self.rng.choice((N, M, N - 1)))

    def read(self, tensors: list[Tensor], indices: tuple[Index, ...]) -> Read | None:
        tensor = self.rng.choice(tensors)
        where = []
        for extent in tensor.shape:
            fit = [i.form for i in indices if i.extent == extent]
            fit += [Form.of(0), N - 1 - fit[0] if fit else Form.of(0)] if extent == N else []
            if not fit:
                return None
            where.append(self.rng.choice(fit))
        return Read(tensor, tuple(where))

    def factors(self, tensors: list[Tensor], indices: tuple[Index, ...], most: int) -> tuple[Factor, ...]:
        found: list[Factor] = []
        for _ in range(self.rng.randint(0, most)):
            read = self.read(tensors, indices)
            if read is not None:
                plain = self.rng.random() < 0.5
                found.append(read if plain else Apply(self.rng.choice((*POLYNOMIALS, "recip")), read))
                if self.rng.random() < 0.25:
                    found.append(found[-1])
        return tuple(found)

    def definition(self, title: str, tensors: list[Tensor]) -> Definition:
        own = self.indices(2)
        tensor = Tensor(title, tuple(i.extent for i in own), tuple((a,) for a in range(len(own))))
        terms = []
        for _ in range(self.rng.choice((1, 1, 2))):
            inner = self.indices(2, frozenset(i.name for i in own))
            both = (*own, *inner)
            held = tuple(self.condition(both) for _ in range(self.rng.choice((0, 0, 1))))
            scale = self.rng.choice((1, 2, -3))
            terms.append(Sum(inner, held, self.factors(tensors, both, 3), ONE_OF[scale]))
        return Definition(tensor, own, Expr(tuple(terms)))

    def setting(self) -> Setting:
        tensors, definitions = list(INPUTS), []
        for number in range(3):
            definitions.append(self.definition(f"t{number}", tensors))
            tensors.append(definitions[-1].tensor)
        return Setting(FACTS, INPUTS, tuple(definitions))

    def term(self, setting: Setting, free: tuple[Index, ...]) -> Sum:
        own = self.indices(3, frozenset(i.name for i in free))
        both = (*free, *own)
        tensors = [
            *setting.inputs,
            *(d.tensor for d in setting.definitions),
            *(d.tensor for d in setting.definitions),
        ]
        factors = list(self.factors(tensors, both, 3))
        of = self.read([d.tensor for d in setting.definitions], both)
        wrt = self.read(list(INPUTS), both)
        if of and wrt and self.rng.random() < 0.5:
            factors.append(Partial(of, wrt))
        held = tuple(self.condition(both) for _ in range(self.rng.choice((0, 0, 1, 2))))
        term = Sum(own, held, tuple(factors), ONE_OF[self.rng.choice((1, 2, -3))])
        return self.inverted(setting, term, both) if self.rng.random() < 0.5 else term

    def inverted(self, setting: Setting, term: Sum, both: tuple[Index, ...]) -> Sum:
        """The term with the inverse of a defined entry, and what may be its body, as further factors."""
        definition = self.rng.choice(setting.definitions)
        read = self.read([definition.tensor], both)
        body = self.rng.choice(definition.body.terms)
        if read is None:
            return term
        at = {i.name: f for i, f in zip(definition.indices, read.index, strict=True)}
        spare = [n for n in (*NAMES, "c", "d") if n not in {i.name for i in both} or self.rng.random() < 0.2]
        taken = self.rng.sample(spare, min(len(spare), len(body.indices)))
        if len(taken) < len(body.indices):
            return term
        renamed = {i.name: name(n) for i, n in zip(body.indices, taken, strict=True)}
        inner = substitute(body, {**at, **renamed})
        names = {i.name for i in term.indices}
        more = tuple(Index(n, i.extent) for i, n in zip(body.indices, taken, strict=True) if n not in names)
        extra = term.factors if self.rng.random() < 0.5 else ()
        held = term.conditions if self.rng.random() < 0.5 else ()
        factors = [Apply("recip", read), *inner.factors, *extra]
        if self.rng.random() < 0.3:
            self.rng.shuffle(factors)
        return Sum((*term.indices, *more), held, tuple(factors), term.coefficient)

    def expr(self, setting: Setting, free: tuple[Index, ...]) -> Expr:
        terms = [self.term(setting, free) for _ in range(self.rng.choice((1, 2)))]
        if self.rng.random() < 0.3:
            terms.append(replace(terms[0], coefficient=ONE_OF[self.rng.choice((1, -3))]))
        return Expr(tuple(terms))

    # ---- arguments ---------------------------------------------------------------------------------

    def arguments(self, context: Context, expr: Expr) -> tuple[str, dict[str, Any]]:
        rng = self.rng
        at = rng.randrange(len(expr.terms))
        term = expr.terms[at]
        rule = rng.choice(("chain", "unfold", "delta", "reindex", "guard", "cancel", "cancel", "collect"))
        bound = [i.name for i in term.indices] or ["i"]
        places = max(1, len(term.factors))
        if rule in ("chain", "unfold"):
            kind = Partial if rule == "chain" else Read
            fit = [j for j, f in enumerate(term.factors) if isinstance(f, kind)]
            spot = rng.choice(fit or [0])
            factor = term.factors[spot] if term.factors else None
            of = factor.of if isinstance(factor, Partial) else factor
            definition = context.setting.definition(of.tensor.name) if isinstance(of, Read) else None
            bodies = definition.body.terms if definition else ()
            fresh = tuple(tuple(self.fresh() for _ in b.indices) for b in bodies)
            return rule, {"term": at, "factor": spot, "fresh": fresh}
        if rule == "delta":
            fit = [j for j, c in enumerate(term.conditions) if c.names & set(bound)]
            return rule, {"term": at, "index": rng.choice(bound), "condition": rng.choice(fit or [0])}
        if rule == "reindex":
            index, new = rng.choice(bound), self.fresh()
            shift = self.condition((*context.free, *term.indices[:1])).form if rng.random() < 0.4 else N - 1
            sign = rng.choice((1, -1))
            forward = shift.substitute({index: Form.of(0)}) + name(new) * sign
            backward = (name(index) - shift.substitute({index: Form.of(0)})) * sign
            extent = rng.choice((N, M, N + 1))
            given = {"index": index, "new": new, "extent": extent, "forward": forward, "backward": backward}
            return rule, {"term": at, **given}
        if rule == "guard":
            both = (*context.free, *term.indices)
            kept = [c for c in term.conditions if rng.random() < 0.6]
            return rule, {
                "term": at,
                "conditions": (*kept, *(self.condition(both) for _ in range(rng.randint(0, 1)))),
            }
        if rule == "collect":
            return rule, {"term": at, "other": rng.randrange(len(expr.terms))}
        fit = [j for j, f in enumerate(term.factors) if isinstance(f, Apply) and f.function == "recip"]
        spot = rng.choice(fit or [0])
        inverse = term.factors[spot] if term.factors else None
        definition = (
            context.setting.definition(inverse.of.tensor.name) if isinstance(inverse, Apply) else None
        )
        count = len(definition.body.terms[0].factors) if definition else 1
        sums = len(definition.body.terms[0].indices) if definition else 1
        rest = [j for j in range(places) if j != spot]
        spare = (
            tuple(range(spot + 1, spot + 1 + count))
            if rng.random() < 0.6
            else tuple(rng.choices(rest or [0], k=count))
        )
        chosen = bound[-sums:] if rng.random() < 0.6 else rng.choices(bound, k=sums)
        return rule, {"term": at, "factor": spot, "spare": spare, "indices": tuple(chosen if sums else ())}

    def fresh(self) -> str:
        return self.rng.choice((*NAMES, "e", "g", "h", "u", "v"))


def shown(needed: list[Obligation], sizes: Values) -> bool:
    """Whether what is to be shown is so at these sizes."""
    for obligation in needed:
        names = sorted(
            (obligation.goal.names | frozenset().union(*(f.form.names for f in obligation.facts)))
            - sizes.keys()
        )
        top = max(sizes.values()) + 2
        for choice in product(range(top), repeat=len(names)):
            at = {**sizes, **dict(zip(names, choice, strict=True))}
            if all(f.holds(at) for f in obligation.facts) and obligation.goal.evaluate(at) < 0:
                return False
    return True


def compared(
    context: Context, rule: str, before: Expr, after: Expr, needed: list[Obligation], seed: int
) -> str:
    """ "same", "differs", or why there is nothing to compare."""
    found = "undefined"
    every = [{"N": n, "M": m} for n, m in SIZES]
    if not all(shown(needed, sizes) for sizes in every):
        return "not shown"
    for sizes in every if rule != "cancel" else [s for s in every if all(s.values())]:
        means = Meaning(context.setting, sizes, seed)
        for free in assignments(context.free, sizes):
            try:
                left = means.expr(before, free)
            except Undefined:
                continue
            try:
                right = means.expr(after, free)
            except Undefined:
                return "differs (undefined after)"
            if left != right:
                return "differs"
            found = "same"
    return found


def tried(seed: int, counts: Counter[tuple[str, str]]) -> None:
    draw = Draw(seed)
    setting = draw.setting()
    free = draw.indices(2)
    context, expr = Context(setting, free), draw.expr(setting, free)
    for _ in range(8):
        if (
            not expr.terms
            or len(expr.terms) > 6
            or any(len(t.indices) > 4 or len(t.factors) > 8 for t in expr.terms)
        ):
            return
        rule, arguments = draw.arguments(context, expr)
        try:
            after, needed = replay(context, expr, rule, arguments)
        except ProofError:
            counts[rule, "refused"] += 1
            continue
        if any(len(t.indices) > 4 for t in after.terms):
            return
        verdict = compared(context, rule, expr, after, needed, seed)
        counts[rule, verdict] += 1
        assert not verdict.startswith("differs"), (
            f"seed {seed}: {rule} {arguments}\n{setting}\n{expr}\n{after}"
        )
        if verdict != "not shown":
            expr = after


def test_accepted_steps_keep_the_value() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for seed in range(200):
        tried(seed, counts)
    for rule in ("chain", "unfold", "delta", "reindex", "guard", "cancel", "collect"):
        assert counts[rule, "same"] >= 1, counts


# ---- values that are not of the language --------------------------------------------------------------

X, OUTPUT, CLOSED = (Tensor(title, (N,), ((0,),)) for title in ("input", "output", "closed"))
PLACE = Index("i", N)
HERE = (PLACE.form,)
THIRD, NEARLY = Fraction(1, 3), Fraction(1 / 3)


def scaled(scale: Fraction, left: Expr, closed: Fraction) -> Argument:
    """For output = scale * input, an argument that output = closed * input."""
    bodies = {s: Expr((Sum((), (), (Read(X, HERE),), s),)) for s in (scale, closed)}
    setting = Setting((Fact(N - 1),), (X,), (Definition(OUTPUT, (PLACE,), bodies[scale]),))
    claim = Claim("output", setting, left, Definition(CLOSED, (PLACE,), bodies[closed]), OUTPUT)
    step = Step("unfold", {"term": 0, "factor": 0, "fresh": ((),)}, (), bodies[closed])
    return Argument(claim, (step,), (), (), {"N": 1, "i": 0})


def test_a_coefficient_that_is_rounded_is_refused() -> None:
    """1/3 * 1.0 is the nearest float to 1/3, which equals a fraction that is not 1/3."""
    exact = single(Read(OUTPUT, HERE))
    check(scaled(THIRD, exact, THIRD))
    with pytest.raises(ProofError, match="not what its rule gives"):
        check(scaled(THIRD, exact, NEARLY))
    floating: Any = 1.0
    with pytest.raises(ProofError, match="malformed value"):
        check(scaled(THIRD, Expr((replace(exact.terms[0], coefficient=floating),)), NEARLY))


ODD: tuple[Any, ...] = (None, 1, 1.5, "N", (), ("N",), Fraction(1), N, Index("z", N), Zero(N), {})


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_field_of_another_kind_is_refused(odd: Any) -> None:
    """Whatever stands where something else belongs is a refusal, not a fault of the checker."""
    argument = scaled(THIRD, single(Read(OUTPUT, HERE)), THIRD)
    claim = argument.claim
    body = claim.right.body.terms[0]
    claims = [
        replace(claim, left=odd),
        replace(claim, target=odd),
        replace(claim, right=replace(claim.right, indices=(odd,))),
        replace(claim, setting=replace(claim.setting, facts=(odd,))),
    ]
    for changed in (
        replace(body, factors=(odd,)),
        replace(body, conditions=(odd,)),
        replace(body, indices=(odd,)),
        replace(body, factors=(Read(X, (odd,)),)),
        replace(body, factors=(Apply("exp", odd),)),
        replace(body, factors=(Apply(odd, Read(X, HERE)),)),
    ):
        claims.append(replace(claim, right=replace(claim.right, body=Expr((changed,)))))
    for wrong in claims:
        with pytest.raises(ProofError):
            check(replace(argument, claim=wrong))


def test_names_that_a_value_keeps_are_not_believed() -> None:
    """A form whose kept names are emptied would stay as it is where something is put for its index."""
    argument = scaled(THIRD, single(Read(OUTPUT, HERE)), THIRD)
    stale = Form(PLACE.form.terms)
    vars(stale)["names"] = frozenset()
    body = Expr((Sum((), (), (Read(X, (stale,)),), THIRD),))
    setting = replace(argument.claim.setting, definitions=(Definition(OUTPUT, (PLACE,), body),))
    check(replace(argument, claim=replace(argument.claim, setting=setting)))
    assert stale.names == {"i"}


def test_a_claim_with_functions_is_not_unrolled() -> None:
    """The exhaustive comparison is for products of entries, and says so."""
    layer = parse_layer("ReLU()")
    claim = layer.claims(**layer.choices((2, 3)))["input"]
    with pytest.raises(ProofError, match="no product of entries"):
        compare(claim_at(claim, layer.sizes((2, 3))))


def test_a_coefficient_that_the_field_does_not_hold_is_refused() -> None:
    """Modulo the prime p, p + 1 is 1 and 1/p is nothing."""
    layer = parse_layer("ReLU()")
    claim = claim_at(layer.claims(**layer.choices((2, 3)))["input"], layer.sizes((2, 3)))
    (term,) = claim.right.body.terms
    for scale in (Fraction(PRIME + 1), Fraction(1, PRIME)):
        wrong = replace(claim.right, body=Expr((replace(term, coefficient=scale),)))
        with pytest.raises(LimitError, match="coefficient too large"):
            judge_with_field(replace(claim, right=wrong), np.random.default_rng(1))
