"""Owns how loops are written in Cython: statements to lines here, everything around them in the template."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.loops import (
    OPERATIONS,
    Argument,
    Assign,
    Branch,
    Call,
    Comment,
    Do,
    If,
    Kernel,
    Limit,
    Loop,
    Part,
    Place,
    Pointer,
    Statement,
    calls,
)
from codegen.targets.cython.parts import Function, functions, packed_count, packed_operands, turns
from derive.index import Condition, Form, Zero

if TYPE_CHECKING:
    from jinja2 import Environment

HOME = Path(__file__).resolve().parent
WIDTH = 110


@dataclass(frozen=True)
class ArrayText:
    """One argument of an entry: its name, element count, and the flags 0 or 1."""

    name: str
    count: int
    writable: int
    more: int


@dataclass(frozen=True)
class FunctionText:
    """One function, already text."""

    name: str
    parameters: str
    comments: tuple[str, ...]
    declarations: str
    body: str


@dataclass(frozen=True)
class EntryText:
    """One function that Python can call, already text; how many arrays it takes."""

    name: str
    target: str
    count: int
    arguments: str
    pointers: str
    counts: str
    arrays: tuple[ArrayText, ...]


@dataclass(frozen=True)
class KernelText:
    """Everything a template says about one kernel, already text."""

    functions: tuple[FunctionText, ...]
    entries: tuple[EntryText, ...]


def module_text(title: str, facts: Sequence[str], kernels: Sequence[Kernel]) -> str:
    """The Cython module of the given kernels, its own digest inside."""
    template = environment().get_template("module.pyx.jinja")
    shown = [kernel_text(k) for k in kernels]
    facts = [line for fact in facts for line in wrapped(fact, WIDTH - 2)]
    shared = any("prange(" in f.body for k in shown for f in k.functions)
    parts = {"title": title, "facts": facts, "kernels": shown, "further": further(kernels), "shared": shared}
    bare = template.render(**parts, digest="")
    return template.render(**parts, digest=digest(bare))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HOME / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def kernel_text(kernel: Kernel) -> KernelText:
    written = functions(kernel)
    return KernelText(
        tuple(_function(kernel, f, comments(kernel) if f.name == kernel.name else []) for f in written),
        tuple(_entry(f.name, *arrays_of(kernel, f.name)) for f in written if f.entry),
    )


def arrays_of(kernel: Kernel, name: str) -> tuple[ArrayText, ...]:
    """The arrays that an entry takes: what it writes, operands, workspace."""
    scratch = ArrayText("workspace", kernel.workspace, 1, 1)
    if name == f"pack_{kernel.name}":
        weight = next(b for b in kernel.operands if b.name == "weight")
        return (
            ArrayText("packed", packed_count(kernel), 1, 0),
            ArrayText(weight.name, weight.count, 0, 0),
            scratch,
        )
    operands = packed_operands(kernel) if name == f"packed_{kernel.name}" else kernel.operands
    out = ArrayText("out", kernel.out.count, 1, 0)
    return (out, *(ArrayText(b.name, b.count, 0, 0) for b in operands), scratch)


def _entry(name: str, *arrays: ArrayText) -> EntryText:
    return EntryText(
        name,
        arrays[0].name,
        len(arrays),
        ", ".join(a.name for a in arrays),
        ", ".join(f"at[{i}]" for i in range(len(arrays))),
        ", ".join(f"{a.name} {a.count}" for a in arrays),
        arrays,
    )


def _function(kernel: Kernel, function: Function, said: list[str]) -> FunctionText:
    declared = [*function.places]
    for kind, names in function.names:
        declared += _wrapped(f"cdef {kind} ", list(names))
    plain = function.name == kernel.name and packed_count(kernel) > 0
    body = [*function.lines, *(line for s in function.body for line in _placed(kernel, s, plain))]
    return FunctionText(
        function.name, ", ".join(function.parameters), tuple(said), "\n".join(declared), "\n".join(body)
    )


def _placed(kernel: Kernel, statement: Statement, plain: bool) -> list[str]:
    """A statement of a kernel's main function; a part is called."""
    return turns(kernel, statement, plain) if isinstance(statement, Part) else _lines(statement)


def comments(kernel: Kernel) -> list[str]:
    """The equation, the definitions it reads, the schedule; long lines wrapped at spaces."""
    said = [kernel.equation, *(f"  where {d}" for d in kernel.definitions), *kernel.notes]
    return [line for text in said for line in wrapped(text, WIDTH - 6)]


def wrapped(text: str, width: int) -> list[str]:
    indent = "  " + " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _wrapped(head: str, names: list[str]) -> list[str]:
    """Declarations of many names, as many a line as fit."""
    found: list[str] = []
    for title in names:
        if found and len(found[-1]) + len(title) + 2 <= WIDTH - 4:
            found[-1] += f", {title}"
        else:
            found.append(head + title)
    return found


def lines(body: tuple[Statement, ...]) -> list[str]:
    return [line for statement in body for line in _lines(statement)]


def _lines(statement: Statement) -> list[str]:
    match statement:
        case Comment(text):
            return [f"# {text}"]
        case Assign(title, value):
            return [f"{title} = {call_text(value)}"]
        case Do(call):
            return [call_text(call)]
        case Place(title, at):
            return [f"{title} = {at}"]
        case Limit():
            return _limit(statement)
        case Branch(number):
            return [f"bf_branch({number})"]
        case Loop(title, start, stop, step, body):
            return [f"for {title} in range({_range(start, stop, step)}):", *_indented(body)]
        case If(conditions, body):
            return [f"if {' and '.join(map(condition_text, conditions))}:", *_indented(body)]
        case Part(title):
            raise ValueError(f"part {title} stands inside another statement")


def _limit(limit: Limit) -> list[str]:
    """The quotient of a numerator that is never negative, then one test for each end it may pass."""
    lift, divisor = limit.lift, limit.divisor
    lifted = f"({limit.form + lift * divisor}) // {divisor}" + (f" - {lift}" if lift else "")
    found = [f"{limit.name} = {limit.form if divisor == 1 else lifted}"]
    for end in limit.ends:
        found += [f"if {limit.name} {'>' if limit.upper else '<'} {end}:", f"    {limit.name} = {end}"]
    return found


def _range(start: int | str, stop: int | str, step: int) -> str:
    if step != 1:
        return f"{start}, {stop}, {step}"
    return f"{start}, {stop}" if start else str(stop)


def _indented(body: tuple[Statement, ...]) -> list[str]:
    return [f"    {line}" for line in lines(body)]


def call_text(call: Call) -> str:
    return f"{call.operation}({', '.join(map(_argument, call.arguments))})"


TYPES = {"p": "const E*", "e": "E", "v": "V", "n": "Py_ssize_t", "i": "Py_ssize_t"}
COMMON = frozenset(
    f"{kind}_{name}"
    for kind, names in {
        "e": ("zero", "load", "store", "fma", "add"),
        "v": ("zero", "load", "store", "load_part", "store_part", "store_strided", "load_strided", "splat"),
    }.items()
    for name in names
) | {"v_fma", "v_add", "v_sum"}
"""Operations that every module declares."""


def further(kernels: Sequence[Kernel]) -> list[str]:
    """Declarations of the operations that kernels use beside the common ones."""
    used = {c.operation for k in kernels for c in calls(k.body)} - COMMON
    return [f"{OPERATIONS[o][0] or 'void'} {o}({_types(o)})" for o in sorted(used)]


def _types(operation: str) -> str:
    """The types of an operation's arguments; what has no result stores through its first one."""
    result, arguments = OPERATIONS[operation]
    types = [TYPES[a] for a in arguments]
    if not result and arguments.startswith("p") and operation != "e_prefetch":
        types[0] = "E*"
    return ", ".join(types)


def _argument(argument: Argument) -> str:
    return _pointer(argument) if isinstance(argument, Pointer) else str(argument)


def _pointer(pointer: Pointer) -> str:
    at = pointer.at
    if at == Form():
        return pointer.buffer.name
    text = str(at)
    return f"{pointer.buffer.name} + ({text})" if text.startswith("-") else f"{pointer.buffer.name} + {text}"


def condition_text(condition: Condition) -> str:
    if isinstance(condition, Zero):
        return f"{condition.form} == 0"
    return f"0 <= {condition.form} < {condition.high}"
