"""FLAT, direct: a vector is consecutive places of a line, the weight is broadcast as it lies.

    y[k, r, v] = sum over c and taps of weight[k] * image[r, v]        tile: channels k, rows r, vectors v

For results of few channels, whose vectors CHAN would leave half empty, and lines of at least nearly a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from math import prod

from codegen.loops import Assign, Branch, Buffer, Call, Do, If, Loop, Place, Pointer, Statement
from codegen.schedules.direct_halves import halves_of
from codegen.schedules.direct_image import Image, image_of
from codegen.schedules.direct_lines import Job, Line, jobs_of
from codegen.schedules.direct_sums import (
    ADDED,
    LATENCY,
    Blocks,
    Inner,
    applied,
    blocks_of,
    fits,
    not_first,
    not_last,
    pieces,
    summed,
    total,
    totalled,
)
from codegen.schedules.direct_turns import heads, kinds_of, parts_of, whole_images
from codegen.schedules.direct_words import add, around, fma, load, splat, spread, store, zero
from codegen.schedules.nest import Target
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Contraction
from derive.index import Form, name

APART = 1.25
"""Cycles for each lane of a vector stored apart."""
SHARES = 8
"""Bands of lines that there are at least, where there are so many lines, for threads to share."""
PIECE = 512
"""Places of a piece of a lone line, about."""


@dataclass(frozen=True)
class Flat:
    """A plan: contractions over one image, tile of channels x rows x vectors.

    Attributes:
        held: whether blocks of a sum are added up in registers, beside the sums of a block.
    """

    contractions: tuple[Contraction, ...]
    target: Target
    image: Image
    outs: int
    rows: int
    vectors: int
    held: bool = False

    accuracy = "strict"

    @property
    def lanes(self) -> int:
        return self.target.lanes

    @property
    def first(self) -> Contraction:
        return self.contractions[0]

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        step = self.lanes * self.vectors
        return jobs_of(self.contractions, self.image, max(1, PIECE // step) * step)

    @cached_property
    def blocks(self) -> Blocks:
        return blocks_of(self.contractions, self.target.element)

    @property
    def whole(self) -> bool:
        return whole_images(self.image, self.first.batch, self.target.threads)

    def band(self, job: Job) -> int:
        """Lines of a turn: a divisor of all."""
        count = job.rows.count
        most = max(self.rows, -(-count // SHARES))
        return max(d for d in range(1, count + 1) if count % d == 0 and d <= most)

    def cost(self) -> float:
        return self.image.cost + sum(self._job_cost(job) for job in self.jobs)

    def _job_cost(self, job: Job) -> float:
        c, total = self.first, 0.0
        for k, r, line in self._tiles_of(job):
            for (k0, k1, outs), (r0, r1, rows) in ((k, r),):
                for v0, v1, vectors in self._vectors(line):
                    tiles = (k1 - k0) // outs * ((r1 - r0) // rows) * ((v1 - v0) // vectors)
                    total += tiles * self._tile_cost(job, line, outs, rows, vectors)
        turns = c.batch * c.groups * prod(d.count for d in job.outer)
        return turns * (job.rows.count // self.band(job)) * (total + 20)

    def _tile_cost(self, job: Job, line: Line, outs: int, rows: int, vectors: int) -> float:
        sums, loads = outs * rows * vectors, rows * vectors
        tap = max(sums / 2, (outs + 2 * loads) / 2, LATENCY) * 1.03 + 0.5
        whole = line.products * self.first.ins * tap + self.first.ins * 4
        put = 1.5 if job.col * line.apart == 1 else APART * self.lanes
        further = sums * ADDED + 4 if self.held else sums * 2.0
        return whole + sums * put + further * (self.blocks.count - 1) + 12

    def note(self) -> str:
        tile = f"{self.outs} channels x {self.rows} lines x {self.vectors} vectors of {self.lanes} places"
        held = ", added up in registers" if self.held else ""
        return f"FLAT tile: {tile}{self.blocks.note}{held}"

    def scratch(self) -> tuple[Scratch, ...]:
        sums = self.outs * self.rows * self.vectors * self.lanes
        kept = (Scratch("sums", sums, own=True),) if self.blocks.count > 1 and not self.held else ()
        return (*self.image.scratch(self.whole), *kept)

    def statements(self, room: Room) -> tuple[Statement, ...]:
        jobs = [
            (kinds_of(self.first, job, self.band(job)), partial(self._band, job, room)) for job in self.jobs
        ]
        return parts_of(self.image, self.first.batch, room, self.whole, jobs)

    def _band(self, job: Job, room: Room, n: Form) -> tuple[Statement, ...]:
        head = heads(self.first, self.image, job, self.band(job), n, {})
        return (*head, *self._tiles(job, room))

    def _tiles_of(self, job: Job) -> Iterator[tuple[tuple[int, int, int], tuple[int, int, int], Line]]:
        yield from product(pieces(self.first.outs, self.outs), pieces(self.band(job), self.rows), job.lines)

    def _vectors(self, line: Line) -> list[tuple[int, int, int]]:
        return pieces(-(-line.cols // self.lanes), self.vectors)

    def _tiles(self, job: Job, room: Room) -> tuple[Statement, ...]:
        """Every tile of a band of lines; the last vector of a line apart where it is not full."""
        body: tuple[Statement, ...] = ()
        for (k0, k1, outs), (r0, r1, rows), line in self._tiles_of(job):
            inner: tuple[Statement, ...] = ()
            for first, stop, vectors in self._ends(line):
                cell = self._tile(job, room, line, (outs, rows, vectors), stop)
                inner += around("q", first * self.lanes, stop * self.lanes, vectors * self.lanes, cell)
            body += around("k", k0, k1, outs, around("r", r0, r1, rows, inner))
        return body

    def _ends(self, line: Line) -> list[tuple[int, int, int]]:
        """Tiles of vectors along a line, such that one whose last vector is not full stands alone."""
        found: list[tuple[int, int, int]] = []
        for first, stop, vectors in self._vectors(line):
            ragged = stop * self.lanes > line.cols and stop - first > vectors
            found += [(first, stop - vectors, vectors), (stop - vectors, stop, vectors)] if ragged else []
            found += [] if ragged else [(first, stop, vectors)]
        return found

    def _tile(
        self, job: Job, room: Room, line: Line, shape: tuple[int, int, int], stop: int
    ) -> tuple[Statement, ...]:
        outs, rows, vectors = shape
        spots, weight = list(product(range(outs), range(rows), range(vectors))), line.weight
        x_steps = {"c": self.image.step("c"), "r": job.rows.image, "q": line.step}
        w_steps = {"g": weight.step("g"), "k": weight.step("k"), "c": weight.step("c")}
        begin = (
            Place("at_x", name("at_image") + spread(x_steps, line.start)),
            Place("at_w", spread(w_steps, weight.base)),
        )
        inner = summed(self.blocks, line, begin, self._products(job, room, line, shape))
        sums = {_y(*s): s for s in spots}
        if self.held:
            inner, sums = (totalled(self.blocks, list(sums), inner),), {total(y): s for y, s in sums.items()}
            body = (*self._begun(sums), *inner)
        else:
            body = self._summed(room, inner, spots)
        by = job.col * line.apart
        at = spread({"k": self.first.out.step("k"), "r": job.rows.out, "q": by}, line.out * job.col)
        out = self.first.out.buffer
        last = line.cols - (stop - 1) * self.lanes
        put: list[Statement] = [Place("to", name("at_out") + at)]
        for y, (k, r, v) in sums.items():
            full = v < vectors - 1 or last >= self.lanes
            to = name("to") + (k * self.first.out.step("k") + r * job.rows.out + v * self.lanes * by)
            count = self.lanes if full else last
            put += applied(self.first, y)
            put.append(_put(out, to, y, count, self.lanes, by))
        return (Branch(room.mark()), *body, *put)

    def _summed(
        self, room: Room, inner: tuple[Statement, ...], spots: list[tuple[int, int, int]]
    ) -> tuple[Statement, ...]:
        """The sums of a tile: all at once, or by blocks of channels that are added up in scratch."""
        begun = self._begun({_y(*s): s for s in spots})
        if self.blocks.count == 1:
            return (*begun, *inner)
        sums, lanes = room.scratch["sums"], self.lanes
        at = {spot: Form.of(i * lanes) for i, spot in enumerate(spots)}
        added: list[Statement] = []
        for s in spots:
            added += [load("before", sums, at[s], lanes, lanes), add(_y(*s), "before")]
        kept = [store(sums, at[s], _y(*s), lanes, lanes) for s in spots]
        block = (
            *self.blocks.head(),
            *inner,
            If((not_first(self.blocks),), tuple(added)),
            If((not_last(self.blocks),), (*kept, *(zero(_y(*s)) for s in spots))),
        )
        return (*begun, Loop("part", 0, self.blocks.count, 1, block))

    def _begun(self, sums: Mapping[str, tuple[int, int, int]]) -> tuple[Statement, ...]:
        """What sums begin as: the bias, or zeros."""
        bias = self.first.bias
        if bias is None:
            return tuple(zero(y) for y in sums)
        at = Place("at_bias", spread({"g": bias.step("g"), "k": bias.step("k")}, bias.base))
        begun = (splat(y, bias.buffer, name("at_bias") + s[0] * bias.step("k")) for y, s in sums.items())
        return (at, *begun)

    def _products(self, job: Job, room: Room, line: Line, shape: tuple[int, int, int]) -> Inner:
        """The products of one tap: vectors of the image loaded, each channel's weight broadcast."""
        buffer, weight = self.image.buffer(room.scratch.get("padded")), line.weight
        outs, rows, vectors = shape

        def said(image: Form, tap: Form, packed: Form) -> tuple[Statement, ...]:
            body: list[Statement] = []
            for r, v in product(range(rows), range(vectors)):
                at = name("at_x") + image + (r * job.rows.image + v * self.lanes)
                body.append(load(f"x_{r}_{v}", buffer, at, self.lanes, self.lanes))
                body.append(Assign(f"x_{r}_{v}", Call("v_held", (f"x_{r}_{v}",))))
            for k in range(outs):
                body.append(splat("w", weight.buffer, name("at_w") + tap + k * weight.step("k")))
                body += [fma(_y(k, r, v), "w", f"x_{r}_{v}") for r in range(rows) for v in range(vectors)]
            return tuple(body)

        return said


def _y(k: int, r: int, v: int) -> str:
    return f"y_{k}_{r}_{v}"


def _put(out: Buffer, to: Form, value: str, count: int, lanes: int, by: int) -> Statement:
    if by == 1:
        return store(out, to, value, count, lanes)
    return Do(Call("v_store_strided", (Pointer(out, to), value, count, by)))


def _image(contractions: tuple[Contraction, ...], lanes: int) -> Image | None:
    """What tiles read; None where results side by side read places too far apart."""
    strides = {c.axes[-1].stride for c in contractions}
    if strides == {1}:
        return image_of(contractions, lanes, True)
    return halves_of(contractions[0], lanes) if len(contractions) == 1 else None


def plans(contractions: tuple[Contraction, ...], target: Target) -> Iterator[Flat]:
    """Tiles that fit the registers, for contractions over one image."""
    image = _image(contractions, target.lanes)
    if image is None:
        return
    outs = contractions[0].outs
    vectors = max(-(-c.axes[-1].out // target.lanes) for c in contractions)
    rows = max(c.axes[-2].out if len(c.axes) > 1 else 1 for c in contractions)
    for k, r, v in product(
        range(1, min(outs, 16) + 1), range(1, min(rows, 6) + 1), range(1, min(vectors, 8) + 1)
    ):
        sums = k * r * v
        if fits(target, sums, r * v):
            plan = Flat(contractions, target, image, k, r, v)
            if plan.blocks.taps and image.split > 1:
                return
            yield plan
            if plan.blocks.count > 1 and fits(target, 2 * sums, r * v + 1):
                yield replace(plan, held=True)
