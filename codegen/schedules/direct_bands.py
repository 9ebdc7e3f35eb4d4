"""Owns what CHAN says of a band of lines: tiles of sums, blocks of channels, the way into the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from codegen.loops import Assign, Branch, Buffer, Call, Do, If, Loop, Place, Pointer, Statement
from codegen.schedules.direct_image import Image
from codegen.schedules.direct_lines import Job, Line, jobs_of
from codegen.schedules.direct_pack import Packing
from codegen.schedules.direct_sums import (
    Blocks,
    Inner,
    applied,
    blocks_of,
    not_first,
    pieces,
    summed,
    total,
    totalled,
)
from codegen.schedules.direct_turns import heads
from codegen.schedules.direct_words import add, around, fma, load, splat, spread, store, zero
from codegen.schedules.nest import Target
from codegen.schedules.planned import Room
from codegen.schedules.problem import Contraction
from derive.index import Form, Within, Zero, name

BAND = 28 * 1024
"""Bytes of sums that stay in the nearest cache beside what is read."""


@dataclass(frozen=True)
class Setup:
    """A plan: contractions over one image, a tile of rows x places x vectors, and the pieces of a lone line.

    Attributes:
        chunk: places of a piece.
        held: whether blocks of a sum are added up in registers, beside the sums of a block.
    """

    contractions: tuple[Contraction, ...]
    target: Target
    image: Image
    rows: int
    places: int
    vectors: int
    chunk: int
    held: bool = False

    @property
    def lanes(self) -> int:
        return self.target.lanes

    @property
    def first(self) -> Contraction:
        return self.contractions[0]

    @property
    def width(self) -> int:
        """Elements of a place in the scratch of sums."""
        return self.lanes * self.vectors

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        return jobs_of(self.contractions, self.image, self.chunk)

    @cached_property
    def blocks(self) -> Blocks:
        return blocks_of(self.contractions, self.target.element)

    @cached_property
    def packings(self) -> tuple[Packing, ...]:
        found: list[Packing] = []
        taps = {line.number: line.taps for job in self.jobs for line in job.lines}
        offset = 0
        for number, contraction in enumerate(self.contractions):
            found.append(Packing(contraction, taps[number], self.lanes, self.vectors, offset))
            offset += found[-1].count
        return tuple(found)

    @property
    def apart(self) -> bool:
        """Whether blocks of a sum are added up in the band."""
        return self.blocks.count > 1 and not self.held

    def band(self, job: Job) -> int:
        """Lines whose sums are kept at once: a divisor of all, by what the nearest cache holds."""
        most = max(1, BAND // (job.width * self.width * self.target.element))
        count = job.rows.count
        return max(d for d in range(1, count + 1) if count % d == 0 and (d <= most or d == 1))


@dataclass(frozen=True)
class Band:
    """The statements of one band of a job's lines."""

    setup: Setup
    job: Job
    room: Room

    @property
    def first(self) -> Contraction:
        return self.setup.first

    @property
    def lanes(self) -> int:
        return self.setup.lanes

    @property
    def vectors(self) -> int:
        return self.setup.vectors

    @property
    def width(self) -> int:
        return self.setup.width

    def statements(self, n: Form) -> tuple[Statement, ...]:
        """The sums of a band and their way into the result; `n` is the image among those copied."""
        setup, job = self.setup, self.job
        further = {"block": setup.first.out.step("k") * setup.width}
        head = heads(setup.first, setup.image, job, setup.band(job), n, further)
        tiles = self._tiles()
        if setup.apart:
            tiles = (Loop("part", 0, setup.blocks.count, 1, (*setup.blocks.head(), *tiles)),)
        return (*head, *tiles, *self._stored())

    def _starts(self, sums: Mapping[str, int]) -> tuple[Statement, ...]:
        """What sums of so many vectors begin as: the bias in the first block of channels, then zeros."""
        if self.first.bias is None:
            return tuple(zero(y) for y in sums)
        bias = self.first.bias
        steps = {"g": bias.step("g"), "block": bias.step("k") * self.width}
        body: list[Statement] = [Place("at_bias", spread(steps, bias.base))]
        for v in range(self.vectors):
            at = name("at_bias") + v * self.lanes

            def taken(count: int, v: int = v, at: Form = at) -> tuple[Statement, ...]:
                return (load(f"b_{v}", bias.buffer, at, count, self.lanes),)

            body += [zero(f"b_{v}"), *self._by_block(v, taken)]
        if self.setup.apart:
            nil = tuple(zero(f"b_{v}") for v in range(self.vectors))
            body.append(If((not_first(self.setup.blocks),), nil))
        return (*body, *(Assign(y, Call("v_held", (f"b_{v}",))) for y, v in sums.items()))

    def _by_block(self, v: int, said: Callable[[int], tuple[Statement, ...]]) -> tuple[Statement, ...]:
        """What is said of vector v with its number of channels: fewer in the last block than before."""
        rest = self.setup.packings[0].rest
        if not rest or v < self.vectors - 1:
            return said(self.lanes)
        blocks = self.setup.packings[0].blocks
        if blocks == 1:
            return said(rest)
        back = name("block") - (blocks - 1)
        return (
            If((Zero(back),), said(rest)),
            If((Within(name("block"), Form.of(blocks - 1)),), said(self.lanes)),
        )

    def _tiles(self) -> tuple[Statement, ...]:
        """Every tile of a band for the current block of channels c."""
        body: tuple[Statement, ...] = ()
        for first, stop, r in pieces(self.setup.band(self.job), self.setup.rows):
            inner: tuple[Statement, ...] = ()
            for line in self.job.lines:
                for start, end, p in pieces(line.cols, self.setup.places):
                    cell = self._tile(line, (r, p))
                    inner += around("q", start, end, p, cell)
            body += around("r", first, stop, r, inner)
        return body

    def _tile(self, line: Line, shape: tuple[int, int]) -> tuple[Statement, ...]:
        rows, places = shape
        spots = list(product(range(rows), range(places), range(self.vectors)))
        packing, sums = self.setup.packings[line.number], self.room.scratch["sums"]
        steps = {"c": self.setup.image.step("c"), "r": self.job.rows.image, "q": line.step}
        w_steps = {"c": packing.channel, "block": packing.block, "g": packing.block * packing.blocks}
        begin = (
            Place("at_x", name("at_image") + spread(steps, line.start)),
            Place("at_w", spread(w_steps, packing.offset)),
        )
        at = (name("r") * self.job.width + name("q") * line.apart + line.out) * self.width
        inner = summed(self.setup.blocks, line, begin, self._products(line, shape))
        ends = {f"y_{r}_{p}_{v}": (r, p, v) for r, p, v in spots}
        if self.setup.held:
            inner = (totalled(self.setup.blocks, list(ends), inner),)
            ends = {total(y): spot for y, spot in ends.items()}
        at_sum = {
            y: name("at_y") + ((r * self.job.width + p * line.apart) * self.width + v * self.lanes)
            for y, (r, p, v) in ends.items()
        }
        begun = self._starts({y: v for y, (_, _, v) in ends.items()})
        return (Branch(self.room.mark()), *begun, *inner, Place("at_y", at), *self._kept(sums, at_sum))

    def _kept(self, sums: Buffer, at: Mapping[str, Form]) -> Iterator[Statement]:
        """Sums put where the band keeps them, on top of the blocks before."""
        if self.setup.apart:
            added: list[Statement] = []
            for value, to in at.items():
                added += [load("before", sums, to, self.lanes, self.lanes), add(value, "before")]
            yield If((not_first(self.setup.blocks),), tuple(added))
        for value, to in at.items():
            if not self.setup.apart:
                yield from applied(self.first, value)
            yield store(sums, to, value, self.lanes, self.lanes)

    def _products(self, line: Line, shape: tuple[int, int]) -> Inner:
        """The products of one tap: vectors of the weight loaded, each place broadcast."""
        buffer, packed = (
            self.setup.image.buffer(self.room.scratch.get("padded")),
            self.room.scratch["packed_weight"],
        )

        def said(image: Form, weight: Form, tap: Form) -> tuple[Statement, ...]:
            body: list[Statement] = []
            for v in range(self.vectors):
                at = name("at_w") + tap * self.width + v * self.lanes
                body.append(load(f"w_{v}", packed, at, self.lanes, self.lanes))
                body += [Assign(f"w_{v}", Call("v_held", (f"w_{v}",)))] if self.setup.held else []
            for r, p in product(range(shape[0]), range(shape[1])):
                body.append(
                    splat("x", buffer, name("at_x") + image + (r * self.job.rows.image + p * line.step))
                )
                body += [fma(f"y_{r}_{p}_{v}", "x", f"w_{v}") for v in range(self.vectors)]
            return tuple(body)

        return said

    def _stored(self) -> tuple[Statement, ...]:
        """The band's sums put into the result, a line or the whole band at a time."""
        sums, band = self.room.scratch["sums"], self.setup.band(self.job)
        after: tuple[Statement, ...] = ()
        if self.setup.apart and self.first.after is not None:
            at = name("i")
            inner = (load("y", sums, at, self.lanes, self.lanes), *applied(self.first, "y"))
            put = store(sums, at, "y", self.lanes, self.lanes)
            after = (Loop("i", 0, band * self.job.width * self.width, self.lanes, (*inner, put)),)
        if self.job.joined:
            return (*after, *self._run(sums, Form(), name("at_out"), band * self.job.width))
        at = name("row") * self.job.width * self.width
        body = self._run(sums, at, name("at_out") + name("row") * self.job.rows.out, self.job.width)
        return (*after, *around("row", 0, band, 1, body))

    def _run(self, sums: Buffer, at: Form, out: Form, count: int) -> tuple[Statement, ...]:
        """Places that follow one another in the result."""
        body: tuple[Statement, ...] = ()
        k = self.first.out.step("k")
        for v in range(self.vectors):

            def said(channels: int, v: int = v) -> tuple[Statement, ...]:
                if self.job.dense and count >= self.lanes == channels:
                    return self._transposed(sums, at + v * self.lanes, out + v * self.lanes * k, count)
                return self._scattered(sums, at + v * self.lanes, out + v * self.lanes * k, channels, count)

            body += self._by_block(v, said)
        return body

    def _transposed(self, sums: Buffer, at: Form, out: Form, count: int) -> tuple[Statement, ...]:
        """Blocks of lanes places by lanes channels, the last one moved back to end with the run."""

        def block(place: Form) -> Statement:
            to = Pointer(self.first.out.buffer, out + place)
            origin = Pointer(sums, at + place * self.width)
            return Do(Call("v_transpose", (to, origin, self.first.out.step("k"), self.width)))

        whole = count // self.lanes * self.lanes
        body = around("s", 0, whole, self.lanes, (block(name("s")),))
        return body if whole == count else (*body, block(Form.of(count - self.lanes)))

    def _scattered(
        self, sums: Buffer, at: Form, out: Form, channels: int, count: int
    ) -> tuple[Statement, ...]:
        k = self.first.out.step("k")
        place = name("s")
        to = Pointer(self.first.out.buffer, out + place * self.job.col)
        body = (
            load("y", sums, at + place * self.width, self.lanes, self.lanes),
            Do(Call("v_store_strided", (to, "y", channels, k))),
        )
        return around("s", 0, count, 1, body)
