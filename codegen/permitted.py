"""Owns which operations a kernel's class may be written with.

The checks of sums of products speak of polynomials: a text that compares two entries and chooses could be
right at random operands and wrong at one value. Where a definition selects nothing, neither may its kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from codegen.choices import check_choices
from codegen.errors import BuildError
from codegen.facts import Facts
from codegen.literals import reached, words_of
from codegen.loops import OPERATIONS

_CHOOSING = frozenset({"larger", "choose", "index"})
_SELECTING = _CHOOSING | {"smaller", "same"}
_BEYOND = frozenset(n for o in OPERATIONS if (n := o[2:]) in {*_SELECTING, "gate"} or n.startswith("fn_"))
"""What is no sum and no product."""


def check_permitted(pyx_text: str, kernels: Iterable[str], exactly: Iterable[str], facts: Facts) -> None:
    """Raises BuildError where a kernel has an operation that its class has no use for.

    Args:
        exactly: those of the kernels that are sums of products: no functions, gates, choices.
        facts: of the layer; without codes nothing is selected, without shifts no largest entry is sought.
    """
    sums = set(exactly)
    for kernel in kernels:
        refused = _BEYOND if kernel in sums else _SELECTING - _chosen(facts)
        found = sorted(w for w in words_of(pyx_text, kernel) & set(OPERATIONS) if w[2:] in refused)
        if found:
            raise BuildError(
                f"kernel {kernel} has an operation that its equation does not need",
                where="text",
                expected="sums and products" if kernel in sums else "no choices by the values of entries",
                got=", ".join(found),
                mend="write it without, or give the equation what it selects by",
            )
        check_choices(reached(pyx_text, kernel), {code.operand for code in facts.codes.values()})


def _chosen(facts: Facts) -> Set[str]:
    return _SELECTING if facts.codes else _CHOOSING if facts.shifts else frozenset()
