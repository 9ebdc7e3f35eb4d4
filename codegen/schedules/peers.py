"""Owns how peers cut the sums of a contraction, and whether ours round no more by the estimate.

PyTorch computes by oneDNN or by a matrix product (`by_product`, ATen's rule for one thread). oneDNN and ONNX
Runtime add up all taps of 16 channels one after another; a gradient by the weight, the places of one line. A
matrix product adds up channels, and adds taps together afterwards for a gradient by the input; of very many
terms it makes blocks. All this was found by comparing errors, which `python -m benchmarks.rounding` measures.
"""

from __future__ import annotations

from codegen.schedules.problem import Contraction
from codegen.schedules.rounding import HALF, KINDS, Kind, Levels, of_sum, of_winograd
from derive.toom import Transform

CHANNELS = 16
"""Of a block of oneDNN and ONNX Runtime."""
BLOCK = 128
"""Terms of a block of a matrix product, at least."""
DOUBLE = 8
"""Bytes."""
NATIVE = 20480
"""Elements of the input up to which PyTorch takes a matrix product."""
MANY = 16
"""Images from which it does so no more for single taps."""
WIDE = 3
"""Taps along both last axes beyond which it does not."""
WITHIN = 1.1
"""Times the estimate of Winograd's mean square error that kernels were found to err at most, but for few
channels and positive data, where peers' sums are far longer."""


def by_product(contraction: Contraction, element: int) -> bool:
    """Whether PyTorch computes a convolution's pass as a matrix product; oneDNN has none of doubles."""
    c = contraction
    if element == DOUBLE:
        return True
    if any(a.stride > 1 or a.dilation > 1 for a in c.axes):
        return False
    if c.taps == 1:
        return c.batch < MANY
    if c.groups > 1 or c.batch > 1:
        return False
    wide = len(c.axes) > 1 and all(a.taps > WIDE for a in c.axes[-2:])
    return not wide and _input(c) <= NATIVE


def _input(c: Contraction) -> int:
    """Elements of the layer's input, which a gradient by the input gives."""
    operands = (c.image, c.out, c.weight)
    return next((o.buffer.count for o in operands if o.buffer.name == "input"), c.out.buffer.count)


def cuts(contraction: Contraction, element: int) -> tuple[Levels, ...]:
    """How peers cut the sum, one entry for each way known; a product of doubles has no blocks."""
    c, product, backward = contraction, by_product(contraction, element), _backward(contraction)
    most = terms(c) if element == DOUBLE else BLOCK
    if c.result == "weight":
        return ((most if product or not c.axes else c.axes[-1].out,),)
    by_tap: tuple[Levels, ...] = ((c.ins,),) if product and backward else ()
    if c.taps == 1 and product:
        return ((most,),)
    if element == DOUBLE:
        return by_tap or ((most,),)
    return ((min(c.ins, CHANNELS) * c.taps,), *by_tap)


def _kinds(contraction: Contraction) -> tuple[Kind, ...]:
    """The kinds of data; gradients are not like a ReLU's results."""
    return tuple(k for k in KINDS if not (_backward(contraction) and k[1] is HALF))


def _backward(contraction: Contraction) -> bool:
    """Whether it is a gradient by the input."""
    return contraction.image.buffer.name == "grad_output"


def forward(contraction: Contraction) -> bool:
    """Whether it is a forward pass."""
    return contraction.result == "out" and not _backward(contraction)


def terms(contraction: Contraction) -> int:
    """Products of one sum."""
    c = contraction
    return c.batch * c.places if c.result == "weight" else c.ins * c.taps


def keeps(contraction: Contraction, element: int, levels: Levels) -> bool:
    """Whether a sum that is cut so errs no more than each peer's, for every kind of data."""
    count, ways, kinds = terms(contraction), cuts(contraction, element), _kinds(contraction)
    return all(of_sum(count, levels, kind) <= of_sum(count, way, kind) for kind in kinds for way in ways)


def keeps_fast(
    contraction: Contraction,
    element: int,
    over: tuple[Transform, Transform],
    levels: Levels,
    joined: int = 1,
    most: float = 1.0,
) -> bool:
    """Whether outputs of nested transforms do, their sums over channels cut so.

    Args:
        joined: taps of each channel that are terms of the sums.
        most: times a peer's root mean square error that is allowed.
    """
    ways = cuts(contraction, element)
    return _fast_within(contraction, over, levels, joined, most, ways)


def keeps_chain(
    contraction: Contraction, over: tuple[Transform, Transform], levels: Levels, joined: int
) -> bool:
    """Whether they err no more than one chain of all terms, as channels_last of many places adds them up."""
    return _fast_within(contraction, over, levels, joined, 1.0, ((terms(contraction),),))


def _fast_within(
    contraction: Contraction,
    over: tuple[Transform, Transform],
    levels: Levels,
    joined: int,
    most: float,
    ways: tuple[Levels, ...],
) -> bool:
    count, kinds = terms(contraction), _kinds(contraction)
    return all(
        WITHIN * of_winograd(over, contraction.ins * joined, levels, kind)
        <= most**2 * of_sum(count, way, kind)
        for kind in kinds
        for way in ways
    )
