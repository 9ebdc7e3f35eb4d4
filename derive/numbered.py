"""Owns a derivation with the number of each of its equations, and which of them an answer points at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from derive.entries import reads
from derive.family import family
from derive.notation.symbols import split

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.equations import Line


@dataclass(frozen=True)
class Numbered:
    """A derivation with the equation number of each of its steps."""

    derivation: Derivation
    numbers: tuple[str, ...]

    @property
    def family(self) -> str:
        return family(self.derivation)

    @property
    def sizes(self) -> Mapping[str, int]:
        return self.derivation.sizes

    @property
    def tags(self) -> tuple[str, ...]:
        """The axes whose lengths are sizes: "h", "w"."""
        found = [split(n) for n in self.sizes]
        return tuple(base.lower() for base, below, _ in found if base in ("D", "H", "W") and not below)

    @property
    def staged(self) -> bool:
        """Whether the padding is a definition of its own, in front of the layer's."""
        return self.derivation.general.setting.definitions[0].tensor.name != "output"

    def size(self, letter: str, tag: str) -> int:
        return int(self.sizes.get(f"{letter}_{tag}", 0))

    def length(self, tag: str, end: str = "") -> int:
        return int(self.sizes[tag.upper() + end])

    def first(self, rule: str) -> str:
        """The number of the first step of a rule, or ""."""
        return self._first(lambda s: s.rule == rule)

    def turned(self) -> str:
        """The number of the step that reads the kernel backwards, or ""."""
        return self._first(lambda s: "flipped" in s.reason and s.rule == "reindex")

    def local(self) -> str:
        """The number of the local derivative: the last use of the chain rule."""
        return next((n for n, s in reversed(self._pairs) if s.rule == "chain"), "")

    def introduces(self, tensor: str) -> str:
        """The number of the first step that reads a tensor which the one before did not, or ""."""
        return self._first(lambda s: tensor in reads(s.rhs) - reads(s.lhs))

    def at(self, tensor: str) -> str:
        """The same; the closed form's number where sizes have left no such step."""
        return self.introduces(tensor) or self.closed()

    def closed(self) -> str:
        """The number of the closed form."""
        return self.numbers[-1]

    def _first(self, wanted: Callable[[Line], bool]) -> str:
        return next((n for n, s in self._pairs if wanted(s)), "")

    @property
    def _pairs(self) -> Sequence[tuple[str, Line]]:
        return tuple(zip(self.numbers, self.derivation.steps, strict=True))


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def counted(count: int, noun: str) -> str:
    """2 zeros, 1 zero, 3 entries."""
    if count == 1:
        return f"{count} {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"
