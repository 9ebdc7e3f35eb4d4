"""Owns the second file that Rocq is given: every statement again, proved by nothing but the script's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from derive.claim import Argument
from derive.rocq.bounds import Bounds
from derive.rocq.definitions import Lines, Listing
from derive.rocq.facts import Sides
from derive.rocq.layout import Layout
from derive.rocq.modules import module
from derive.rocq.statement import Statement, inverted


def expected(arguments: Mapping[str, Argument], script: str) -> Lines:
    """The definitions and statements of the claims, written anew.

    Each is proved by what the script called `script` proves under that name, so that a script that says less,
    or of other definitions, is rejected whatever it says.
    """
    return [line for key, argument in arguments.items() for line in _claim(key, argument, script)]


def _claim(key: str, argument: Argument, script: str) -> Lines:
    listing, title = Listing(argument.claim), module(key)
    stated = Statement(listing, inverted(argument))
    bounds = Bounds(listing, argument, Sides(listing.names))
    own = f"{script}.{title}"
    whole = [*stated.witness(argument), f"Theorem theorem :\n  {stated.text()}."]
    whole += Layout(listing, stated, bounds).statement()
    given = [*map(listing.names.variable, listing.sizes), *(name for name, _ in stated.sizes())]
    lines = [*_again(bounds.text(), own, given), *_again(whole, own, [])]
    proved = ", ".join(name for line in lines if (name := _stated(line)))
    return [
        f"Module {title}.",
        *listing.section(),
        *lines,
        f"Definition everything := ({proved}).",
        f"End {title}.",
        f"Print Assumptions {title}.everything.",
    ]


def _again(lines: Lines, own: str, given: Sequence[str]) -> Lines:
    """The lemmas with other proofs: what the script proved under the same name, `given` put into it."""
    found = []
    for line in lines:
        if name := _stated(line):
            found += [line, f"Proof. exact ({' '.join([f'{own}.{name}', *given])}). Qed."]
        elif not line.startswith("Proof."):
            found.append(line)
    return found


def _stated(line: str) -> str:
    """The name that a line states something under, or ""."""
    return line.split()[1] if line.startswith(("Lemma ", "Theorem ")) else ""
