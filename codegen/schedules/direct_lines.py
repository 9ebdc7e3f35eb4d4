"""Owns how contractions lie in the image: lines of results, their taps as offsets, phases side by side.

A job is a block of lines of results. Contractions that differ in the phase of the last axis alone, and have
all of its phases, are one job whose line takes a place of each in turn; a lone line is cut into several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from codegen.schedules.direct_image import Image
from codegen.schedules.problem import Contraction, Operand


@dataclass(frozen=True)
class Tap:
    """An axis of taps: their number, and elements between neighbours in image, weight and packed weight."""

    count: int
    image: int
    weight: int
    packed: int


@dataclass(frozen=True)
class Group:
    """Axes of taps that are loops of one another, and elements from tap 0 to the group's first one."""

    taps: tuple[Tap, ...]
    image: int = 0
    weight: int = 0
    packed: int = 0


@dataclass(frozen=True)
class Line:
    """The places of one contraction along a line of results: start + step * q for q < cols.

    Attributes:
        start, step: elements from the line's place in the image to what place 0, tap 0 reads; to the next.
        out, apart: the first place of the line that it computes, and how many further the next is.
        groups: the taps as they are summed; all of them where the image is not split.
        number: of its contraction.
    """

    cols: int
    start: int
    step: int
    out: int
    apart: int
    taps: tuple[Tap, ...]
    groups: tuple[Group, ...]
    number: int
    weight: Operand

    @property
    def products(self) -> int:
        return prod(t.count for t in self.taps)


@dataclass(frozen=True)
class Dim:
    """A dimension of lines: count, and elements between neighbours in image and result."""

    count: int
    image: int
    out: int


@dataclass(frozen=True)
class Job:
    """Lines of results: outer dimensions, then `rows`; a line has `width` places, `col` elements apart."""

    outer: tuple[Dim, ...]
    rows: Dim
    lines: tuple[Line, ...]
    base: int
    width: int
    col: int

    @property
    def dense(self) -> bool:
        """Whether results along a line lie side by side."""
        return self.col == 1

    @property
    def joined(self) -> bool:
        """Whether one line of results begins where the last one ends."""
        return self.dense and self.rows.out == self.width


def taps_of(contraction: Contraction, image: Image) -> tuple[Tap, ...]:
    """The axes of taps; packed taps lie in the order in which they are summed."""
    counts = [a.taps for a in contraction.axes]
    return tuple(
        Tap(a.taps, a.dilation * by, a.tap_step, prod(counts[i + 1 :]))
        for i, (a, by) in enumerate(zip(contraction.axes, image.inner, strict=True))
    )


def _line(contraction: Contraction, image: Image, number: int) -> Line:
    taps = taps_of(contraction, image)
    last = contraction.axes[-1]
    step = last.stride // image.split * image.inner[-1]
    groups = tuple(_groups(taps, image)) if image.split > 1 else (Group(taps),)
    return Line(last.out, image.offset(contraction), step, 0, 1, taps, groups, number, contraction.weight)


def _groups(taps: tuple[Tap, ...], image: Image) -> Iterator[Group]:
    """The taps by the run of a split line that they read."""
    *outer, last = taps
    run = image.spans[-1].length // image.split
    for first in range(min(image.split, last.count)):
        number, at = divmod(first * last.image, image.split)[::-1]
        own = Tap(-(-(last.count - first) // image.split), last.image, last.weight * image.split, 0)
        yield Group((*outer, own), number * run + at, first * last.weight)


def _dims(contraction: Contraction, image: Image) -> tuple[Dim, ...]:
    """All axes but the last."""
    return tuple(
        Dim(a.out, a.stride * by, a.out_step)
        for a, by in zip(contraction.axes[:-1], image.inner[:-1], strict=True)
    )


def jobs_of(contractions: Sequence[Contraction], image: Image, chunk: int) -> tuple[Job, ...]:
    """The jobs of contractions over one image; a lone line is cut into pieces of `chunk` places."""
    groups: list[list[int]] = []
    for number in sorted(range(len(contractions)), key=lambda i: contractions[i].out.base):
        if not (groups and _beside(contractions[groups[-1][0]], contractions[number])):
            groups.append([])
        groups[-1].append(number)
    found: list[Job] = []
    for numbers in groups:
        own = [(n, contractions[n]) for n in numbers]
        if _all_phases([c for _, c in own]):
            found.append(_joint(own, image))
        else:
            found += [_alone(n, c, image) for n, c in own]
    return tuple(piece for job in found for piece in _cut(job, chunk))


def _beside(one: Contraction, other: Contraction) -> bool:
    """Whether another contraction computes places between those of one, on the same lines."""
    near = other.out.base - one.out.base < one.axes[-1].out_step
    return near and one.axes[:-1] == other.axes[:-1]


def _all_phases(own: Sequence[Contraction]) -> bool:
    """Whether contractions of one line of phases have every place of it."""
    step = own[0].axes[-1].out_step
    places = [c.out.base - min(o.out.base for o in own) for c in own]
    counts = [c.axes[-1].out for c in own]
    return (
        step == len(own) > 1
        and sorted(places) == list(range(step))
        and all(c.axes[-1].out_step == step for c in own)
        and max(counts) - min(counts) <= 1
        and sum(counts) == max(p + step * (n - 1) for p, n in zip(places, counts, strict=True)) + 1
    )


def _joint(own: Sequence[tuple[int, Contraction]], image: Image) -> Job:
    base = min(c.out.base for _, c in own)
    lines = tuple(replace(_line(c, image, n), out=c.out.base - base, apart=len(own)) for n, c in own)
    dims = _dims(own[0][1], image) or (Dim(1, 0, 0),)
    return Job(dims[:-1], dims[-1], lines, base, sum(x.cols for x in lines), 1)


def _alone(number: int, c: Contraction, image: Image) -> Job:
    dims = _dims(c, image) or (Dim(1, 0, 0),)
    line = _line(c, image, number)
    return Job(dims[:-1], dims[-1], (line,), c.out.base, line.cols, c.axes[-1].out_step)


def _cut(job: Job, chunk: int) -> tuple[Job, ...]:
    """A lone line as lines of `chunk` places and what is left."""
    if job.rows.count > 1 or job.outer or len(job.lines) > 1 or job.width <= chunk:
        return (job,)
    (line,) = job.lines
    count, rest = divmod(job.width, chunk)
    rows = Dim(count, chunk * line.step, chunk * job.col)
    found = [replace(job, rows=rows, lines=(replace(line, cols=chunk),), width=chunk)]
    if rest:
        moved = replace(line, cols=rest, start=line.start + count * rows.image)
        base = job.base + count * rows.out
        found.append(replace(job, lines=(moved,), base=base, width=rest))
    return tuple(found)
