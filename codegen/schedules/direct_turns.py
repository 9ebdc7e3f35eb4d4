"""Owns the parts of direct plans: the copy of the image, and turns over bands of lines around tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

from codegen.loops import Loop, Part, Place, Statement
from codegen.schedules.direct_image import Image, padding, planes
from codegen.schedules.direct_lines import Job
from codegen.schedules.direct_words import spread
from codegen.schedules.planned import Room
from codegen.schedules.problem import Contraction
from codegen.schedules.turns import parted
from derive.index import Form, name

Kinds = tuple[tuple[str, int], ...]
Said = Callable[[Form], tuple[Statement, ...]]
"""What is done for a band; the argument is the number of the image among those that are copied."""


def kinds_of(contraction: Contraction, job: Job, band: int, blocks: int = 1) -> Kinds:
    """The indices around a band of lines, the slowest first."""
    outer = tuple((f"o_{i}", d.count) for i, d in enumerate(job.outer))
    return (("g", contraction.groups), ("block", blocks), *outer, ("band", job.rows.count // band))


def whole_images(image: Image, batch: int, threads: int) -> bool:
    """Whether each image of the batch is copied and used up in one turn."""
    return image.copied and batch >= max(2, threads)


def parts_of(
    image: Image, batch: int, room: Room, whole: bool, jobs: Sequence[tuple[Kinds, Said]]
) -> tuple[Statement, ...]:
    """The parts that compute: one over whole images, or the copy and one for each job."""
    if whole:
        body: tuple[Statement, ...] = planes(image, room)
        for kinds, said in jobs:
            inner = said(Form())
            for kind, count in reversed(kinds):
                inner = (Loop(kind, 0, count, 1, inner),)
            body += inner
        return (Part(room.part("images"), "n", batch, body),)
    found: list[Statement] = [padding(image, room)] if image.copied else []
    for number, (kinds, said) in enumerate(jobs):
        every = (("n", batch), *kinds)
        inner = (*parted("turn", every), *said(name("n")))
        found.append(Part(room.part(f"tiles_{number}"), "turn", prod(n for _, n in every), inner))
    return tuple(found)


def heads(
    contraction: Contraction, image: Image, job: Job, band: int, n: Form, further: Mapping[str, int]
) -> tuple[Statement, ...]:
    """Where a band begins in the image and in the result, which has `further` steps."""
    out = contraction.out
    x_steps = {"g": image.step("g"), "band": band * job.rows.image}
    out_steps = {"n": out.step("n"), "g": out.step("g"), "band": band * job.rows.out, **further}
    for i, dim in enumerate(job.outer):
        x_steps[f"o_{i}"], out_steps[f"o_{i}"] = dim.image, dim.out
    return (
        Place("at_image", spread(x_steps, image.base) + n * image.step("n")),
        Place("at_out", spread(out_steps, job.base)),
    )
