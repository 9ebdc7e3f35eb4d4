"""Owns the two copies that a gradient by the weight makes first: the image between zeros, out by places."""

from __future__ import annotations

from math import prod

from codegen.loops import Assign, Buffer, Call, Do, Loop, Part, Place, Pointer, Statement
from codegen.schedules.filter_lines import Lines, Outs
from codegen.schedules.nest import Writer, mark
from codegen.schedules.planned import Room
from codegen.schedules.turns import parted
from derive.index import Form, name

LINES, TURNED, BLOCK = "lines", "turned", "block"


def copies(lines: Lines, room: Room, vectors: int) -> tuple[Part, ...]:
    """The parts that write both copies."""
    found = [_turned(lines, room, outs, f"turn{i}") for i, outs in enumerate(lines.outs(vectors))]
    return (*found, _padded(lines, room)) if lines.copied else tuple(found)


def _padded(lines: Lines, room: Room) -> Part:
    """Each plane of the image: zeros everywhere, then its rows in order."""
    problem, to, writer = lines.problem, room.scratch[LINES], Writer("v", lines.lanes)
    counts = {"n": problem.batch, "g": problem.groups, "c": problem.ins}
    source = Form.of(problem.image.base)
    for kind in counts:
        source = source + name(kind) * problem.image.step(kind)
    body: tuple[Statement, ...] = (
        mark(room.mark()),
        *parted("turn", [*counts.items()]),
        Place("at_to", name("turn") * lines.plane),
        writer.zero("nil"),
        Loop(
            "i",
            0,
            lines.plane,
            lines.lanes,
            (writer.store(to, name("at_to") + name("i"), "nil", lines.lanes),),
        ),
        Place("at_from", source),
        *_rows(lines, to),
    )
    return Part(room.part("pad"), "turn", prod(counts.values()), body)


def _rows(lines: Lines, to: Buffer) -> tuple[Statement, ...]:
    """The rows of one plane; what is stored beyond a row are zeros, and the next row comes after it."""
    axes, moves = lines.problem.axes, lines.moves
    if any(m.first >= m.stop for m in moves):
        return ()
    at_from, at_to = name("at_from"), name("at_to")
    for number, (axis, move) in enumerate(zip(axes, moves, strict=True)):
        place = name(f"r_{number}") if number < len(axes) - 1 else name("j") + move.first
        at_from = at_from + (place * move.stride + move.base) * axis.image_step
        at_to = at_to + (place + move.before) * lines.step(number)
    body = _line(lines, to, at_from, at_to, moves[-1].stop - moves[-1].first)
    for number in reversed(range(len(axes) - 1)):
        body = (Loop(f"r_{number}", moves[number].first, moves[number].stop, 1, body),)
    return body


def _line(lines: Lines, to: Buffer, at_from: Form, at_to: Form, count: int) -> tuple[Statement, ...]:
    """One row, by vectors where it has as many places; with a stride the last ones may overlap."""
    source, lanes = lines.problem.image.buffer, lines.lanes
    writer, whole = Writer("v", lanes), count // lanes * lanes
    if (step := lines.problem.axes[-1].image_step * lines.moves[-1].stride) != 1:
        if not whole:
            one = Assign("one", Call("e_load", (Pointer(source, at_from),)))
            return (Loop("j", 0, count, 1, (one, Do(Call("e_store", (Pointer(to, at_to), "one"))))),)
        several = Assign("value", Call("v_load_strided", (Pointer(source, at_from), step)))
        apart = (several, writer.store(to, at_to, "value", lanes))
        last = (Place("j", Form.of(count - lanes)), *apart) if count > whole else ()
        return (Loop("j", 0, whole, lanes, apart), *last)
    body: tuple[Statement, ...] = ()
    if whole:
        move = (writer.load("value", source, at_from, lanes), writer.store(to, at_to, "value", lanes))
        body += (Loop("j", 0, whole, lanes, move),)
    if count > whole:
        body += (
            Place("j", Form.of(whole)),
            writer.load("value", source, at_from, count - whole),
            writer.store(to, at_to, "value", lanes),
        )
    return body


def _turned(lines: Lines, room: Room, outs: Outs, title: str) -> Part:
    """Places by channels instead of channels by places, for all groups of so many vectors."""
    problem, lanes = lines.problem, lines.lanes
    counts = {"n": problem.batch, "g": problem.groups, "b": outs.count}
    source = Form.of(problem.out.base) + (name("b") * outs.vectors + outs.first) * (
        lanes * problem.out.step("k")
    )
    for kind in ("n", "g"):
        source = source + name(kind) * problem.out.step(kind)
    body: list[Statement] = [
        mark(room.mark()),
        *parted("turn", [*counts.items()]),
        Place("at_from", source),
        Place("at_to", lines.start(outs, name("g"), name("n"), name("b"))),
    ]
    if outs.last < lanes:
        body += cleared(room.scratch[BLOCK], outs.last, lanes)
    whole = problem.places // lanes * lanes
    if whole:
        body.append(Loop("q", 0, whole, lanes, _block(lines, room, outs, lanes)))
    if problem.places > whole:
        body += (Place("q", Form.of(whole)), *_block(lines, room, outs, problem.places - whole))
    return Part(room.part(title), "turn", prod(counts.values()), tuple(body))


def _block(lines: Lines, room: Room, outs: Outs, count: int) -> tuple[Statement, ...]:
    """As many places as a vector has lanes, or fewer, for each vector of a group."""
    lanes, step, source = lines.lanes, lines.problem.out.step("k"), lines.problem.out.buffer
    writer, width, block = Writer("v", lanes), outs.vectors * lanes, room.scratch[BLOCK]
    found: list[Statement] = []
    for v in range(outs.vectors):
        at_from = name("at_from") + name("q") + v * lanes * step
        into = Pointer(room.scratch[TURNED], name("at_to") + name("q") * width + v * lanes)
        used = outs.used(v, lanes)
        if used == lanes and count == lanes:
            found.append(Do(Call("v_transpose", (into, Pointer(source, at_from), width, step))))
            continue
        rows = (
            writer.load("value", source, at_from + name("i") * step, count),
            writer.store(block, name("i") * lanes, "value", lanes),
        )
        found.append(Loop("i", 0, used, 1, rows))
        found.append(Do(Call("v_transpose", (into, Pointer(block, Form()), width, lanes))))
    return tuple(found)


def cleared(block: Buffer, first: int, lanes: int) -> tuple[Statement, ...]:
    """Zeros in the rows of a block from the first on."""
    writer = Writer("v", lanes)
    return writer.zero("nil"), Loop(
        "i", first, lanes, 1, (writer.store(block, name("i") * lanes, "nil", lanes),)
    )
