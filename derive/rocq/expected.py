"""Owns the second file that Rocq is given: every statement again, proved by nothing but the script's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from derive.claim import Argument
from derive.rocq.bounds import Bounds
from derive.rocq.definitions import Listing
from derive.rocq.facts import Sides
from derive.rocq.layout import Layout
from derive.rocq.lines import Lines
from derive.rocq.modules import module
from derive.rocq.statement import Statement, inverted


def expected(arguments: Mapping[str, Argument], script: str) -> Lines:
    """The definitions and statements of the claims, written anew.

    Each is proved by what the script called `script` proves under that name, so that a script that says less,
    or of other definitions, is rejected whatever it says.
    """
    return [line for key, argument in arguments.items() for line in _claim(key, argument, script)]


PROVED = re.compile(r"^((?:Lemma|Theorem) (\S+) (?:.|\n)*?\.)\nProof\.(?:.|\n)*?Qed\.$", re.MULTILINE)
"""A statement, its name, and a proof."""


def _claim(key: str, argument: Argument, script: str) -> Lines:
    listing, title = Listing(argument.claim), module(key)
    stated = Statement(listing, inverted(argument))
    bounds = Bounds(listing, argument, Sides(listing.names))
    given = [*map(listing.names.variable, listing.sizes), *(name for name, _ in stated.sizes())]
    theorems = [f"Theorem theorem :\n  {stated.text()}.", *Layout(listing, stated, bounds).statement()]
    whole = [*stated.witness(argument), *(f"{text}\nProof. Qed." for text in theorems)]
    own = f"{script}.{title}"
    proved = ", ".join(name for _, name in PROVED.findall(_text([*bounds.text(), *whole])))
    return [
        f"Module {title}.",
        *listing.section(),
        _again(bounds.text(), own, given),
        _again(whole, own, []),
        f"Definition everything := ({proved}).",
        f"End {title}.",
        f"Print Assumptions {title}.everything.",
    ]


def _text(lines: Lines) -> str:
    return "\n".join(lines)


def _again(lines: Lines, own: str, given: Sequence[str]) -> str:
    """The lemmas with other proofs: what the script proved under the same name, `given` put into it."""
    return PROVED.sub(
        lambda m: f"{m[1]}\nProof. exact ({' '.join([f'{own}.{m[2]}', *given])}). Qed.", _text(lines)
    )
