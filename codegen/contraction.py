"""Owns the passage from a proved right side at sizes to contractions: which axes, strides and pads it has.

Every product of a convolution joins an entry of the image at x, one of the output side at o and a tap t with
x = stride * o + dilation * t - pad on each axis. The relation is read off the index forms of the right side,
its helpers opened, and compared with them at every value of the indices; what does not agree is none.
Which of the three tensors is computed decides the rest: at the output side and for the weight the relation is
used as it stands, at the image side there is one contraction for each phase of the stride.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import gcd, prod

from codegen.algebra import ranges_of
from codegen.joined import Forms, Relation, relation_of
from codegen.loops import Buffer
from codegen.opening import Helpers, book
from codegen.schedules.problem import Axis, Contraction, Operand
from codegen.stage import extents
from derive.claim import Claim
from derive.errors import LimitError
from derive.expr import Read, Sum
from derive.index import Form

LEADING = 3
"""Axes of a tensor before its places: batch, group and channel; of a weight group and two channels."""


@dataclass(frozen=True)
class Tensor:
    """One of the three tensors of a product: its buffer, shape and index forms."""

    buffer: Buffer
    shape: tuple[int, ...]
    index: tuple[Form, ...]

    def step(self, axis: int) -> int:
        """Elements from one to the next along an axis."""
        return prod(self.shape[axis + 1 :])


@dataclass(frozen=True)
class Trio:
    """A product with its three tensors told apart, and the added bias."""

    out: Tensor
    image: Tensor
    weight: Tensor
    relations: tuple[Relation, ...]
    bias: Operand | None = None


def contractions(key: str, claim: Claim, helpers: Helpers) -> tuple[Contraction, ...]:
    """The contractions that together compute a right side, each entry by one; empty where it is none.

    Entries of the result that no contraction computes (a phase without taps) are zero, or the bias alone.
    """
    trio = trio_of(key, claim, helpers)
    if trio is None:
        return ()
    result = {"weight": "weight"}.get(key, "out")
    whole = Contraction(
        *_counts(trio),
        tuple(_axis(trio, number, r) for number, r in enumerate(trio.relations)),
        _operand(trio.out, trio.relations, "k"),
        _operand(trio.image, trio.relations, "c"),
        _weight(trio),
        result,
        trio.bias,
    )
    return (whole,) if trio.image.buffer.name != "out" else tuple(_phases(trio, whole))


def trio_of(key: str, claim: Claim, helpers: Helpers) -> Trio | None:
    """The one product of a right side; None where it is another kind of expression."""
    right = claim.right
    try:
        terms = book(helpers).expression(right, guards=True).terms
    except LimitError:
        return None
    main = [t for t in terms if len(t.factors) == 2]
    rest = [t for t in terms if len(t.factors) != 2]
    if len(main) != 1 or len(rest) > 1 or any(t.coefficient != 1 for t in terms):
        return None
    reads = [f for f in main[0].factors if isinstance(f, Read) and f.tensor.name not in helpers]
    if len(reads) != 2 or len({r.tensor.name for r in reads}) != 2:
        return None
    shape = extents(right.tensor)
    result = Tensor(Buffer("out", prod(shape)), shape, right.left.index)
    tensors = [_read(r) for r in reads]
    weight = result if key == "weight" else next((t for t in tensors if t.buffer.name == "weight"), None)
    if weight is None:
        return None
    first, second = (t for t in (result, *tensors) if t is not weight)
    ranges = {**ranges_of(claim.indices), **ranges_of(main[0].indices)}
    for out, image in ((first, second), (second, first)):
        found = _trio(out, image, weight, main[0], ranges)
        if found is not None:
            return _biased(found, rest)
    return None


def _read(read: Read) -> Tensor:
    shape = extents(read.tensor)
    return Tensor(Buffer(read.tensor.name, prod(shape)), shape, read.index)


def _trio(out: Tensor, image: Tensor, weight: Tensor, term: Sum, ranges: dict[str, int]) -> Trio | None:
    if len(weight.shape) < LEADING:
        return _rows(out, image, weight, term)
    if not len(out.shape) == len(image.shape) == len(weight.shape):
        return None
    channels = {out.index[2], image.index[2]}
    same = out.index[0] == image.index[0] and out.index[1] == image.index[1] == weight.index[0]
    plain = all(len(f.names) <= 1 for t in (out, image, weight) for f in t.index[:LEADING])
    if not same or not plain or channels != set(weight.index[1:LEADING]):
        return None
    axes = range(LEADING, len(out.shape))
    names = [out.index[a].names | image.index[a].names | weight.index[a].names for a in axes]
    if any(sum(bool(c.names & n) for n in names) != 1 for c in term.conditions):
        return None
    found = []
    for axis, own in zip(axes, names, strict=True):
        conditions = [c for c in term.conditions if c.names & own]
        local = {n: ranges[n] for n in {*own, *(m for c in conditions for m in c.names)}}
        relation = relation_of(*_along(axis, out, image, weight), conditions, local)
        if relation is None:
            return None
        found.append(relation)
    return Trio(out, image, weight, tuple(found))


def _along(axis: int, *tensors: Tensor) -> tuple[Forms, tuple[int, int, int]]:
    """Forms and extents of the three tensors on an axis."""
    one, two, three = tensors
    forms = (one.index[axis], two.index[axis], three.index[axis])
    return forms, (one.shape[axis], two.shape[axis], three.shape[axis])


def _rows(out: Tensor, image: Tensor, weight: Tensor, term: Sum) -> Trio | None:
    """A matrix product over the last axis of all rows of its operand."""
    if len(weight.shape) != 2 or term.conditions or out.index[:-1] != image.index[:-1]:
        return None
    if weight.index not in ((out.index[-1], image.index[-1]), (image.index[-1], out.index[-1])):
        return None
    return Trio(_flat(out), _flat(image), replace(weight, shape=(1, *weight.shape)), ())


def _flat(tensor: Tensor) -> Tensor:
    """The rows of a tensor as its batch; the one group it has is in front of the channel."""
    return replace(tensor, shape=(prod(tensor.shape[:-1]), 1, tensor.shape[-1]))


def _biased(trio: Trio, rest: Sequence[Sum]) -> Trio | None:
    """With the entry that is added to each result; None where it is not one by group and channel."""
    if not rest:
        return trio
    term = rest[0]
    read = term.factors[0] if len(term.factors) == 1 else None
    if term.indices or term.conditions or not isinstance(read, Read):
        return None
    result = trio.out if trio.out.buffer.name == "out" else trio.image
    tensor, steps = _read(read), {}
    kinds = {"g": result.index[1], "k": result.index[2]} if trio.relations else {"k": result.index[-1]}
    for axis, form in enumerate(tensor.index):
        kind = next((n for n, f in kinds.items() if f == form), None)
        if kind is None and form.names:
            return None
        if kind is not None and form.names:
            steps[kind] = tensor.step(axis)
    return replace(trio, bias=Operand(tensor.buffer, 0, steps))


def _counts(trio: Trio) -> tuple[int, int, int, int]:
    """Batch, groups, channels of out, channels of the image."""
    return trio.out.shape[0], trio.out.shape[1], trio.out.shape[2], trio.image.shape[2]


def _axis(trio: Trio, number: int, r: Relation) -> Axis:
    at = LEADING + number
    steps = (trio.out.step(at), trio.weight.step(at), trio.image.step(at))
    return Axis(r.out, r.taps, r.image, r.stride, r.dilation, r.pad, *steps)


def _operand(tensor: Tensor, relations: Sequence[Relation], channel: str) -> Operand:
    kinds = ("n", "g", channel)
    return Operand(tensor.buffer, 0, {k: tensor.step(a) for a, k in enumerate(kinds) if tensor.shape[a] > 1})


def _weight(trio: Trio) -> Operand:
    """The weight's channel axes are told apart by the names that they share with the others."""
    index = trio.weight.index[-2:] if not trio.relations else trio.weight.index[1:LEADING]
    out = trio.out.index[-1] if not trio.relations else trio.out.index[2]
    first = "k" if index[0] == out else "c"
    kinds = ("g", first, "c" if first == "k" else "k")
    weight = trio.weight
    return Operand(weight.buffer, 0, {k: weight.step(a) for a, k in enumerate(kinds) if weight.shape[a] > 1})


def _phases(trio: Trio, whole: Contraction) -> Iterator[Contraction]:
    """The image side computed: for each phase of each axis a contraction of stride 1 over fewer taps."""
    choices = [list(_axis_phases(r, a)) for r, a in zip(trio.relations, whole.axes, strict=True)]
    for chosen in product(*choices):
        axes = tuple(axis for axis, _, _ in chosen)
        at = sum(start for _, start, _ in chosen)
        tap = sum(first for _, _, first in chosen)
        swap = {"k": "c", "c": "k", "n": "n", "g": "g"}
        out, image, weight = (
            Operand(o.buffer, o.base + shift, {swap[k]: v for k, v in o.steps.items()})
            for o, shift in ((whole.image, at), (whole.out, 0), (whole.weight, tap))
        )
        yield replace(whole, outs=whole.ins, ins=whole.outs, axes=axes, out=out, image=image, weight=weight)


def _axis_phases(r: Relation, axis: Axis) -> Iterator[tuple[Axis, int, int]]:
    """The phases of an axis that have taps: the axis, where its results begin, where its taps begin.

    At x = stride * q + phase the taps are those with dilation * t = phase + pad modulo the stride; they are
    counted from the last, so that places of the other side grow with them.
    """
    common = gcd(r.stride, r.dilation)
    apart, closer = r.stride // common, r.dilation // common
    for phase in range(min(r.stride, r.image)):
        taps = [t for t in range(r.taps) if (phase + r.pad - r.dilation * t) % r.stride == 0]
        if not taps:
            continue
        count, last = len(taps), taps[-1]
        assert taps == list(range(taps[0], last + 1, apart))
        pad = -((phase + r.pad - r.dilation * last) // r.stride)
        found = Axis(
            -(-(r.image - phase) // r.stride),
            count,
            r.out,
            1,
            closer,
            pad,
            axis.image_step * r.stride,
            -axis.tap_step * apart,
            axis.out_step,
        )
        yield found, phase * axis.image_step, last * axis.tap_step
