"""Owns how sums of a gradient by the weight get from vectors of channels k into the result."""

from __future__ import annotations

from codegen.loops import Assign, Buffer, Call, Do, Loop, Place, Pointer, Statement
from codegen.schedules.filter_lines import Lines, Outs
from codegen.schedules.nest import Writer
from derive.index import Form, name


def line(lines: Lines, ins: int) -> int:
    """How many entries (c, tap) of a turn lie one after another in the weight: all, those of a c, or one."""
    steps = [weight for _, weight in lines.taps]
    taps = len(steps)
    if any(step != steps[0] + i for i, step in enumerate(steps)):
        return 1
    return taps * ins if lines.problem.weight.step("c") == taps else taps


def stored(lines: Lines, outs: Outs, ins: int, sums: Buffer, block: Buffer) -> tuple[Statement, ...]:
    """The sums of `ins` channels c, at the weight's address at_out: blocks turned round, line by line."""
    length, lanes = line(lines, ins), lines.lanes
    row = outs.vectors * lanes
    if length == 1:
        return tuple(s for v in range(outs.vectors) for s in _strided(lines, outs, ins, sums, v))
    found: list[Statement] = []
    for v in range(outs.vectors):
        at_from = name("c") * (len(lines.taps) * row) + v * lanes
        at_to = name("at_out") + name("c") * lines.problem.weight.step("c")
        at_to = at_to + (lines.taps[0][1] + v * lanes * lines.problem.weight.step("k"))
        found += _turned(lines, outs, v, length, Pointer(block, Form()), Pointer(sums, at_from), at_to)
    if length == len(lines.taps) * ins:
        return (Place("c", Form()), *found)
    return (Loop("c", 0, ins, 1, tuple(found)),)


def _turned(
    lines: Lines, outs: Outs, vector: int, length: int, block: Pointer, sums: Pointer, at: Form
) -> list[Statement]:
    """A vector of channels k by a line of entries, as many entries at a time as a vector has lanes."""
    lanes, step, out = lines.lanes, lines.problem.weight.step("k"), lines.problem.weight.buffer
    used, row = outs.used(vector, lanes), outs.vectors * lanes
    writer = Writer("v", lanes)
    whole = length // lanes * lanes if used == lanes else 0
    found: list[Statement] = []
    if whole:
        source = Pointer(sums.buffer, sums.at + name("m") * row)
        move = Do(Call("v_transpose", (Pointer(out, at + name("m")), source, step, row)))
        found.append(Loop("m", 0, whole, lanes, (move,)))
    for start in range(whole, length, lanes):
        source = Pointer(sums.buffer, sums.at + start * row)
        to = at + name("i") * step + start
        rest = (
            writer.load("value", block.buffer, name("i") * lanes, lanes),
            writer.store(out, to, "value", min(lanes, length - start)),
        )
        found += [Do(Call("v_transpose", (block, source, lanes, row))), Loop("i", 0, used, 1, rest)]
    return found


def _strided(lines: Lines, outs: Outs, ins: int, sums: Buffer, vector: int) -> tuple[Statement, ...]:
    """Each entry (c, tap) of a vector of channels k by itself."""
    lanes, weight = lines.lanes, lines.problem.weight
    row = outs.vectors * lanes
    body: list[Statement] = []
    for number, (_, step) in enumerate(lines.taps):
        at = name("c") * (len(lines.taps) * row) + (number * row + vector * lanes)
        to = name("at_out") + name("c") * weight.step("c") + (step + vector * lanes * weight.step("k"))
        body.append(Assign("value", Call("v_load", (Pointer(sums, at),))))
        into = Pointer(weight.buffer, to)
        body.append(Do(Call("v_store_strided", (into, "value", outs.used(vector, lanes), weight.step("k")))))
    return (Loop("c", 0, ins, 1, tuple(body)),)


def cost(lines: Lines, ins: int, vectors: int) -> float:
    """Cycles to store a turn's sums."""
    length, lanes = line(lines, ins), lines.lanes
    entries = ins * len(lines.taps)
    if length == 1:
        return 1.5 * lanes * entries * vectors
    whole, rest = divmod(length, lanes)
    return entries // length * vectors * (whole * 8.0 * lanes + (12.0 * lanes if rest else 0))
