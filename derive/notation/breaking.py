"""Owns where a long formula is broken: pieces are laid out on lines of a given width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from derive.notation.tree import Piece


def broken(
    pieces: Sequence[Piece], width: Callable[[Piece], float], first: float, rest: float
) -> list[tuple[Piece, ...]]:
    """The pieces on lines no wider than `first` (the first line) and `rest` (the others).

    A piece wider than a line gets a line of its own.
    """
    lines: list[tuple[Piece, ...]] = []
    current: list[Piece] = []
    left = first
    for piece in pieces:
        need = width(piece)
        if current and need > left:
            lines.append(tuple(current))
            current, left = [], rest
        current.append(piece)
        left -= need
    return [*lines, tuple(current)]
