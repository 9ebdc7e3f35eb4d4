"""Owns the image as FLAT reads it for a stride of 2: of every line first the even places, then the odd ones.

Results side by side then read neighbours, and taps fall into two groups, each in a half of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from codegen.loops import Assign, Buffer, Call, Do, Place, Pointer, Statement
from codegen.schedules.direct_image import MOVE, Image, Span, image_of, zeros
from codegen.schedules.direct_words import load
from codegen.schedules.problem import Contraction
from derive.index import Form, name

STRIDE = 2


@dataclass(frozen=True)
class Halves(Image):
    """The copy in halves; its last span has twice `run` places, all of them written.

    Attributes:
        kept: the last span of the image itself.
    """

    kept: Span

    @property
    def split(self) -> int:
        return STRIDE

    @property
    def run(self) -> int:
        """Elements of a half."""
        return self.spans[-1].length // STRIDE

    @property
    def cost(self) -> float:
        lines = prod(s.held for s in self.spans[:-1])
        return (lines * 3 * MOVE * _pairs(self.kept, self.lanes) + 10) * prod(self.counts)

    def _line(self, into: Buffer, at: Form, origin: Form) -> tuple[Statement, ...]:
        """Zeros before and behind both halves first, for they may end where other things begin."""
        pairs, before = _pairs(self.kept, self.lanes), self.kept.before
        body: list[Statement] = [Place("to", at), Place("origin", origin + before)]
        firsts = {i % STRIDE: i // STRIDE for i in (before, before + 1)}
        for half, first in sorted(firsts.items()):
            start, end = half * self.run, first + pairs * self.lanes
            body += zeros(into, name("to") + start, first, self.lanes, f"z_{half}_before")
            body += zeros(into, name("to") + (start + end), self.run - end, self.lanes, f"z_{half}_behind")
        for pair in range(pairs):
            body += self._pair(
                into, pair, [i % STRIDE * self.run + i // STRIDE for i in (before, before + 1)]
            )
        return tuple(body)

    def _pair(self, into: Buffer, pair: int, firsts: list[int]) -> Iterator[Statement]:
        """Two vectors of a line, taken apart; the first place goes where `firsts` says, and the second."""
        for number, value in enumerate(("moved", "next")):
            done = (STRIDE * pair + number) * self.lanes
            left = min(self.lanes, self.kept.held - done)
            if left <= 0:
                yield Assign(value, Call("v_zero"))
            else:
                yield load(value, self.source.buffer, name("origin") + done, left, self.lanes)
        for operation, first in zip(("v_even", "v_odd"), firsts, strict=True):
            yield Assign("half", Call(operation, ("moved", "next")))
            yield Do(Call("v_store", (Pointer(into, name("to") + (first + pair * self.lanes)), "half")))


def _pairs(span: Span, lanes: int) -> int:
    """Pairs of vectors of a line that is copied."""
    return -(-span.held // (STRIDE * lanes))


def halves_of(contraction: Contraction, lanes: int) -> Halves | None:
    """The copy for a contraction whose last axis has a stride of 2; None where there can be none."""
    image = image_of((contraction,), lanes, True)
    if image is None or contraction.axes[-1].stride != STRIDE:
        return None
    *outer, last = image.spans
    covered = (last.before + 1) // STRIDE + _pairs(last, lanes) * lanes
    length = STRIDE * max(-(-last.length // STRIDE), covered)
    whole = Span(last.origin, length, last.origin, last.origin + length)
    return Halves(image.source, image.source_steps, image.counts, (*outer, whole), lanes, True, last)
