"""The only place a Theorem is made: an argument goes in, the checker replays it, a Theorem comes out."""

from __future__ import annotations

from dataclasses import dataclass

from derive.check import check
from derive.claim import Argument, Claim


@dataclass(frozen=True)
class Theorem:
    """A claim over symbolic sizes together with the argument that the checker accepted.

    Every way to construct one runs the checker (copies by `dataclasses.replace` too); raises ProofError
    where it refuses.
    """

    argument: Argument

    def __post_init__(self) -> None:
        check(self.argument)

    def __init_subclass__(cls) -> None:
        raise TypeError("a Theorem is what the checker accepted; it has no other kinds")

    @property
    def claim(self) -> Claim:
        return self.argument.claim


def theorem(argument: Argument) -> Theorem:
    """The theorem that the argument proves; raises ProofError where the checker refuses it."""
    return Theorem(argument)
