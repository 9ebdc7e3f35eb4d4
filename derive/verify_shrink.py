"""Owns the search for the smallest layer and shape at which a wrong function still fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, replace
from itertools import chain
from time import monotonic
from typing import Any

from derive.errors import LayerError
from derive.layers.base import Layer
from derive.verify_again import repeated
from derive.verify_call import Subject
from derive.verify_names import padding, short
from derive.verify_numbers import run_case
from derive.verify_run import Case, Outcome

SECONDS = 6.0
"""Time after which the smallest failure so far is taken."""
ORDER = (
    *("groups", "in_channels", "out_channels", "in_features", "out_features", "num_features", ""),
    *("kernel_size", "stride"),
)
"""Which arguments are lowered first; "" stands for the input's other axes."""
IN_WEIGHT = ("kernel_size", "in_channels", "out_channels", "in_features", "out_features", "num_features")
"""Arguments that a function sees in the shape of the weight."""
KEPT = frozenset({"bias", "ignore_index"})
"""Arguments that are no sizes."""
FROM_ZERO = ("padding", "output_padding")
RESOLVED = {"kernel_size": "kernel", "stride": "strides", "dilation": "dilations", "padding": "paddings"}
"""Properties in which a layer says an argument out in full."""
Move = tuple[Layer, tuple[int, ...]]


def lowered(case: Case, varies: frozenset[str]) -> Iterator[Case]:
    """Every case with one number lower, the lowest first; raises nothing, what does not fit is left out."""
    seen = {*varies, *(IN_WEIGHT if "weight" in case.shapes else ())}
    names = [f.name for f in fields(case.layer) if f.name in seen - KEPT]
    ranked = sorted({*names, ""}, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))
    moves = chain(_shorter(case, slice(0, 1)), *(_moves(case, name) for name in ranked))
    for layer, shape in moves:
        try:
            yield Case.of(layer, shape, case.kind)
        except LayerError:
            continue


def _shorter(case: Case, axes: slice) -> Iterator[Move]:
    """One axis of the input at a time; a second operand's other axes follow."""
    for axis in range(len(case.shape))[axes]:
        for length in _below(case.shape[axis], 1):
            shape = (*case.shape[:axis], length, *case.shape[axis + 1 :])
            other = getattr(case.layer, "other_shape", None)
            if other is not None and axis != case.numbers["dim"] % len(shape):
                changed: Any = {"other_shape": (*other[:axis], length, *other[axis + 1 :])}
                yield replace(case.layer, **changed), shape
            else:
                yield case.layer, shape


def _moves(case: Case, name: str) -> Iterator[Move]:
    if not name:
        yield from _shorter(case, slice(1, None))
        return
    layer: Any = case.layer
    value = getattr(layer, name)
    if name == "groups":
        for groups in _below(value, 1):
            into, out = (getattr(layer, n) // value * groups for n in ("in_channels", "out_channels"))
            yield from _changed(case, groups=groups, in_channels=into, out_channels=out)
    elif name in ("in_channels", "out_channels"):
        per = value // layer.groups
        yield from chain.from_iterable(_changed(case, **{name: v * layer.groups}) for v in _below(per, 1))
    else:
        full = getattr(layer, RESOLVED[name], value) if name in RESOLVED else value
        for lower in _lower(full, 0 if name in FROM_ZERO else 1):
            yield from _changed(case, **{name: lower if name == "other_shape" else short(lower)})
        default = next(f.default for f in fields(layer) if f.name == name)
        if isinstance(value, (bool, str)) and default is not MISSING and value != default:
            yield from _changed(case, **{name: default})


def _changed(case: Case, **changes: Any) -> Iterator[Move]:
    """The layer with other arguments, at the input shape that goes with them."""
    try:
        layer: Any = replace(case.layer, **changes)
    except LayerError:
        return
    old: Any = case.layer
    shape = list(case.shape)
    if "in_channels" in changes:
        shape[-len(getattr(layer, "tags", ())) - 1] = layer.in_channels
    if "in_features" in changes:
        shape[-1] = layer.in_features
    if "num_features" in changes:
        shape[1] = layer.num_features
    if "upscale_factor" in changes:
        shape[-3] = shape[-3] // old.upscale_factor**2 * layer.upscale_factor**2
    if "downscale_factor" in changes:
        shape[-2:] = [n // old.downscale_factor * layer.downscale_factor for n in shape[-2:]]
    yield layer, tuple(shape)


def _lower(value: Any, least: int) -> Iterator[Any]:
    """A number, or a tuple of them, with one lower; what all share stays shared, negative goes to 0."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, float):
        yield from (float(v) for v in _below(-int(-value // 1), least))
    elif isinstance(value, int):
        yield from _below(value, least) if value >= 0 else range(value + 1, 1)
    elif all(n is None or isinstance(n, (int, float)) for n in value):
        if len(set(value)) == 1:
            yield from _lower(value[0], least)
        else:
            yield from (
                (*value[:i], v, *value[i + 1 :]) for i, n in enumerate(value) for v in _lower(n, least)
            )
    elif len({n for pair in value for n in pair}) == 1:
        yield from _lower(value[0][0], least)
    else:
        for i, pair in enumerate(value):
            yield from (padding((*value[:i], p, *value[i + 1 :])) for p in _lower_one(pair, least))


def _lower_one(pair: tuple[int, int], least: int) -> Iterator[tuple[int, int]]:
    yield from ((v, pair[1]) for v in _below(pair[0], least))
    yield from ((pair[0], v) for v in _below(pair[1], least))


def _below(value: int, least: int) -> list[int]:
    return sorted({v for v in (least, least + 1, least + 2, value // 2, value - 1) if least <= v < value})


@dataclass(frozen=True)
class Found:
    """The smallest failing case, its outcome, and how many cases were run."""

    case: Case
    outcome: Outcome
    tries: int


def shrink(tried: Subject, case: Case, outcome: Outcome) -> Found:
    """The smallest failing case found.

    One number at a time is lowered as long as the same result still fails in the same way (wrong values,
    wrong shape or an exception); what remains fails at nothing smaller in any single number.
    """
    tries, until = 0, monotonic() + SECONDS
    improved = True
    while improved and monotonic() < until:
        improved = False
        for candidate in lowered(case, tried.varies):
            tries += 1
            found = _run(tried, candidate, outcome.later)
            if _alike(found, outcome, candidate, case):
                case, outcome, improved = candidate, found, True
                break
            if monotonic() > until:
                break
    return Found(case, outcome, tries)


def _run(tried: Subject, case: Case, later: bool) -> Outcome:
    """The first call of a case, or what `repeated` says of the later ones."""
    if not later:
        return run_case(tried, case)
    return repeated(tried, case) or Outcome(True, "", ())


def _alike(found: Outcome, wanted: Outcome, smaller: Case, larger: Case) -> bool:
    if found.ok or found.key != wanted.key or (found.got is None) != (wanted.got is None):
        return False
    if found.got is None or wanted.got is None:
        return found.fault.split(":")[0] == wanted.fault.split(":")[0]
    misshapen = found.got.shape != smaller.wanted[found.key], wanted.got.shape != larger.wanted[wanted.key]
    return misshapen[0] == misshapen[1]
