"""Owns where a long formula is broken: pieces are laid out on lines of a given width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from derive.notation.tree import Piece

LEAST = 0.6
"""The part of a line that must be left for a term that is longer than a line."""


def broken(
    pieces: Sequence[Piece], width: Callable[[Piece], float], first: float, rest: float
) -> list[tuple[Piece, ...]]:
    """The pieces on lines no wider than `first` (the first line) and `rest` (the others).

    A term stays on one line where it fits on one, and a longer one starts where at least LEAST of a line is
    left; a piece wider than a line gets a line of its own.
    """
    lines: list[tuple[Piece, ...]] = []
    current: list[Piece] = []
    left = first
    for term in _terms(pieces):
        whole = sum(map(width, term))
        for place, piece in enumerate(term):
            together = whole if whole <= rest else LEAST * rest
            need = width(piece) if place else max(width(piece), together)
            if current and need > left:
                lines.append(tuple(current))
                current, left = [], rest
            current.append(piece)
            left -= width(piece)
    return [*lines, tuple(current)]


def _terms(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces of each signed term together."""
    found: list[list[Piece]] = []
    for piece in pieces:
        if piece.sign or not found:
            found.append([])
        found[-1].append(piece)
    return found
