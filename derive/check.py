"""The verdict on an argument: its claim is well formed, every step replays, every certificate holds. Trusted.

With `index.py`, `expr.py`, `claim.py`, `certify.py` and `steps.py` this is all that is believed of a proof
for all sizes; the rules that propose steps and the search that finds certificates can be wrong without
harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from types import NoneType
from typing import Any

from derive.certify import Obligation, discharge, known, refuse, to_show
from derive.claim import Argument, Certificate, Claim, Fact, Setting, Step
from derive.equality import same
from derive.expr import Apply, Definition, Expr, Factor, Partial, Read, Sum, Tensor, single
from derive.functions import PARAMETERS
from derive.index import Form, Index, Within, Zero
from derive.steps import Context, is_name, replay, sizes_of


def upkeep(claim: Claim) -> list[Obligation]:
    """What a claim needs to be well formed: reads inside their tensors, shapes equal; raises on others."""
    setting = claim.setting
    if odd := [n for n in sizes_of(setting) if not is_name(n)]:
        raise refuse("not a name", "sizes", got=repr(odd)[:60])
    seen: dict[str, Tensor] = {}
    for tensor in setting.inputs:
        _declare(seen, tensor)
    needed: list[Obligation] = []
    for definition in (*setting.definitions, claim.right):
        needed += _definition_upkeep(setting, seen, definition)
        _declare(seen, definition.tensor)
    if claim.target.name == claim.right.tensor.name or seen.get(claim.target.name) != claim.target:
        raise refuse("target is not a tensor of the setting", claim.target.name)
    entry = Read(claim.target, tuple(i.form for i in claim.indices))
    if len(claim.indices) != len(claim.target.shape):
        raise refuse("right side covers other entries than the left", claim.name, str(claim.target))
    if claim.right.tensor.layout != claim.target.layout:
        raise refuse("the two sides are laid out differently", claim.name, str(claim.target.layout))
    facts = setting.facts
    for i, extent in zip(claim.indices, claim.target.shape, strict=True):
        needed += to_show(facts, Zero(i.extent - extent), "the right side covers every entry of the left")
    if claim.left not in (single(entry), *(single(Partial(loss, entry)) for loss in _scalars(setting))):
        raise refuse(
            "left side is not an entry or a derivative of a loss by it", claim.name, got=str(claim.left)
        )
    return needed


def _scalars(setting: Setting) -> list[Read]:
    return [Read(d.tensor, ()) for d in setting.definitions if not d.tensor.shape]


def _declare(seen: dict[str, Tensor], tensor: Tensor) -> None:
    if not is_name(tensor.name):
        raise refuse("not a name", "tensor", got=repr(tensor.name)[:60])
    if tensor.name in seen:
        raise refuse("tensor defined twice", tensor.name, "a new name", str(tensor))
    axes = [axis for group in tensor.layout for axis in group]
    if len(set(axes)) != len(axes) or not set(axes) <= {*range(len(tensor.shape))}:
        raise refuse("layout does not fit the tensor", tensor.name, str(tensor), str(tensor.layout))
    seen[tensor.name] = tensor


def _definition_upkeep(
    setting: Setting, seen: Mapping[str, Tensor], definition: Definition
) -> list[Obligation]:
    title, sizes = definition.tensor.name, sizes_of(setting)
    own = [i.name for i in definition.indices]
    if not all(map(is_name, own)):
        raise refuse("not a name", title, "indices named by letters, digits, _ and '", repr(own)[:60])
    if len(own) != len(definition.tensor.shape) or len(set(own)) != len(own) or set(own) & sizes:
        raise refuse("indices do not fit the tensor", title, str(definition.tensor), ", ".join(own))
    needed: list[Obligation] = []
    for i, extent in zip(definition.indices, definition.tensor.shape, strict=True):
        needed += to_show(setting.facts, Zero(i.extent - extent), f"{title} is defined on its whole shape")
    for term in definition.body.terms:
        inner = [i.name for i in term.indices]
        if type(term.coefficient) is not Fraction or not all(map(is_name, inner)):
            raise refuse("malformed term", title, "a rational coefficient, names of indices", str(term)[:100])
        if len(set(inner)) != len(inner) or set(inner) & ({*own} | sizes):
            raise refuse("captured index name", title, "fresh names", ", ".join(inner))
        extents = [i.extent for i in (*definition.indices, *term.indices)]
        if (
            not frozenset().union(*(e.names for e in extents)) <= sizes
            or not term.names <= {*own, *inner} | sizes
        ):
            raise refuse("unknown name", title, got=str(term))
        facts = known(setting, (*definition.indices, *term.indices), term.conditions)
        for factor in term.factors:
            needed += _read_upkeep(seen, facts, factor, title)
    return needed


def _read_upkeep(
    seen: Mapping[str, Tensor], facts: tuple[Fact, ...], factor: Factor, title: str
) -> list[Obligation]:
    if isinstance(factor, Apply):
        if factor.function not in PARAMETERS:
            raise refuse("no such function", title, ", ".join(PARAMETERS), factor.function)
        factor = factor.of
    if not isinstance(factor, Read) or seen.get(factor.tensor.name) != factor.tensor:
        raise refuse("reads what is not defined before it", title, got=str(factor))
    if len(factor.index) != len(factor.tensor.shape):
        raise refuse("wrong number of indices", title, str(factor.tensor), str(factor))
    about = f"{factor} is inside {factor.tensor}"
    return [
        o
        for position, extent in zip(factor.index, factor.tensor.shape, strict=True)
        for o in to_show(facts, Within(position, extent), about)
    ]


PREDICATES = (Zero, Within)
FACTORS = (Read, Partial, Apply)
PARTS: Mapping[type, tuple[Any, ...]] = {
    Argument: (Claim, [Step], [Step], [Certificate], dict),
    Claim: (str, Setting, Expr, Definition, Tensor),
    Setting: ([Fact], [Tensor], [Definition]),
    Fact: (Form, bool),
    Definition: (Tensor, [Index], Expr, str),
    Tensor: (str, [Form], [tuple]),
    Expr: ([Sum],),
    Sum: ([Index], [*PREDICATES], [*FACTORS], Fraction),
    Read: (Tensor, [Form]),
    Partial: (Read, Read),
    Apply: (str, Read),
    Index: (str, Form),
    Zero: (Form,),
    Within: (Form, Form),
    Step: (str, dict, [Certificate], Expr, str),
    Certificate: ([tuple], [tuple]),
}
"""Of what kind each field of a value is; a list stands for a tuple of values of one of its kinds."""


def _fits(part: Any, kind: Any) -> bool:
    if type(kind) is list:
        return type(part) is tuple and all(type(p) in kind for p in part)
    return type(part) is kind


def _plain(value: Any, seen: set[int]) -> None:
    """Only the language's own immutable values, each field of its kind: no lists, no subclasses.

    What a value keeps beside its fields (cached names) is forgotten, so that it is computed anew.
    `seen` holds the identities of what was found plain; the argument keeps all of it alive and unchanged.
    """
    if id(value) in seen:
        return
    kind = type(value)
    parts: Iterable[Any]
    if kind is Form or kind in PARTS:
        for kept in vars(value).keys() - {f.name for f in fields(kind)}:
            del vars(value)[kept]
    if kind is Form:
        if any(type(c) is not int for _, c in value.terms) or Form.collect(value.terms) != value:
            raise refuse("malformed form", "argument", got=repr(value)[:100])
        parts = (m for m, _ in value.terms)
    elif kind in PARTS:
        parts = tuple(getattr(value, f.name) for f in fields(kind))
        if not all(map(_fits, parts, PARTS[kind])):
            raise refuse("malformed value", "argument", got=repr(value)[:100])
    elif kind is tuple:
        parts = value
    elif kind is dict:
        parts = (*value.keys(), *value.values())
    elif kind in (str, int, bool, Fraction, NoneType, float):
        return
    else:
        raise refuse("not a plain value", "argument", got=kind.__name__)
    for part in parts:
        _plain(part, seen)
    if kind in (Form, Sum, Expr):
        seen.add(id(value))


def check(argument: Argument) -> None:
    """Raise ProofError unless the argument proves its claim; returning is the proof."""
    _plain(argument, set())
    claim = argument.claim
    discharge(upkeep(claim), argument.upkeep, f"{claim.name}: reads and shapes")
    context = Context(claim.setting, claim.indices)
    left = _walk(context, claim.left, argument.left_steps, f"{claim.name}, definition side")
    right = _walk(context, claim.right.body, argument.right_steps, f"{claim.name}, closed-form side")
    if not same(left, right):
        raise refuse("the two sides do not meet", claim.name, str(left), str(right))
    _not_vacuous(context, left, argument.witness)


def _walk(context: Context, start: Expr, steps: Sequence[Step], where: str) -> Expr:
    current = start
    for number, step in enumerate(steps, start=1):
        spot = f"{where}, step {number} ({step.rule})"
        after, needed = replay(context, current, step.rule, step.arguments)
        if after != step.after:
            raise refuse("step is not what its rule gives", spot, str(after), str(step.after))
        discharge(needed, step.certificates, spot)
        current = after
    return current


def _not_vacuous(context: Context, normal: Expr, witness: Mapping[str, int]) -> None:
    """The hypotheses hold at the witness, and the first term's guard is open there (if there is a term)."""
    term = normal.terms[0] if normal.terms else Sum((), (), ())
    indices = (*context.free, *term.indices)
    if not all(type(value) is int for value in witness.values()):
        raise refuse("witness is not made of whole numbers", "hypotheses", got=str(dict(witness))[:100])
    missing = (sizes_of(context.setting) | {i.name for i in indices}) - witness.keys()
    if missing:
        raise refuse("witness leaves names open", "hypotheses", ", ".join(sorted(missing)))
    failed = [f for f in known(context.setting, indices, term.conditions) if not f.holds(witness)]
    if failed:
        raise refuse(
            "hypotheses or guard fail at the witness", "hypotheses", str(failed[0]), str(dict(witness))
        )
