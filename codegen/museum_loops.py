"""Owns the museum's bugs that no claim says: they are made in the loops of a right kernel, by edits.

An edit knows no layer: it looks for what the bug needs (an accumulation, a last part of a line, zeros that
are written) and changes it wherever it stands. Where a kernel has none of that, it stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from codegen.loops import Assign, Call, Do, If, Kernel, Loop, Pointer, Statement, statements
from derive.index import Form

Body = tuple[Statement, ...]
Rewrite = Callable[[Statement], Body]


@dataclass(frozen=True)
class LoopBug:
    """An edit of the loops, and what is wrong after it."""

    says: str
    edit: Callable[[Kernel], Kernel]


def rewritten(kernel: Kernel, rewrite: Rewrite) -> Kernel:
    """The kernel with every statement that is no loop put through `rewrite`."""
    return replace(kernel, body=_body(kernel.body, rewrite))


def _body(body: Body, rewrite: Rewrite) -> Body:
    found: list[Statement] = []
    for statement in body:
        if isinstance(statement, Loop | If):
            inner = _body(statement.body, rewrite)
            found += [replace(statement, body=inner)] if inner else []
        else:
            found += rewrite(statement)
    return tuple(found)


def stores(statement: Statement, buffer: str, *operations: str) -> Call | None:
    """The store into a buffer that a statement is, if it is one (of the given operations)."""
    if not isinstance(statement, Do):
        return None
    call = statement.call
    into = call.arguments[0] if call.arguments else None
    named = not operations or call.operation in operations
    return call if named and isinstance(into, Pointer) and into.buffer.name == buffer else None


def added(kernel: Kernel) -> Kernel:
    """The result added to what the buffer held."""
    whole = {
        "e_store": ("e_load", "e_add", "e_was"),
        "v_store": ("v_load", "v_add", "v_was"),
        "v_store_part": ("v_load_part", "v_add", "v_was"),
    }

    def rewrite(statement: Statement) -> Body:
        call = stores(statement, kernel.out.name, *whole)
        if call is None:
            return (statement,)
        load, add, was = whole[call.operation]
        into, value, *rest = call.arguments
        assert isinstance(value, str)
        read = Assign(was, Call(load, (into, *rest)))
        total = Assign(was, Call(add, (was, value)))
        return read, total, Do(Call(call.operation, (into, was, *rest)))

    return rewritten(kernel, rewrite)


def overwritten(kernel: Kernel) -> Kernel:
    """Every accumulation keeps its last term only; a choice that is added replaces what was there."""
    choices = {
        s.name: s.value.arguments
        for s in statements(kernel.body)
        if isinstance(s, Assign) and s.value.operation in ("e_choose", "v_choose")
    }

    begun = {
        s.name
        for s in statements(kernel.body)
        if isinstance(s, Assign) and s.value.operation[2:] in ("zero", "add", "fma")
    }

    def rewrite(statement: Statement) -> Body:
        if not isinstance(statement, Assign):
            return (statement,)
        name, call = statement.name, statement.value
        kind, _, operation = call.operation.partition("_")
        if operation not in ("fma", "add") or call.arguments[0] not in (name, *begun):
            return (statement,)
        before, last = call.arguments[0], call.arguments[-1]
        if isinstance(last, str) and last in choices:
            flag, value, _ = choices[last]
            return (Assign(name, Call(f"{kind}_choose", (flag, value, before))),)
        none = f"{kind}_none"
        again = Call(call.operation, (none, *call.arguments[1:]))
        return Assign(none, Call(f"{kind}_zero")), Assign(name, again)

    return rewritten(kernel, rewrite)


def line_cut(kernel: Kernel) -> Kernel:
    """The last part of each line written to half its length, as by the extent of another axis."""

    def rewrite(statement: Statement) -> Body:
        call = stores(statement, kernel.out.name, "v_store_part")
        if call is None or call.arguments[2] == 1:
            return (statement,)
        into, value, count = call.arguments
        assert isinstance(count, int)
        return (Do(Call("v_store_part", (into, value, (count + 1) // 2))),)

    return rewritten(kernel, rewrite)


def remainder_dropped(kernel: Kernel) -> Kernel:
    """The last part of each line is not written."""

    def rewrite(statement: Statement) -> Body:
        return () if stores(statement, kernel.out.name, "v_store_part") else (statement,)

    return rewritten(kernel, rewrite)


def remainder_shifted(kernel: Kernel) -> Kernel:
    """The last part of each line goes one element further."""

    def rewrite(statement: Statement) -> Body:
        call = stores(statement, kernel.out.name, "v_store_part")
        if call is None or call.arguments[2] == 1:
            return (statement,)
        into, value, count = call.arguments
        assert isinstance(into, Pointer) and isinstance(count, int)
        return (Do(Call("v_store_part", (replace(into, at=into.at + 1), value, count - 1))),)

    return rewritten(kernel, rewrite)


def tail_mask(kernel: Kernel) -> Kernel:
    """The mask of a last part is one lane short where it is loaded."""

    def rewrite(statement: Statement) -> Body:
        if not isinstance(statement, Assign) or statement.value.operation != "v_load_part":
            return (statement,)
        pointer, count = statement.value.arguments
        assert isinstance(count, int)
        short = Call("v_load_part", (pointer, count - 1)) if count > 1 else Call("v_zero")
        return (replace(statement, value=short),)

    return rewritten(kernel, rewrite)


def stale_padding(kernel: Kernel) -> Kernel:
    """Zeros are never written into the workspace."""
    scratch = {b.name for b in kernel.scratch}
    zeros: set[str] = set()

    def rewrite(statement: Statement) -> Body:
        if isinstance(statement, Assign):
            (zeros.add if statement.value.operation.endswith("_zero") else zeros.discard)(statement.name)
            return (statement,)
        if isinstance(statement, Do):
            into, *rest = statement.call.arguments
            stored = rest[0] if rest else None
            if isinstance(into, Pointer) and into.buffer.name in scratch and stored in zeros:
                return ()
        return (statement,)

    return rewritten(kernel, rewrite)


def zero_wins(kernel: Kernel) -> Kernel:
    """The search for the largest entry begins at 0, as if the padding held entries."""
    begin = {"e_index": (Form.of(-1),), "v_index": (Form.of(-1), Form.of(0))}

    def rewrite(statement: Statement) -> Body:
        if isinstance(statement, Assign) and statement.value.operation in begin:
            call = statement.value
            if Form.of(_whole(call.arguments[0])) == Form.of(-1):
                return (replace(statement, value=Call(call.operation, (0, *call.arguments[1:]))),)
        return (statement,)

    return rewritten(kernel, rewrite)


def _whole(argument: object) -> Form:
    return argument if isinstance(argument, Form) else Form.of(argument if isinstance(argument, int) else 0)


def one_row_short(kernel: Kernel) -> Kernel:
    """The first loop that is not a filling of the workspace ends one step early."""
    done = False

    def shorter(body: Body) -> Body:
        nonlocal done
        found: list[Statement] = []
        for statement in body:
            if not done and isinstance(statement, Loop) and not _fills(statement, kernel):
                stop, start = statement.stop, statement.start
                if isinstance(stop, int) and isinstance(start, int) and stop - start > statement.step:
                    done = True
                    found.append(replace(statement, stop=stop - statement.step))
                    continue
            found.append(statement)
        return tuple(found)

    return replace(kernel, body=shorter(kernel.body))


def _fills(loop: Loop, kernel: Kernel) -> bool:
    """Whether a loop only writes the workspace."""
    scratch = {b.name for b in kernel.scratch}
    written = [a for s in statements(loop.body) if isinstance(s, Do) for a in s.call.arguments[:1]]
    return bool(written) and all(isinstance(p, Pointer) and p.buffer.name in scratch for p in written)


LOOPS: Mapping[str, LoopBug] = {
    "added": LoopBug("the result is added to what the buffer held", added),
    "overwritten": LoopBug("terms are stored, not added: the last one stays", overwritten),
    "line_cut": LoopBug("the last part of each line is written to half its length", line_cut),
    "remainder_dropped": LoopBug("the last part of each line is not written", remainder_dropped),
    "remainder_shifted": LoopBug(
        "the last part of each line is written one place further", remainder_shifted
    ),
    "tail_mask": LoopBug("the mask of the last part of a line is one lane short", tail_mask),
    "stale_padding": LoopBug("zeros of the padding are never written", stale_padding),
    "one_row_short": LoopBug("the first loop ends one step early", one_row_short),
    "zero_wins": LoopBug("the largest entry is looked for from 0 on", zero_wins),
}
"""By the names that exhibits and tests use."""

KERNELS: tuple[tuple[str, tuple[int, ...], str], ...] = (
    ("Conv2d(1, 2, 2)", (1, 1, 3, 12), "input"),
    ("Conv2d(1, 2, 2, padding=1)", (1, 1, 2, 12), "weight"),
    ("Conv2d(1, 2, 2)", (1, 1, 3, 12), "bias"),
    ("Conv1d(1, 1, 3, padding=1)", (1, 1, 11), "output"),
    ("ConvTranspose1d(1, 1, 3, stride=2)", (1, 1, 6), "output"),
    ("AvgPool2d(2, stride=1)", (1, 1, 3, 11), "input"),
    ("Upsample(scale_factor=2)", (1, 1, 2, 6), "input"),
    ("Linear(5, 11)", (2, 5), "output"),
    ("MaxPool2d(2, stride=1)", (1, 1, 3, 3), "input"),
    ("MaxPool2d(2, padding=1)", (1, 1, 2, 2), "output"),
)
"""Right kernels (layer, input shape, result) whose loops are edited: every schedule that the layers take."""


def mutants(kernel: Kernel) -> Iterator[tuple[str, Kernel]]:
    """Every loop bug that changes this kernel's text, by name."""
    for title, bug in LOOPS.items():
        changed = bug.edit(kernel)
        if changed != kernel:
            yield title, changed
