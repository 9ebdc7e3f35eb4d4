"""The only place a Theorem is made: an argument goes in, the checker replays it, a Theorem comes out."""

from __future__ import annotations

from dataclasses import dataclass, field

from derive.check import check
from derive.claim import Argument, Claim

_MADE_HERE = object()


@dataclass(frozen=True)
class Theorem:
    """A claim over symbolic sizes together with the argument that the checker accepted."""

    argument: Argument
    made_by: object = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.made_by is not _MADE_HERE:
            raise TypeError("a Theorem is made by derive.proof.theorem, from an argument that checks")

    @property
    def claim(self) -> Claim:
        return self.argument.claim


def theorem(argument: Argument) -> Theorem:
    """The theorem that the argument proves; raises ProofError where the checker refuses it."""
    check(argument)
    return Theorem(argument, _MADE_HERE)
