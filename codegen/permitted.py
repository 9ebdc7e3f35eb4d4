"""Owns which operations a kernel's class may be written with.

The checks of sums of products speak of polynomials: a text that compares two entries and chooses could be
right at random operands and wrong at one value. Where a definition selects nothing, neither may its kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from codegen.choices import check_choices
from codegen.errors import BuildError
from codegen.facts import Facts
from codegen.lexical import Function
from codegen.literals import by_name, reached, words_of
from codegen.logical import refusal
from codegen.loops import OPERATIONS
from codegen.reach import parameters

PACKED, WEIGHT = "packed", "weight"
_CHOOSING = frozenset({"larger", "choose", "index"})
_SELECTING = _CHOOSING | {"smaller", "same"}
_BEYOND = frozenset(n for o in OPERATIONS if (n := o[2:]) in {*_SELECTING, "gate"} or n.startswith("fn_"))
"""What is no sum and no product."""


def check_permitted(
    pyx_text: str,
    kernels: Iterable[str],
    exactly: Iterable[str],
    facts: Facts,
    operands: Mapping[str, Sequence[str]],
    tables: Set[str] = frozenset(),
) -> None:
    """Raises BuildError where a kernel has an operation that its class has no use for.

    Args:
        exactly: those of the kernels that are sums of products: no functions, gates, choices.
        facts: of the layer; without codes nothing is selected, without shifts no largest entry is sought.
        operands: by kernel the arrays between result and workspace, in the order in which Python passes them.
        tables: names of those that the layer fills with numbers.
    """
    sums, functions, judged = set(exactly), by_name(pyx_text), dict[str, Function]()
    for kernel in kernels:
        refused = _BEYOND if kernel in sums else _SELECTING - _chosen(facts)
        entries = [kernel, *(e for e in (f"pack_{kernel}", f"packed_{kernel}") if f"bf_{e}" in functions)]
        judged |= {f.name: f for entry in entries for f in reached(pyx_text, entry)}
        words = set().union(*(words_of(pyx_text, entry) for entry in entries))
        found = sorted(w for w in words & set(OPERATIONS) if w[2:] in refused)
        if found:
            raise BuildError(
                f"kernel {kernel} has an operation that its equation does not need",
                where="text",
                expected="sums and products" if kernel in sums else "no choices by the values of entries",
                got=", ".join(found),
                mend="write it without, or give the equation what it selects by",
            )
    codes = {code.operand for code in facts.codes.values()}
    check_choices(judged, _arrays(judged.values(), operands), codes, tables)


def _arrays(functions: Iterable[Function], operands: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """By function that Python calls the names of its arrays; BuildError where it calls them otherwise."""
    wanted = {}
    for kernel, names in operands.items():
        wanted[f"bf_{kernel}"] = ["out", *names, "workspace"]
        wanted[f"bf_pack_{kernel}"] = [PACKED, WEIGHT, "workspace"]
        wanted[f"bf_packed_{kernel}"] = ["out", *(PACKED if n == WEIGHT else n for n in names), "workspace"]
    for function in functions:
        names = wanted.get(function.name, parameters(function))
        if parameters(function) != names:
            raise refusal(function.lines[0], ", ".join(parameters(function)), f"arrays {', '.join(names)}")
    return wanted


def _chosen(facts: Facts) -> Set[str]:
    return _SELECTING if facts.codes else _CHOOSING if facts.shifts else frozenset()
