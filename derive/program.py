"""Owns the third reference: the closed forms of a convolution executed on arrays of symbol numbers.

Zero-insert, pad (crop where the border is negative), flip, exchange channel axes, slide windows: each is
one array operation on the numbers 1, 2, ... that stand for the entries of an operand (0 stands for a
zero). Only the layer's own parameters enter; no index arithmetic of the statements is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from random import Random
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from derive.errors import ProofError
from derive.exhaust_codes import Rows
from derive.exhaust_plan import Chunk, Plan, Side
from derive.exhaust_rows import sizes
from derive.expr import Tensor
from derive.index import Form

Array = NDArray[np.int64]
BLOCK = 1_000_000
"""Pairs collected at a time."""


class Convolution(Protocol):
    """What a layer must say to be run as an array program; one value each spatial axis."""

    @property
    def groups(self) -> int: ...
    @property
    def kernel(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def dilations(self) -> tuple[int, ...]: ...
    @property
    def paddings(self) -> tuple[tuple[int, int], ...]: ...


@dataclass(frozen=True)
class Program:
    """Windows of symbol numbers, aligned so that entry by entry their products are summed.

    Attributes:
        shape: the user's shape of the gradient.
        operands: names of the two tensors multiplied (one for the bias).
    """

    shape: tuple[int, ...]
    operands: tuple[str, ...]
    first: Array
    second: Array | None
    channels: tuple[int, int]
    kind: str

    def pairs(self, entries: Array) -> Array:
        """Sorted rows (entry, address in operand 0, address in operand 1) of the given flat entries.

        int64, shape (number of monomials, 1 + number of operands); an address is row-major.
        """
        cost = max(1, prod(self.first.shape) // max(1, self.first.shape[1] * self.first.shape[2]))
        step = max(1, BLOCK // cost) if self.kind != "input" else max(1, BLOCK // max(1, self._window()))
        blocks = [self._block(entries[i : i + step]) for i in range(0, len(entries), step)]
        found = np.concatenate(blocks) if blocks else np.zeros((0, 1 + len(self.operands)), np.int64)
        return found[np.lexsort(found.T[::-1])]

    def _window(self) -> int:
        assert self.second is not None
        return prod(self.second.shape[2:])

    def _block(self, entries: Array) -> Array:
        index = np.unravel_index(entries, self.shape)
        if self.kind == "bias":
            group, k = np.divmod(index[0], self.channels[0])
            seen = [np.moveaxis(self.first, 0, 2)[group, k]]
        elif self.kind == "weight":
            assert self.second is not None
            group, k = np.divmod(index[0], self.channels[0])
            taps = index[2:]
            padded = np.moveaxis(self.first, 0, 2 + len(taps) + 0)
            image = padded[(group, index[1], *taps)]
            seen = [np.moveaxis(self.second, 0, 2)[group, k], image]
        else:
            assert self.second is not None
            batch = len(index) == self.second.ndim - 1
            places = index if batch else (np.zeros_like(index[0]), *index)
            group, c = np.divmod(places[1], self.channels[1])
            windows = np.moveaxis(self.first, 2, 2 + len(places) - 2)
            image = windows[(places[0], group, *places[2:])]
            seen = [image, self.second[group, c]]
        flat = [s.reshape(len(entries), -1) for s in seen]
        kept = np.all([f > 0 for f in flat], axis=0)
        rows = np.broadcast_to(entries[:, None], kept.shape)[kept]
        return np.stack([rows, *(f[kept] - 1 for f in flat)], axis=1)


def convolution_program(
    layer: Convolution,
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    weight_shape: Sequence[int],
    wrt: str,
) -> Program:
    """The array program of one gradient ("input", "weight" or "bias") of a convolution of any rank.

    Args:
        input_shape, output_shape, weight_shape: the user's shapes (batched or not).
    """
    rank, groups = len(layer.kernel), layer.groups
    per = (weight_shape[0] // groups, weight_shape[1])
    batch = input_shape[0] if len(input_shape) == rank + 2 else 1
    gradient = numbers((batch, groups, per[0], *output_shape[-rank:]))
    if wrt == "bias":
        return Program((weight_shape[0],), ("grad_output",), gradient, None, per, "bias")
    spread = zero_insert(gradient, layer.strides)
    rows = [
        n + before + after for n, (before, after) in zip(input_shape[-rank:], layer.paddings, strict=True)
    ]
    reach = [d * (k - 1) for d, k in zip(layer.dilations, layer.kernel, strict=True)]
    left = [n - r - z for n, r, z in zip(rows, reach, spread.shape[-rank:], strict=True)]
    skip = (slice(None),) * 3
    if wrt == "weight":
        image = pad(numbers((batch, groups, per[1], *input_shape[-rank:])), layer.paddings)
        windows = sliding_window_view(image, spread.shape[-rank:], axis=tuple(range(3, 3 + rank)))
        taps = tuple(slice(0, d * (k - 1) + 1, d) for d, k in zip(layer.dilations, layer.kernel, strict=True))
        return Program(
            tuple(weight_shape), ("grad_output", "input"), windows[skip + taps], spread, per, "weight"
        )
    borders = [(r - b, r - a + e) for r, (b, a), e in zip(reach, layer.paddings, left, strict=True)]
    bordered = pad(spread, borders)
    flipped = np.flip(numbers((groups, *per, *layer.kernel)), axis=tuple(range(3, 3 + rank))).swapaxes(1, 2)
    windows = sliding_window_view(bordered, [r + 1 for r in reach], axis=tuple(range(3, 3 + rank)))
    dilated = windows[skip + (slice(None),) * rank + tuple(slice(None, None, d) for d in layer.dilations)]
    return Program(tuple(input_shape), ("grad_output", "weight"), dilated, flipped, per, "input")


def numbers(shape: Sequence[int]) -> Array:
    """1, 2, 3, ... in row-major order: the symbols of an operand."""
    return np.arange(1, prod(shape) + 1, dtype=np.int64).reshape(shape)


def zero_insert(array: Array, strides: Sequence[int]) -> Array:
    """stride - 1 zeros between neighbours on the last axes."""
    lengths = [s * (n - 1) + 1 for s, n in zip(strides, array.shape[-len(strides) :], strict=True)]
    found = np.zeros((*array.shape[: -len(strides)], *lengths), np.int64)
    spots: Any = (..., *(slice(None, None, s) for s in strides))
    found[spots] = array
    return found


def pad(array: Array, borders: Sequence[tuple[int, int]]) -> Array:
    """Zeros before and after the last axes; a negative border crops."""
    whole = (0, 0)
    lead = array.ndim - len(borders)
    grown = np.pad(array, [whole] * lead + [(max(b, 0), max(a, 0)) for b, a in borders])
    cut: Any = (
        ...,
        *(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(borders, grown.shape[lead:], strict=True)),
    )
    found: Array = grown[cut]
    return found


WHOLE = 400_000
"""Gradients of at most this many monomials are compared at every entry."""
SAMPLED = 48


def compare_program(program: Program, work: Plan, draw: Random) -> tuple[int, int, bool]:
    """The program's monomials against those of the plan's right side, entry by entry.

    Returns entries compared, their monomials, and whether these were all entries. Raises ProofError at
    the first entry (row-major) where the multisets differ.
    """
    total, whole = prod(program.shape), work.terms <= 2 * WHOLE
    corners = {0, total - 1, total // 2, total // 2 + program.shape[-1] // 2, program.shape[-1] - 1}
    picked = (
        range(total)
        if whole
        else sorted({n for n in corners if n < total} | {draw.randrange(total) for _ in range(SAMPLED)})
    )
    entries = np.array(picked, np.int64)
    executed = program.pairs(entries)
    stated = side_pairs(work, work.right, program.operands, None if whole else entries)
    if not np.array_equal(executed, stated):
        wrong = _first_unequal(executed, stated, entries)
        raise ProofError(
            "the array program disagrees with the closed form",
            where=f"{work.shown.name}{[int(v) for v in np.unravel_index(wrong, program.shape)]}",
            expected=f"{_entry_text(executed, wrong)} (addresses in {', '.join(program.operands)})",
            got=_entry_text(stated, wrong),
        )
    return len(entries), len(executed), whole


def _entry_text(pairs: Array, entry: int) -> str:
    return str(pairs[pairs[:, 0] == entry][:6, 1:].tolist())


def _first_unequal(a: Array, b: Array, entries: Array) -> int:
    return next(int(e) for e in entries if not np.array_equal(a[a[:, 0] == e], b[b[:, 0] == e]))


def side_pairs(work: Plan, side: Side, operands: Sequence[str], entries: Array | None) -> Array:
    """Rows (entry, address in operand 0, ...) of one side of a claim, sorted; None for all entries."""
    if entries is None:
        chunks = [Chunk()]
    else:
        cells = zip(*(a.tolist() for a in np.unravel_index(entries, sizes(work.shown))), strict=True)
        chunks = [Chunk(tuple((i, v, v + 1) for i, v in zip(side.free, cell, strict=True))) for cell in cells]
    found = [
        _term_pairs(work, rows, coefficient, operands)
        for chunk in chunks
        for rows, coefficient in side.rows(chunk)
    ]
    table = np.concatenate(found) if found else np.zeros((0, 1 + len(operands)), np.int64)
    return table[np.lexsort(table.T[::-1])]


def _term_pairs(work: Plan, rows: Rows, coefficient: int, operands: Sequence[str]) -> Array:
    named = dict(rows.reads)
    if sorted(t for t, _ in rows.reads) != sorted(operands) or coefficient != work.scale:
        raise ProofError(
            "not a plain product of the program's operands", expected=str(operands), got=str(rows.reads)
        )
    forms = [_flat(work.shown, rows.entry), *(_flat(work.tensors[t], named[t]) for t in operands)]
    return np.stack([rows.outer(form) for form in forms], axis=1)


def _flat(tensor: Tensor, index: Sequence[Form]) -> Form:
    """The row-major address, the same for the language's axes and the user's."""
    total = Form()
    for extent, form in zip(sizes(tensor), index, strict=True):
        total = total * extent + form
    return total
