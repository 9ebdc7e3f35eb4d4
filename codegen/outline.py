"""Owns the gate on what stands around kernels: declarations of our headers and the entries of the template.

An entry that counts its calls, or looks at its buffers, could treat a validated kernel's result as it likes
later on. So nothing is left open there: operations are declared as what they are, every function that Python
can call is one of those of the template, word for word, and there is nothing else beside the kernels.
"""

from __future__ import annotations

import re
import tokenize

from codegen.logical import Line, logical_lines, refusal
from codegen.loops import OPERATIONS

OPS = {*OPERATIONS, "bf_branch"}
EXTERN_NAMES = OPS | {"e_poison", "BF_ELEMENT_BYTES", "BF_LANES"}
HEADER = "backflip_ops.h"
_WHOLE = "Py_ssize_t"
_TYPES = {"": "void", "E": "E", "V": "V", "p": "E *", "e": "E", "v": "V", "n": _WHOLE, "i": _WHOLE}
_OWN = """
ctypedef struct E:
ctypedef struct V:
pass
const Py_ssize_t BF_ELEMENT_BYTES
const int BF_LANES
void bf_branch(int)
void e_poison(E*, Py_ssize_t)
"""
_ENTRY = """
ctypedef struct bf_arguments:
int count
ctypedef void (*bf_work)(E**) noexcept nogil
E* bf_take(bf_arguments*, object, const char*, Py_ssize_t, int, int) except NULL
int bf_run(const bf_arguments*, bf_work) except -1
void bf_release(bf_arguments*)
int bf_spoil(object) except -1
object bf_runner(bf_work, int)
object bf_fast(object, object)
void bf_on_one_thread(int)
"""
_RUN = """
cdef void run_{name}(E** at) noexcept nogil:
    bf_{name}({passed})
"""
_CALL = """
def call_{name}({all}):
    cdef bf_arguments taken
    taken.count = 0
    try:
{taken}
        bf_run(&taken, run_{name})
    finally:
        bf_release(&taken)
"""
_RUNNER = """
def runner_{name}():
    return bf_runner(run_{name}, COUNT)
"""
_FIXED = """
def element_bytes():
    return BF_ELEMENT_BYTES
def lanes():
    return BF_LANES
def poison(buffer):
    bf_spoil(buffer)
def fast(plan, slow):
    return bf_fast(plan, slow)
def on_one_thread(yes):
    bf_on_one_thread(yes)
def source_digest():
    return DIGEST
"""
_OPEN = {"COUNT": r"\d+", "FLAG": "[01]", "DIGEST": '"[0-9a-f]{64}"'}
"""What may differ in an entry: sizes, which are checked against what is passed, and the text's digest."""


def is_kernel(head: Line) -> bool:
    """Whether a top-level line is the head of a kernel function: cdef ... bf_name(...) noexcept nogil:"""
    words = head.words
    return words[0] == "cdef" and words[-4:] == (")", "noexcept", "nogil", ":") and not _is_run(head)


def _is_run(head: Line) -> bool:
    return head.words[:2] == ("cdef", "void") and head.words[2].startswith("run_")


def check_around(head: Line, body: list[Line]) -> None:
    """A top-level piece of text that is no kernel; raises BuildError where the template has none like it."""
    if head.words[:3] == ("cdef", "extern", "from"):
        _check_extern(head, body)
    elif head.words[0] == "def" or _is_run(head):
        _check_entry(head, body)
    elif not (head.said or head.words == ("from", "cython", ".", "parallel", "cimport", "prange")) or body:
        raise refusal(head, head.words[0], "declarations and entries of the template only")


def _check_extern(head: Line, body: list[Line]) -> None:
    """No header but ours, which could bring macros, and no C; what is declared is declared as what it is."""
    header = next((t.string.strip("\"'") for t in head.tokens if t.type == tokenize.STRING), "*")
    known = {HEADER: _operations() | _lines(_OWN), "backflip_entry.h": _lines(_ENTRY)}
    if header not in known:
        raise refusal(head, header, f"declarations of {' and '.join(known)} only")
    if head.words[4:] not in {(":",), ("nogil", ":")}:
        raise refusal(head, " ".join(head.words), "a header and nothing more")
    for line in body:
        if any(t.type == tokenize.STRING for t in line.tokens):
            raise refusal(line, " ".join(line.words)[:60], "no C, and no other name for an operation")
        if _plain(line.words) not in known[header]:
            raise refusal(line, " ".join(line.words), f"declarations of the operations of {header} only")


def _operations() -> set[tuple[str, ...]]:
    """The operations of the loop language as they are declared."""
    found = set()
    for name, (result, arguments) in OPERATIONS.items():
        found |= _lines(f"{_TYPES[result]} {name}({', '.join(_TYPES[a] for a in arguments)})")
    return found


def _lines(text: str) -> set[tuple[str, ...]]:
    flat = "\n".join(line.strip() for line in text.splitlines())
    words = (tuple(re.findall(r"\w+|\*\*|\S", line)) for line in flat.splitlines())
    return {_plain(line) for line in words if line}


def _plain(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without const, and with one whole type."""
    return tuple(_WHOLE if w == "int" else w for w in words if w != "const")


def _check_entry(head: Line, body: list[Line]) -> None:
    """A function around a kernel, or one that Python can call, against its model in the template."""
    name, wanted = head.words[1], _FIXED
    lines = [head, *(line for line in body if not line.said)]
    if _is_run(head):
        wanted = _run(head.words[2].removeprefix("run_"), sum(line.words.count("at") for line in body))
    elif name.startswith("call_"):
        wanted = _call(name.removeprefix("call_"), [w for w in head.words[3:-2] if w != ","])
    elif name.startswith("runner_"):
        wanted = _RUNNER.format(name=name.removeprefix("runner_"))
    expected = logical_lines(wanted)
    if wanted is _FIXED:
        start = next((i for i, line in enumerate(expected) if line.words[1] == name), 0)
        expected = expected[start : start + 2]
    for line, model in zip([*lines, *[lines[-1]] * (len(expected) - len(lines))], expected, strict=False):
        if line.indent != model.indent or not _matches(line.words, model.words):
            raise refusal(line, " ".join(line.words), f"the entry of the template: {' '.join(model.words)}")
    if len(lines) > len(expected):
        raise refusal(lines[len(expected)], lines[len(expected)].words[0], "the entry of the template")


def _matches(words: tuple[str, ...], model: tuple[str, ...]) -> bool:
    if len(words) != len(model):
        return False
    return all(re.fullmatch(_OPEN.get(m, re.escape(m)), w) for w, m in zip(words, model, strict=True))


def _run(name: str, count: int) -> str:
    """The function of the template that gives a kernel its arrays, in the order in which they were taken."""
    return _RUN.format(name=name, passed=", ".join(f"at[{i}]" for i in range(count)))


def _call(name: str, arguments: list[str]) -> str:
    """The entry of a kernel in the template, its sizes left open."""
    take = '        bf_take(&taken, {a}, b"{a}", COUNT, FLAG, FLAG)'
    taken = "\n".join(take.format(a=a) for a in arguments)
    return _CALL.format(name=name, all=", ".join(arguments), taken=taken)
