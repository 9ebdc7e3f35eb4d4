"""Owns the image with zeros around it: what direct schedules read, one copy for all phases of a contraction.

Every plane is a block of lines; a place outside the image is a zero of the copy, so that tiles need no edges.
The copy is made of whole vectors: what a vector writes behind a line is zeros there or written later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from codegen.loops import Assign, Buffer, Call, Do, Loop, Part, Place, Pointer, Statement
from codegen.schedules.direct_words import spread
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Contraction, Operand
from codegen.schedules.turns import parted
from derive.index import Form, name

MOVE = 3.0
"""Cycles to copy a vector."""
WRITTEN_OUT = 8
"""Vectors of a line up to which its copy is no loop."""


@dataclass(frozen=True)
class Span:
    """One axis of the copy: its place 0 is the image's place `origin`; `low` .. `high` - 1 are copied."""

    origin: int
    length: int
    low: int
    high: int

    @property
    def before(self) -> int:
        return self.low - self.origin

    @property
    def held(self) -> int:
        return self.high - self.low


@dataclass(frozen=True)
class Image:
    """The image as tiles read it: a copy in scratch with zeros around, or the operand itself.

    Attributes:
        counts: numbers of n, g and c.
        steps: elements between neighbours along n, g, c and then each axis.
        base: of the first place of the copy; for the operand itself, of its place at every `origin`.
    """

    source: Operand
    source_steps: tuple[int, ...]
    counts: tuple[int, int, int]
    spans: tuple[Span, ...]
    lanes: int
    copied: bool

    @property
    def split(self) -> int:
        """How many runs a line is split into, neighbouring places in turn."""
        return 1

    @property
    def inner(self) -> tuple[int, ...]:
        """Steps of the axes."""
        if not self.copied:
            return self.source_steps
        return tuple(prod(s.length for s in self.spans[a + 1 :]) for a in range(len(self.spans)))

    @property
    def lead(self) -> int:
        """Elements of a plane before its first copied one."""
        return sum(s.before * by for s, by in zip(self.spans, self.inner, strict=True))

    @property
    def plane(self) -> int:
        """Elements from plane to plane: an odd number of vectors, so that planes share no cache sets.

        Zeros behind the last block of lines reach as far as those before the next one would.
        """
        first = self.spans[0]
        beyond = self.lead - (first.length - first.held) * self.inner[0]
        slack = max(self.spans[-1].before, beyond) + self.lanes
        vectors = -(-(prod(s.length for s in self.spans) + slack) // self.lanes)
        return (vectors | 1) * self.lanes

    @property
    def base(self) -> int:
        moved = (s.origin * by for s, by in zip(self.spans, self.inner, strict=True))
        return 0 if self.copied else self.source.base + sum(moved)

    def step(self, kind: str) -> int:
        """Elements between neighbours along n, g or c."""
        if not self.copied:
            return self.source.step(kind)
        counts = self.counts["ngc".index(kind) + 1 :]
        return self.plane * prod(counts)

    def offset(self, contraction: Contraction) -> int:
        """Elements from `base` to what place 0 and tap 0 of a contraction read."""
        return sum(
            (-a.pad - s.origin) * by
            for a, s, by in zip(contraction.axes, self.spans, self.inner, strict=True)
        )

    def scratch(self, own: bool) -> tuple[Scratch, ...]:
        """The copy, for one image at a time where each thread has its own."""
        planes = prod(self.counts[1:]) if own else prod(self.counts)
        size = self.plane * planes + 2 * self.lanes
        return (Scratch("padded", size, copied=True, own=own),) if self.copied else ()

    def buffer(self, scratch: Buffer | None) -> Buffer:
        return scratch if self.copied and scratch is not None else self.source.buffer

    @property
    def cost(self) -> float:
        """Cycles of the copy."""
        if not self.copied:
            return 0.0
        lines = prod(s.held for s in self.spans[:-1])
        last = self.spans[-1]
        zeros = prod(s.length for s in self.spans) - prod(s.held for s in self.spans)
        each = lines * -(-last.held // self.lanes) * MOVE + zeros / self.lanes
        return (each + 10) * prod(self.counts)

    def plane_copied(self, into: Buffer, at: Form, origin: Form) -> tuple[Statement, ...]:
        """One plane: `at` is its place in the copy, `origin` its place in the operand."""
        first = sum(s.low * by for s, by in zip(self.spans, self.source_steps, strict=True))
        names = [f"i_{a}" for a in range(len(self.spans) - 1)]
        copy = (
            at
            + self.lead
            + sum((name(n) * by for n, by in zip(names, self.inner, strict=False)), start=Form())
        )
        read = (
            origin
            + first
            + sum((name(n) * by for n, by in zip(names, self.source_steps, strict=False)), start=Form())
        )
        body = self._line(into, copy, read)
        for a in reversed(range(len(names))):
            left = (self.spans[a].length - self.spans[a].held) * self.inner[a]
            outer = (
                at
                + self.lead
                + self.spans[a].held * self.inner[a]
                + sum((name(names[b]) * self.inner[b] for b in range(a)), start=Form())
            )
            gap = left - (self.lead if a == 0 else 0)
            body = (
                Loop(names[a], 0, self.spans[a].held, 1, body),
                *zeros(into, outer, gap, self.lanes, f"z_{a}"),
            )
        return (Assign("none", Call("v_zero")), *zeros(into, at, self.lead, self.lanes, "z"), *body)

    def _line(self, into: Buffer, at: Form, origin: Form) -> tuple[Statement, ...]:
        """A line copied, and zeros up to where the next one begins."""
        last, lanes = self.spans[-1], self.lanes
        whole, rest = divmod(last.held, lanes)
        body: list[Statement] = [Place("to", at), Place("origin", origin)]
        if whole > WRITTEN_OUT:
            move = self._moved(into, name("to") + name("j"), name("origin") + name("j"), lanes)
            body.append(Loop("j", 0, whole * lanes, lanes, move))
        else:
            for i in range(whole):
                body += self._moved(into, name("to") + i * lanes, name("origin") + i * lanes, lanes)
        if rest:
            body += self._moved(into, name("to") + whole * lanes, name("origin") + whole * lanes, rest)
        covered = (whole + (rest > 0)) * lanes
        end = last.length if len(self.spans) > 1 else last.length - self.lead
        return (*body, *zeros(into, name("to") + covered, end - covered, lanes, "z_line"))

    def _moved(self, into: Buffer, at: Form, origin: Form, count: int) -> tuple[Statement, ...]:
        pointer = Pointer(self.source.buffer, origin)
        load = Call("v_load", (pointer,)) if count == self.lanes else Call("v_load_part", (pointer, count))
        return (Assign("moved", load), Do(Call("v_store", (Pointer(into, at), "moved"))))


def zeros(into: Buffer, at: Form, count: int, lanes: int, index: str) -> tuple[Statement, ...]:
    """At least `count` zeros from a place on, in whole vectors; the value `none` is zero."""
    vectors = -(-count // lanes)
    if vectors <= 4:
        places: Iterable[Form] = (at + i * lanes for i in range(vectors))
        return tuple(Do(Call("v_store", (Pointer(into, p), "none"))) for p in places)
    store = Do(Call("v_store", (Pointer(into, at + name(index)), "none")))
    return (Loop(index, 0, vectors * lanes, lanes, (store,)),)


def image_of(contractions: Sequence[Contraction], lanes: int, flat: bool) -> Image | None:
    """What all contractions of one image read; None where they read nothing of it, or its lines have gaps.

    `flat` says that tiles read whole vectors, which may end beside a line.
    """
    first = contractions[0]
    spans = []
    for axes in zip(*(c.axes for c in contractions), strict=True):
        origin = min(-a.pad for a in axes)
        end = max(a.padded - a.pad for a in axes)
        spans.append(Span(origin, end - origin, max(origin, 0), min(end, axes[0].image)))
    if any(s.held <= 0 for s in spans) or first.axes[-1].image_step != 1:
        return None
    inside = all(a.inside for c in contractions for a in c.axes)
    ragged = flat and any(c.axes[-1].out % lanes for c in contractions)
    steps = tuple(a.image_step for a in first.axes)
    counts = (first.batch, first.groups, first.ins)
    return Image(first.image, steps, counts, tuple(spans), lanes, not inside or ragged)


def planes(image: Image, room: Room) -> tuple[Statement, ...]:
    """Every plane of an image copied; of image `n` alone, where each thread has a copy of one."""
    kinds = {"g": image.counts[1], "c": image.counts[2]}
    at = spread({k: image.step(k) for k in kinds})
    origin = spread({k: image.source.step(k) for k in ("n", *kinds)}, image.source.base)
    body = image.plane_copied(room.scratch["padded"], at, origin)
    for kind, count in reversed(kinds.items()):
        body = (Loop(kind, 0, count, 1, body),)
    return body


def padding(image: Image, room: Room) -> Part:
    """The part that copies every plane, a turn for each."""
    kinds = tuple(zip("ngc", image.counts, strict=True))
    at = spread({k: image.step(k) for k, _ in kinds})
    origin = spread({k: image.source.step(k) for k, _ in kinds}, image.source.base)
    body = (*parted("turn", kinds), *image.plane_copied(room.scratch["padded"], at, origin))
    return Part(room.part("zeros"), "turn", prod(image.counts), body)
