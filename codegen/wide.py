"""Owns the refusal of whole numbers that are too large to be written in a kernel.

Cython takes a number of more than 32 bits for a Python object. Smaller ones, times an index, stay far
below 2^63, so that no address and no end of a loop wraps around.
"""

from __future__ import annotations

from collections.abc import Iterator

from codegen.errors import BuildError
from codegen.loops import If, Kernel, Limit, Place, Pointer, Statement, calls, statements
from derive.index import Form, Within

LARGEST = 2**31 - 1


def checked(kernel: Kernel) -> Kernel:
    """The kernel; raises BuildError where it says a number above LARGEST."""
    forms = [f for s in statements(kernel.body) for f in _forms(s)]
    forms += [a.at for c in calls(kernel.body) for a in c.arguments if isinstance(a, Pointer)]
    most = max((abs(c) for f in forms for _, c in f.terms), default=0)
    if most > LARGEST:
        raise BuildError(
            "a size is too large to be written in a kernel",
            where=f"kernel {kernel.name}",
            expected=f"whole numbers up to {LARGEST:,}",
            got=f"{most:,}",
            mend="for a scale_factor of many digits: fewer digits, size=, or recompute_scale_factor=True",
        )
    return kernel


def _forms(statement: Statement) -> Iterator[Form]:
    """The forms of a statement as they are printed."""
    match statement:
        case Place(_, at):
            yield at
        case Limit(_, form, divisor, lift):
            yield from (form + lift * divisor, Form.of(divisor), Form.of(lift))
        case If(conditions):
            yield from (c.form for c in conditions)
            yield from (c.high for c in conditions if isinstance(c, Within))
        case _:
            return
