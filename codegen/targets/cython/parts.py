"""Owns how the parts of a kernel are written: functions of their own, and the one that calls them in turn.

A kernel that packs its weight is three functions: `bf_pack_NAME` writes the packed weight, `bf_packed_NAME`
reads it, and `bf_NAME` is the one after the other with the packed weight in the workspace. All three can be
called, and what is validated as `bf_NAME` is the other two.
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
    held = f"workspace + {packed_offset(kernel)}"
    given = ", ".join(held if b.name == WEIGHT else b.name for b in kernel.operands)
    both = Function(
        kernel.name,
        _parameters(kernel.operands),
        lines=(
            f"bf_pack_{kernel.name}({held}, {WEIGHT}, workspace)",
            f"bf_packed_{kernel.name}(out, {given}, workspace)",
        ),
        entry=True,
    )
    return (*written, pack, _main(kernel, f"packed_{kernel.name}", rest, packed_operands(kernel)), both)


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
    whole = (f"Py_ssize_t {n}" for n in ("thread", "first", "last"))
    body = (Loop(part.index, "first", "last", 1, part.body),)
    return Function(
        f"{kernel.name}_{part.name}",
        (*parameters, *whole),
        tuple(_pointers(kernel, body, packed_count(kernel) > 0)),
        _names(kernel, body, False),
        body,
    )


def _threads(kernel: Kernel, part: Part) -> int:
    return min(kernel.threads, part.count) if part.shared else 1


def turns(kernel: Kernel, part: Part) -> list[str]:
    """The call of a part: all of its turns, or each thread's share."""
    name = f"bf_{kernel.name}_{part.name}"
    if packs_weight(part):
        given = [PACKED, WEIGHT, "workspace"]
    else:
        operands = packed_operands(kernel) if packed_count(kernel) else kernel.operands
        given = ["out", *(b.name for b in operands), "workspace"]
    threads = _threads(kernel, part)
    if threads == 1:
        return [f"{name}({', '.join(given)}, 0, 0, {part.count})"]
    ends = f"thread * {part.count} // {threads}, (thread + 1) * {part.count} // {threads}"
    return [
        f'for thread in prange({threads}, num_threads={threads}, schedule="static"):',
        f"    {name}({', '.join(given)}, thread, {ends})",
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
    calls = (s.call for s in statements(body) if isinstance(s, Do))
    return any(isinstance(c.arguments[0], Pointer) and c.arguments[0].buffer == buffer for c in calls)


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
