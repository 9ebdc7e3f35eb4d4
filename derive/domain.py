"""Owns the domain of a claim: where the functions in its definitions, and the steps about them, make sense.

An inverse needs an entry that is not 0, a logarithm or an inverse root one that is more than 0. What is a
sum of products of exponentials, counts and inverses of such is more than 0 whatever the operands are, and
needs no word; the rest is an assumption, printed beside the label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from derive.certify import Obligation, settled
from derive.claim import Claim, Setting
from derive.expr import Apply, Definition, Factor, Read

NEEDS = {
    "recip": "is not 0",
    "log": "is more than 0",
    "rsqrt": "is more than 0",
    "root": "is more than 0",
    "power": "is more than 0 (where norm_type is no positive whole number)",
    "log_clamped": "is from 0 to 1",
    "log_rest_clamped": "is from 0 to 1",
}
"""What a function or its derivative asks of its argument."""

POSITIVE = ("exp",)
KEPT = ("recip", "rsqrt")
"""Functions that are more than 0 everywhere, and those that are where their argument is."""


def domain(claims: Iterable[Claim]) -> tuple[str, ...]:
    """What is assumed of the values, each once: "steadied is more than 0 at every entry"."""
    found: dict[str, None] = {}
    for claim in claims:
        for factor in applied(claim):
            need = NEEDS.get(factor.function.removesuffix("_prime"))
            title = factor.of.tensor.name
            if need is not None and not _positive_entry(claim.setting, factor.of):
                found[f"{title} {need}" + (" at every entry" if factor.of.tensor.shape else "")] = None
    return tuple(found)


def supposed(claims: Sequence[Claim]) -> tuple[str, ...]:
    """What claims with functions suppose of the values and of the functions; nothing for others."""
    places, used = domain(claims), functions(claims)
    return (
        *([f"domain: {'; '.join(places)}"] if places else []),
        *([f"functions and their derivatives as in derive.functions: {', '.join(used)}"] if used else []),
    )


def functions(claims: Iterable[Claim]) -> tuple[str, ...]:
    """The names of the functions that occur, in order of appearance."""
    return tuple(dict.fromkeys(f.function for claim in claims for f in applied(claim)))


def applied(claim: Claim) -> list[Apply]:
    """Every function of an entry in the definitions and the right side of a claim."""
    bodies = [d.body for d in (*claim.setting.definitions, claim.right)]
    return [f for b in bodies for t in b.terms for f in t.factors if isinstance(f, Apply)]


def _positive_entry(setting: Setting, read: Read) -> bool:
    definition = setting.definition(read.tensor.name)
    return definition is not None and positive(setting, definition)


def positive(setting: Setting, definition: Definition) -> bool:
    """Whether every entry is more than 0 for all operands, as its terms show.

    A sum without conditions counts where a fact says that each index has at least one value; an entry
    defined before is looked up.
    """
    terms = definition.body.terms
    return bool(terms) and all(
        t.coefficient > 0
        and not t.conditions
        and all(settled(Obligation(setting.facts, i.extent - 1, "")) for i in t.indices)
        and all(_positive(setting, f) for f in t.factors)
        for t in terms
    )


def _positive(setting: Setting, factor: Factor) -> bool:
    match factor:
        case Read():
            return _positive_entry(setting, factor)
        case Apply(function, of):
            return function in POSITIVE or (function in KEPT and _positive_entry(setting, of))
    return False
