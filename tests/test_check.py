"""The checker of arguments: it accepts the convolution's theorems and refuses every sabotage of them."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import pytest
from evaluate import Evaluator, OutOfBounds, draw
from mutants import MUTANTS, mutant_claim

from derive.certify import Obligation, certified
from derive.check import check, upkeep
from derive.claim import Argument, Certificate, Claim, Fact
from derive.equality import same
from derive.errors import ProofError
from derive.expr import Expr, Read, Sum
from derive.index import ONE, Form, Index, Within, Zero, name
from derive.instance import claim_at
from derive.layers.conv import Conv2d
from derive.oracle import Oracle, stored_oracle
from derive.proof import Theorem, theorem
from derive.search import search
from derive.steps import Context, replay
from derive.strategy import argue

ODD = {"stride": (2, 3), "padding": ((1, 2), (0, 1)), "dilation": (2, 1), "groups": 2}
LAYER, SHAPE = Conv2d(4, 6, (2, 3), **ODD), (2, 4, 8, 7)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def arguments() -> dict[str, Argument]:
    return {key: argue(claim, stored_oracle()) for key, claim in Conv2d.claims().items()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_all_sizes_with_stored_certificates(bias: bool, batched: bool) -> None:
    for claim in Conv2d.claims(bias=bias, batched=batched).values():
        assert theorem(argue(claim, stored_oracle())).claim == claim


def test_leftovers_are_present() -> None:
    sizes = LAYER.sizes(SHAPE)
    assert sizes["r_h"] == 0 and sizes["r_w"] == 2


@pytest.mark.parametrize("kind", MUTANTS, ids=lambda k: k.__name__)
def test_mutant_is_live_and_refused_for_all_sizes(kind: type) -> None:
    claim = mutant_claim(kind)
    assert wrong_somewhere(claim), f"{kind.__name__} is not a mutant: it changes nothing"
    with pytest.raises(ProofError):
        theorem(argue(claim, Oracle({}, search)))


SHAPES = (
    (LAYER, SHAPE),
    (Conv2d(2, 3, 3, stride=3, dilation=2, padding=1), (2, 2, 9, 10)),
    (Conv2d(3, 2, 2, padding=1), (2, 3, 4, 3)),
)


def wrong_somewhere(claim: Claim) -> bool:
    """Whether the mutant differs from the derivative at one of a few sizes (or reads outside a tensor)."""
    for layer, shape in SHAPES:
        at = claim_at(claim, layer.sizes(shape))
        if at.right.tensor.shape != at.target.shape:
            return True
        try:
            values = Evaluator(at, draw(at, random.Random(5)))
            entries = list(values.right().items())
        except OutOfBounds:
            return True
        picked = random.Random(7).sample(entries, min(40, len(entries)))
        names = [i.name for i in at.indices]
        if any(values.value(at.left, dict(zip(names, where, strict=True))) != v for where, v in picked):
            return True
    return False


def test_the_right_claims_are_not_wrong_anywhere() -> None:
    for claim in Conv2d.claims().values():
        assert not wrong_somewhere(claim)


# ---- sabotage of arguments -----------------------------------------------------------------------


def refused(argument: Argument) -> str:
    with pytest.raises(ProofError) as refusal:
        check(argument)
    return str(refusal.value)


def test_missing_step(arguments: dict[str, Argument]) -> None:
    for argument in arguments.values():
        for i in range(len(argument.left_steps)):
            refused(replace(argument, left_steps=argument.left_steps[:i] + argument.left_steps[i + 1 :]))
        for i in range(len(argument.right_steps)):
            refused(replace(argument, right_steps=argument.right_steps[:i] + argument.right_steps[i + 1 :]))


def test_swapped_steps(arguments: dict[str, Argument]) -> None:
    steps = arguments["input"].left_steps
    for i in range(len(steps) - 1):
        refused(replace(arguments["input"], left_steps=(*steps[:i], steps[i + 1], steps[i], *steps[i + 2 :])))


def test_forged_result(arguments: dict[str, Argument]) -> None:
    argument = arguments["input"]
    last = argument.left_steps[-1]
    forged = Expr((replace(last.after.terms[0], coefficient=Fraction(2)),))
    assert "not what its rule gives" in refused(
        replace(argument, left_steps=(*argument.left_steps[:-1], replace(last, after=forged)))
    )


def test_dropped_hypothesis(arguments: dict[str, Argument]) -> None:
    """Without the output-length equation, and without each fact that a certificate uses, nothing follows."""
    argument = arguments["input"]
    setting = argument.claim.setting
    equation = next(i for i, f in enumerate(setting.facts) if f.equal)
    facts = setting.facts[:equation] + setting.facts[equation + 1 :]
    claim = replace(argument.claim, setting=replace(setting, facts=facts))
    refused(replace(argument, claim=claim))
    with pytest.raises(ProofError):
        theorem(argue(claim, Oracle({}, search)))


def test_vacuous_hypotheses(arguments: dict[str, Argument]) -> None:
    """A contradiction among the hypotheses proves everything; the witness cannot satisfy it."""
    argument = arguments["bias"]
    setting = argument.claim.setting
    facts = (*setting.facts, Fact(Form.of(-1)))
    claim = replace(argument.claim, setting=replace(setting, facts=facts))
    assert "fail at the witness" in refused(replace(argument, claim=claim))


def test_empty_guard(arguments: dict[str, Argument]) -> None:
    """A normal form whose guard is nowhere open is refused at the witness."""
    argument = arguments["input"]
    assert "witness" in refused(replace(argument, witness={**argument.witness, "o_h": 5}))
    assert "leaves names open" in refused(replace(argument, witness={}))


def test_certificates_are_needed_and_exact(arguments: dict[str, Argument]) -> None:
    argument = arguments["input"]
    assert argument.upkeep
    refused(replace(argument, upkeep=argument.upkeep[1:]))
    refused(replace(argument, upkeep=(Certificate(()), *argument.upkeep[1:])))
    first = argument.upkeep[0]
    doubled = tuple((str(2 * Fraction(c)), numbers) for c, numbers in first.products)
    refused(replace(argument, upkeep=(replace(first, products=doubled), *argument.upkeep[1:])))


def test_certificate_arithmetic() -> None:
    facts = (Fact(name("a") - 1), Fact(name("b") - 1), Fact(name("a") - name("c"), equal=True))
    goal = name("a") * name("b") - 1
    proof = search(Obligation(facts, goal, ""))
    assert proof is not None and certified(Obligation(facts, goal, ""), proof)
    assert search(Obligation(facts, goal - 1, "")) is None
    false = Obligation(facts, Form.of(-1), "")
    for text in ("nan", "inf", "1/0", "1e9", "", "1e300000000", "\u0663"):
        with pytest.raises(ProofError, match="not a rational"):
            certified(false, Certificate(((text, (0,)),)))
    assert not certified(false, Certificate((("1", (0,) * 40),)))
    assert not certified(false, Certificate((("-1", (0,)),)))
    assert not certified(false, Certificate((("1", (7,)),)))
    assert not certified(false, Certificate((), ((0, (((), "1"),)),)))


def test_no_false_statement_has_a_certificate() -> None:
    """Search on random false goals finds nothing (a goal that fails at a model of the facts)."""
    rng = random.Random(11)
    a, b, c = map(name, "abc")
    facts = (Fact(a - 1), Fact(b - 1), Fact(c), Fact(a + b - c - 2, equal=True))
    models = [{"a": x, "b": y, "c": x + y - 2} for x in range(1, 6) for y in range(1, 6)]
    tried = 0
    while tried < 40:
        goal = sum((rng.randint(-3, 3) * m for m in (a, b, c, a * b, ONE)), Form())
        if any(goal.evaluate(m) < 0 for m in models):
            tried += 1
            assert search(Obligation(facts, goal, "")) is None


# ---- what the judge must refuse --------------------------------------------------------------------


def changed(claim: Claim, **right: object) -> Claim:
    return replace(claim, right=replace(claim.right, **right))


def malformed(claim: Claim) -> str:
    with pytest.raises(ProofError) as refusal:
        argue(claim, Oracle({}, search))
        theorem(argue(claim, Oracle({}, search)))
    return str(refusal.value)


def test_right_side_covers_fewer_entries() -> None:
    claim = Conv2d.claims()["bias"]
    short = tuple(Index(i.name, i.extent - 1) for i in claim.indices)
    shape = tuple(i.extent for i in short)
    malformed(changed(claim, indices=short, tensor=replace(claim.right.tensor, shape=shape)))
    one = Index("g", claim.indices[0].extent)
    read = claim.right.body.terms[0].factors[0]
    first = replace(read, index=(*read.index[:2], ONE - 1, *read.index[3:]))  # type: ignore[union-attr]
    body = Expr((replace(claim.right.body.terms[0], factors=(first,)),))
    tensor = replace(claim.right.tensor, shape=claim.right.tensor.shape[:1], layout=((0,),))
    assert "covers other entries" in malformed(changed(claim, indices=(one,), tensor=tensor, body=body))


@pytest.mark.parametrize("title", ["grad_output", "bordered"])
def test_read_outside_a_tensor(title: str) -> None:
    """Of an input and of a helper: one row too far."""
    claim = Conv2d.claims()["input" if title == "bordered" else "bias"]
    (term,) = claim.right.body.terms
    factors = tuple(
        replace(f, index=(*f.index[:-1], f.index[-1] + 1)) if f.tensor.name == title else f  # type: ignore[union-attr]
        for f in term.factors
    )
    message = malformed(changed(claim, body=Expr((replace(term, factors=factors),))))
    assert "inside" in message and title in message


def test_helper_that_redefines_an_input() -> None:
    claim = Conv2d.claims()["input"]
    spread = claim.setting.definition("spread")
    assert spread is not None
    forged = replace(spread, tensor=replace(spread.tensor, name="grad_output"))
    setting = replace(claim.setting, definitions=(*claim.setting.definitions, forged))
    assert "defined twice" in malformed(replace(claim, setting=setting))


def test_circular_helper() -> None:
    claim = Conv2d.claims()["input"]
    spread = claim.setting.definition("spread")
    assert spread is not None
    circle = replace(spread, body=Expr((Sum((), (), (spread.left,)),)))
    definitions = tuple(circle if d == spread else d for d in claim.setting.definitions)
    assert "not defined before it" in malformed(
        replace(claim, setting=replace(claim.setting, definitions=definitions))
    )


def test_captured_index_name() -> None:
    claim = Conv2d.claims()["input"]
    (term,) = claim.right.body.terms
    captured = tuple(Index("i_h", i.extent) if i.name == "b_h" else i for i in term.indices)
    assert "captured" in malformed(changed(claim, body=Expr((replace(term, indices=captured),))))
    sized = tuple(Index("s_h", i.extent) if i.name == "b_h" else i for i in term.indices)
    assert "captured" in malformed(changed(claim, body=Expr((replace(term, indices=sized),))))


def test_capture_inside_a_step(arguments: dict[str, Argument]) -> None:
    argument = arguments["input"]
    first, *rest = argument.left_steps
    for fresh in ((("n", "g'", "k", "o_h", "o_w"),), (("k", "k", "g'", "o_h", "o_w"),)):
        forged = replace(first, arguments={**first.arguments, "fresh": fresh})
        assert "captured" in refused(replace(argument, left_steps=(forged, *rest)))


@pytest.mark.parametrize("place", [-1, 7, True, "0", None, 1.0])
@pytest.mark.parametrize("field", ["term", "factor"])
def test_places_are_counted_from_zero(arguments: dict[str, Argument], field: str, place: object) -> None:
    """A negative place would splice a term twice."""
    argument = arguments["input"]
    first, *rest = argument.left_steps
    forged = replace(first, arguments={**first.arguments, field: place})
    assert "no such place" in refused(replace(argument, left_steps=(forged, *rest)))


def test_left_side_must_be_the_derivative() -> None:
    claim = Conv2d.claims()["bias"]
    assert "left side is not" in malformed(
        replace(claim, left=Expr((replace(claim.left.terms[0], coefficient=Fraction(1, 2)),)))
    )


def test_equality_compares_conditions_and_multiplicity() -> None:
    i, n = Index("i", name("n")), name("n")
    tensor = Conv2d.claims()["bias"].target
    read = Read(tensor, (name("i"), name("i")))
    plain = Sum((i,), (), (read,))
    guarded = Sum((i,), (Within(name("i") - 1, n),), (read,))
    other = Sum((i,), (Zero(name("i") - 1),), (read,))
    assert same(
        Expr((plain,)),
        Expr((replace(plain, indices=(Index("j", n),), factors=(Read(tensor, (name("j"), name("j"))),)),)),
    )
    assert not same(Expr((plain,)), Expr((guarded,)))
    assert not same(Expr((guarded,)), Expr((other,)))
    assert not same(Expr((plain,)), Expr((plain, plain)))
    assert not same(Expr((replace(plain, factors=(read, read)),)), Expr((plain,)))
    free = Sum((i,), (), (Read(tensor, (name("j"), name("i"))),))
    captured = Sum((Index("j", n),), (), (Read(tensor, (name("j"), name("j"))),))
    assert not same(Expr((free,)), Expr((captured,)))


def test_a_theorem_cannot_be_made_by_hand(arguments: dict[str, Argument]) -> None:
    """Neither directly, nor by copying one with another claim, nor by a subclass that skips the check."""
    good = theorem(arguments["bias"])
    with pytest.raises(ProofError):
        Theorem(replace(arguments["bias"], left_steps=()))
    with pytest.raises(ProofError):
        replace(good, argument=replace(good.argument, claim=changed(good.claim, body=Expr(()))))
    with pytest.raises(TypeError):
        type("Forged", (Theorem,), {})


def test_change_of_variable_to_an_extent_that_depends_on_an_index() -> None:
    """An extent naming a summed index dangles once that index is gone."""
    setting = Conv2d.claims()["bias"].setting
    read = Read(setting.inputs[-1], tuple(map(name, ("n", "g", "k", "o_h", "o_w"))))
    term = Sum(
        tuple(Index(str(f), e) for f, e in zip(read.index, read.tensor.shape, strict=True)), (), (read,)
    )
    context = Context(setting, ())
    moved = {"term": 0, "index": "o_w", "new": "x", "forward": name("x"), "backward": name("o_w")}
    replay(context, Expr((term,)), "reindex", moved | {"extent": name("W_out")})
    with pytest.raises(ProofError, match="more than sizes"):
        replay(context, Expr((term,)), "reindex", moved | {"extent": name("W_out") + name("o_h")})


@pytest.mark.parametrize("fresh", ["a*b", "", "3", 3, float("nan"), "x" * 99, "a b", "\u0661"])
def test_names_are_names(arguments: dict[str, Argument], fresh: object) -> None:
    argument = arguments["input"]
    first, *rest = argument.left_steps
    names = (fresh, *first.arguments["fresh"][0][1:])
    forged = replace(first, arguments={**first.arguments, "fresh": (names,)})
    assert "not a name" in refused(replace(argument, left_steps=(forged, *rest)))


def test_zero_is_provable() -> None:
    """A gradient that is zero everywhere: no term in the normal form."""
    claim = Conv2d.claims()["bias"]
    loss = claim.setting.definitions[-1]
    silent = replace(loss, body=Expr(()))
    definitions = (*claim.setting.definitions[:-1], silent)
    zero = replace(changed(claim, body=Expr(())), setting=replace(claim.setting, definitions=definitions))
    assert theorem(argue(zero, stored_oracle())).claim == zero


def test_upkeep_asks_something() -> None:
    assert any(o.about.endswith("covers every entry of the left") for o in upkeep(Conv2d.claims()["input"]))


def test_only_plain_values_are_looked_at(arguments: dict[str, Argument]) -> None:
    """A form with halves proves what integers do not; a list can change after the proof."""
    argument = arguments["bias"]
    half = Form(((("N",), Fraction(1, 2)),))  # type: ignore[arg-type]
    unsorted = Form((((("N",), 1)), ((), 1)))
    for form in (half, unsorted):
        setting = replace(argument.claim.setting, facts=(*argument.claim.setting.facts, Fact(form)))
        assert "malformed form" in refused(replace(argument, claim=replace(argument.claim, setting=setting)))
    body = Expr(list(argument.claim.right.body.terms))  # type: ignore[arg-type]
    assert "malformed value" in refused(replace(argument, claim=changed(argument.claim, body=body)))


def test_layouts_of_the_two_sides_agree() -> None:
    claim = Conv2d.claims()["input"]
    tensor = replace(claim.right.tensor, layout=((0,), (1, 2), (4,), (3,)))
    assert "laid out differently" in malformed(changed(claim, tensor=tensor))


def test_too_many_renamings_are_refused() -> None:
    n = name("n")
    many = tuple(Index(f"i{j}", n) for j in range(12))
    with pytest.raises(ProofError, match="too many"):
        same(Expr((Sum(many, (), ()),)), Expr((Sum(many, (), ()),)))


def test_an_instance_holds_its_hypotheses_and_no_index_is_a_size() -> None:
    claim, sizes = Conv2d.claims()["input"], LAYER.sizes(SHAPE)
    assert claim_at(claim, {**sizes, "n": 7}) == claim_at(claim, sizes)
    with pytest.raises(ProofError, match="hypotheses"):
        claim_at(claim, {**sizes, "r_h": 5})
    with pytest.raises(ProofError, match="no value"):
        claim_at(claim, {k: v for k, v in sizes.items() if k != "s_h"})
