"""CHAN: a vector is channels of the result, a place of the image is broadcast.

    y[r, p, v] = sum over c and taps of image[r, p] * packed[v]        tile: rows r, places p, vectors v

The weight is packed once. Sums lie as vectors of channels in a scratch of a band of lines, to which blocks of
channels c add one after another; from there they are transposed into the result, lanes by lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from codegen.loops import Statement
from codegen.schedules.direct_bands import BAND, Band, Setup
from codegen.schedules.direct_image import image_of
from codegen.schedules.direct_lines import Job, Line
from codegen.schedules.direct_sums import (
    ADDED,
    LATENCY,
    fits,
    pieces,
)
from codegen.schedules.direct_turns import kinds_of, parts_of, whole_images
from codegen.schedules.nest import LOAD, Target
from codegen.schedules.planned import PACKED, Room, Scratch
from codegen.schedules.problem import Contraction

SCATTER = 1.25
"""Cycles for each lane of a vector stored apart."""
NEAREST, FAR = 24 * 1024, 0.5
"""Bytes of a packed weight that stay in the nearest cache, and cycles that a vector from the second adds."""
BESIDE = 5
"""Registers for each vector of a tile whose totals are in registers: beside less than that gcc keeps the
vectors of the weight in memory."""
TURN = 4.5
"""Cycles for each vector of a block that is transposed into the result."""


@dataclass(frozen=True)
class Chan(Setup):
    """A plan."""

    accuracy = "strict"

    @property
    def whole(self) -> bool:
        return whole_images(self.image, self.first.batch, self.target.threads)

    def cost(self) -> float:
        copies = self.image.cost + PACKED * sum(p.cost for p in self.packings)
        return copies + sum(self._job_cost(job) for job in self.jobs)

    def _job_cost(self, job: Job) -> float:
        c, band = self.first, self.band(job)
        each = sum(self._line_cost(job, line, band) for line in job.lines)
        places = band * job.width
        run = places if job.joined else job.width
        if job.dense and run >= self.lanes:
            out = places / run * -(-run // self.lanes) * self.width * TURN
            if c.outs % self.lanes:
                out += places * self.lanes * SCATTER / self.packings[0].blocks
        else:
            out = places * self.width * SCATTER
        if self.apart:
            out += 2 * places * self.vectors
        turns = c.batch * c.groups * self.packings[0].blocks * prod(d.count for d in job.outer)
        return turns * (job.rows.count // band) * (each + out + 40)

    def _line_cost(self, job: Job, line: Line, band: int) -> float:
        total = 0.0
        for (r0, r1, r), (p0, p1, p) in product(pieces(band, self.rows), pieces(line.cols, self.places)):
            tiles = (r1 - r0) // r * ((p1 - p0) // p)
            sums = r * p * self.vectors
            tap = max(sums / 2, LOAD * (r * p + self.vectors), LATENCY) * 1.028 + self.far
            stored = (sums * 2.0 + 12) * self.blocks.count if self.apart else sums + 12
            added = (sums * ADDED + 4) * self.blocks.count if self.held else 0.0
            whole = self.first.ins * (line.products * tap + 2)
            total += tiles * (whole + stored + added)
        return total

    @property
    def far(self) -> float:
        """Cycles that the vectors of a tap add, where a tile walks over more than the nearest cache holds."""
        walked = self.packings[0].block * self.target.element if self.held else 0
        return FAR * self.vectors if walked > NEAREST else 0.0

    def note(self) -> str:
        tile = f"{self.rows * self.places} places x {self.vectors} vectors of {self.lanes} channels"
        held = ", added up in registers" if self.held else ""
        return f"CHAN tile: {tile} in bands of {self.band(self.jobs[0])} lines{self.blocks.note}{held}"

    def scratch(self) -> tuple[Scratch, ...]:
        sums = max(self.band(j) * j.width for j in self.jobs) * self.width
        packed = sum(p.count for p in self.packings)
        return (
            Scratch("packed_weight", packed, copied=True, packed=True),
            *self.image.scratch(self.whole),
            Scratch("sums", sums, own=True),
        )

    def statements(self, room: Room) -> tuple[Statement, ...]:
        weight, packed = self.first.weight.buffer, room.scratch["packed_weight"]
        packs = tuple(
            p.part(room.part(f"pack_{number}"), weight, packed) for number, p in enumerate(self.packings)
        )
        jobs = [
            (
                kinds_of(self.first, job, self.band(job), self.packings[0].blocks),
                Band(self, job, room).statements,
            )
            for job in self.jobs
        ]
        return (*packs, *parts_of(self.image, self.first.batch, room, self.whole, jobs))


def plans(contractions: tuple[Contraction, ...], target: Target) -> Iterator[Chan]:
    """Tiles that fit the registers, for contractions over one image."""
    image = image_of(contractions, target.lanes, False)
    if image is None:
        return
    first = contractions[0]
    vectors = -(-first.outs // target.lanes)
    most = max(c.axes[-1].out for c in contractions)
    rows = max(c.axes[-2].out if len(c.axes) > 1 else 1 for c in contractions)
    for v in (n for n in range(1, 5) if vectors % n == 0):
        for r in range(1, min(rows, 4) + 1):
            for p in range(1, most + 1):
                if r * p * v > target.accumulators:
                    break
                if r * p * v + v + 1 <= target.registers:
                    plan = Chan(contractions, target, image, r, p, v, chunk_of(most, p, v, target))
                    yield plan
                    if plan.blocks.count > 1 and fits(target, 2 * r * p * v, BESIDE * v - 2):
                        yield replace(plan, held=True)


def chunk_of(extent: int, places: int, vectors: int, target: Target) -> int:
    """Places of a piece of a lone line: whole tiles, as many as the band may have."""
    most = max(1, BAND // (vectors * target.lanes * target.element) // places)
    return min(-(-extent // places), most) * places
