"""Owns how the parts of a kernel are written: functions of their own, and the one that calls them in turn.

A kernel that packs its weight is three functions: `bf_pack_NAME` writes the packed weight, `bf_packed_NAME`
reads it, and `bf_NAME` is the one after the other with the packed weight in the workspace. All three can be
called, and what is validated as `bf_NAME` is the other two. Where each step of a part reads what one step of
packing gives (`Part.ahead`), `bf_NAME` takes these steps in turn, no more than one step's weight is ever in
the workspace; the functions are those that the two others call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from codegen.loops import Assign, Buffer, Do, Kernel, Limit, Loop, Part, Place, Pointer, Statement, statements

WEIGHT = "weight"


@dataclass(frozen=True)
class Function:
    """One `cdef` function: name, parameters in order, names by type, and its statements or ready lines."""

    name: str
    parameters: tuple[str, ...]
    places: tuple[str, ...] = ()
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    body: tuple[Statement, ...] = ()
    lines: tuple[str, ...] = ()
    entry: bool = False


def functions(kernel: Kernel) -> tuple[Function, ...]:
    """The functions of a kernel, callees first; those with `entry` can be called from Python."""
    parts = [s for s in kernel.body if isinstance(s, Part)]
    written = tuple(_part(kernel, p) for p in parts)
    if not packed_count(kernel):
        return (*written, _main(kernel, kernel.name, kernel.body, kernel.operands))
    packs = tuple(p for p in parts if packs_weight(p))
    rest = tuple(s for s in kernel.body if s not in packs)
    pack = Function(
        f"pack_{kernel.name}",
        ("E* packed", f"const E* {WEIGHT}", "E* workspace"),
        names=_names(kernel, (), any(_threads(kernel, p) > 1 for p in packs)),
        lines=tuple(line for p in packs for line in turns(kernel, p)),
        entry=True,
    )
    packed = _main(kernel, f"packed_{kernel.name}", rest, packed_operands(kernel))
    if any(p.ahead for p in parts):
        by_turns = tuple(_by_turns(kernel, p) for p in parts if p.ahead)
        return (*written, pack, packed, *by_turns, _main(kernel, kernel.name, rest, kernel.operands))
    held = f"workspace + {packed_offset(kernel)}"
    both = Function(
        kernel.name,
        _parameters(kernel.operands),
        lines=(
            f"bf_pack_{kernel.name}({held}, {WEIGHT}, workspace)",
            f"bf_packed_{kernel.name}({', '.join(_given(kernel, held))})",
        ),
        entry=True,
    )
    return (*written, pack, packed, both)


PACKED = "packed"


def packs_weight(part: Part) -> bool:
    return part.name.startswith("pack")


def packed_count(kernel: Kernel) -> int:
    """Elements of the packed weight; 0 where the kernel reads the weight as it is."""
    held = [b for b in kernel.scratch if b.packed]
    return max(((b.offset or 0) + b.count for b in held), default=0) - packed_offset(kernel)


def packed_offset(kernel: Kernel) -> int:
    """Where the packed weight begins in the workspace."""
    return min((b.offset or 0 for b in kernel.scratch if b.packed), default=0)


def packed_operands(kernel: Kernel) -> tuple[Buffer, ...]:
    """The operands of the kernel that is given the packed weight."""
    held = Buffer(PACKED, packed_count(kernel))
    return tuple(held if b.name == WEIGHT else b for b in kernel.operands)


def _parameters(operands: Iterable[Buffer]) -> tuple[str, ...]:
    return ("E* out", *(f"const E* {b.name}" for b in operands), "E* workspace")


def _given(kernel: Kernel, weight: str) -> list[str]:
    """What a function is given that takes a kernel's arrays, with this for its weight."""
    return ["out", *(weight if b.name == WEIGHT else b.name for b in kernel.operands), "workspace"]


def _by_turns(kernel: Kernel, part: Part) -> Function:
    """The turns first .. last - 1 of a part, each step after that of the part that packs for it."""
    room = next(b for b in kernel.scratch if b.turn)
    turn = "thread, turn, turn + 1, step, step + 1"
    return Function(
        f"{kernel.name}_{part.name}_by_turns",
        (*_parameters(kernel.operands), *WHOLE),
        (f"cdef E* room = workspace + {room.offset} + thread * {room.turn}",),
        (("Py_ssize_t", ("step", "turn")),),
        lines=(
            "for turn in range(first, last):",
            f"    for step in range({part.steps}):",
            f"        bf_{kernel.name}_{part.ahead}(room, {WEIGHT}, workspace, {turn})",
            f"        bf_{kernel.name}_{part.name}({', '.join(_given(kernel, 'room'))}, {turn})",
        ),
    )


WHOLE = tuple(f"Py_ssize_t {n}" for n in ("thread", "first", "last"))
STEPS = tuple(f"Py_ssize_t {n}" for n in ("start", "stop"))


def _main(kernel: Kernel, name: str, body: tuple[Statement, ...], operands: Iterable[Buffer]) -> Function:
    """A function of the kernel's own arguments: its statements, parts called where they stand."""
    parameters = _parameters(operands)
    inline = tuple(s for s in body if not isinstance(s, Part))
    return Function(
        name,
        parameters,
        tuple(_pointers(kernel, inline, PACKED in {b.name for b in operands})),
        _names(kernel, inline, any(isinstance(s, Part) and _threads(kernel, s) > 1 for s in body)),
        body,
        entry=True,
    )


def _part(kernel: Kernel, part: Part) -> Function:
    """A part as a function over the turns first .. last - 1, for one of the threads."""
    if packs_weight(part):
        parameters: tuple[str, ...] = ("E* packed", f"const E* {WEIGHT}", "E* workspace")
    else:
        parameters = _parameters(packed_operands(kernel) if packed_count(kernel) else kernel.operands)
    whole = (*WHOLE, *STEPS) if part.steps else WHOLE
    body: tuple[Statement, ...] = part.body
    if part.steps:
        body = (Loop("step", "start", "stop", 1, body),)
    body = (Loop(part.index, "first", "last", 1, body),)
    return Function(
        f"{kernel.name}_{part.name}",
        (*parameters, *whole),
        tuple(_pointers(kernel, body, packed_count(kernel) > 0)),
        _names(kernel, body, False),
        body,
    )


def _threads(kernel: Kernel, part: Part) -> int:
    return min(kernel.threads, part.count) if part.shared else 1


def turns(kernel: Kernel, part: Part, plain: bool = False) -> list[str]:
    """The call of a part: all of its turns, or each thread's share.

    Args:
        plain: whether the weight is not packed yet, and parts pack as they go.
    """
    name, threads = f"bf_{kernel.name}_{part.name}", _threads(kernel, part)
    by_turns = plain and bool(part.ahead)
    first = "0" if threads == 1 else f"thread * {part.count} // {threads}"
    last = str(part.count) if threads == 1 else f"(thread + 1) * {part.count} // {threads}"
    steps = "" if by_turns or not part.steps else f", 0, {part.steps}"
    held = PACKED if packed_count(kernel) else WEIGHT
    if plain:
        held = WEIGHT if by_turns else f"workspace + {packed_offset(kernel)}"
    elif part.steps and threads > 1:
        turn = sum(b.turn for b in kernel.scratch) * part.steps
        held = f"{PACKED} + {first} * {turn}" if turn else held
    given = [held, WEIGHT, "workspace"] if packs_weight(part) else _given(kernel, held)
    called = f"{name}{'_by_turns' if by_turns else ''}({', '.join(given)}"
    if threads == 1:
        return [f"{called}, 0, 0, {last}{steps})"]
    return [
        f'for thread in prange({threads}, num_threads={threads}, schedule="static"):',
        f"    {called}, thread, {first}, {last}{steps})",
    ]


def _pointers(kernel: Kernel, body: tuple[Statement, ...], packed: bool) -> Iterator[str]:
    """The scratch that a body uses, as lines."""
    used = buffers(body)
    for buffer in kernel.scratch:
        if buffer.name not in used:
            continue
        if buffer.packed and packed:
            at = (buffer.offset or 0) - packed_offset(kernel)
            yield f"cdef {'' if _stored(buffer, body) else 'const '}E* {buffer.name} = packed + {at}"
        elif buffer.own:
            yield f"cdef E* {buffer.name} = workspace + {buffer.offset} + thread * {buffer.count}"
        else:
            yield f"cdef E* {buffer.name} = workspace + {buffer.offset}"


def buffers(body: tuple[Statement, ...]) -> set[str]:
    """The names of the buffers that statements read or write."""
    return {p.buffer.name for p in _pointed(body)}


def _stored(buffer: Buffer, body: tuple[Statement, ...]) -> bool:
    into = (a for s in statements(body) if isinstance(s, Do) for a in s.call.arguments[:1])
    return any(isinstance(a, Pointer) and a.buffer == buffer for a in into)


def _pointed(body: tuple[Statement, ...]) -> Iterator[Pointer]:
    for statement in statements(body):
        call = statement.value if isinstance(statement, Assign) else None
        call = statement.call if isinstance(statement, Do) else call
        yield from (a for a in (call.arguments if call else ()) if isinstance(a, Pointer))


def _names(
    kernel: Kernel, body: tuple[Statement, ...], shares: bool
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """All names of a body by type, each declared once. Raises ValueError where one has two types."""
    kinds = {b.name: "E*" for b in (kernel.out, *kernel.operands, *kernel.scratch)}
    for title in ("thread",) if shares else ():
        kinds[title] = "Py_ssize_t"
    for statement in statements(body):
        match statement:
            case Assign(title, call):
                pair = (title, call.kind)
            case Place(title) | Loop(title) | Limit(title):
                pair = (title, "Py_ssize_t")
            case _:
                continue
        if kinds.setdefault(*pair) != pair[1]:
            raise ValueError(f"{kernel.name}: {title} is both {kinds[title]} and {pair[1]}")
    ordered = sorted((k, n) for n, k in kinds.items() if k != "E*")
    found = {k: tuple(n for _, n in group) for k, group in groupby(ordered, key=lambda p: p[0])}
    return tuple((k, found[k]) for k in ("Py_ssize_t", "E", "V") if k in found)
