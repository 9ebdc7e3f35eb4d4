"""Owns the descriptions of tensors whose entries are not computed by a claim: indicators, and free shifts.

A theorem takes such a tensor as an input with any entries. Here stands what fills it at sizes: an indicator
has an entry 1 where a whole number (the code) names the place, and 0 elsewhere; a shift may hold anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.index import Form

FIRSTS = ("", "largest", "smallest")
"""Where codes come from: the user; the first largest entry of each window; the first smallest."""


@dataclass(frozen=True)
class Code:
    """An indicator by codes: entry [x0, x1, ..] is 1 where code[x_lead] == value(x), else 0.

    Args:
        operand: the name of the int64 array of codes.
        lead: the indicator's language axes that the array of codes has, in order.
        value: a form over x0, x1, ... (the indicator's language axes), with numbers for sizes.
        first: one of FIRSTS; where it is not empty, the codes are computed from the values.

    To multiply by an indicator is to choose: where it is 0 the term is absent, so 0 * inf does not occur.
    """

    operand: str
    lead: tuple[int, ...]
    value: Form
    first: str = ""


@dataclass(frozen=True)
class Shift:
    """A tensor that may hold anything, filled with the largest entry of `source` along one language axis."""

    source: str
    axis: int
