"""Owns lines of a script, and how equal sums or products are proved equal part by part."""

from __future__ import annotations

from collections.abc import Sequence

Lines = list[str]


def each(blocks: Sequence[Lines], tactic: str = "apply add_same.") -> Lines:
    """The proofs of the parts, one after the other, where `tactic` splits off the last one.

    Sums and products associate to the left. Without a part there is nothing to prove.
    """
    if not blocks:
        return ["reflexivity."]
    if len(blocks) == 1:
        return list(blocks[0])
    return [tactic, "{", *each(blocks[:-1], tactic), "}", "{", *blocks[-1], "}"]
