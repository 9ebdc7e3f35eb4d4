"""Owns the estimate of what building a kernel costs, and the refusal of what would take too long."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codegen.facts import NOTHING, Facts, linear
from derive.claim import Claim
from derive.errors import LimitError

SECONDS_PER_PRODUCT = 30e-9
"""What a product of a contraction costs, measured: mostly the traced run and ten exact ones."""
SECONDS_PER_STAGE = 4e-6
"""What a product of any other kernel costs, measured: its definition over a field and in long double."""
MOST_SECONDS = 600
BYTES_PER_ENTRY = 100
"""What validation holds for an entry of an operand or result, measured: drawn numbers, words, references."""
BYTES_PER_STAGED_ENTRY = 350
"""The same where functions or choices are evaluated stage by stage."""


def products_of(claims: Mapping[str, Claim], facts: Facts = NOTHING) -> int:
    """Products of the kernels together, as definitions count them; of their stages where not linear."""
    return sum(_products(claim, facts) for claim in claims.values())


def seconds_of(claims: Mapping[str, Claim], facts: Facts = NOTHING) -> float:
    """About how long building and validating takes."""
    return sum(
        _products(c, facts) * (SECONDS_PER_PRODUCT if linear(c, facts) else SECONDS_PER_STAGE)
        for c in claims.values()
    )


def _products(claim: Claim, facts: Facts) -> int:
    from codegen.reference import term_count
    from codegen.relation import Family, relation_of
    from codegen.rewrite import program

    if linear(claim, facts):
        return sum(map(term_count, relation_of(claim).families))
    total = 0
    for stage in program(claim, facts).stages:
        own = stage.definition
        for term in own.body.terms:
            total += term_count(Family((*own.indices, *term.indices), term.conditions, (), ()))
    return total


def bytes_of(claims: Mapping[str, Claim], facts: Facts = NOTHING) -> int:
    """About what building and validating holds in memory at once."""
    from codegen.relation import entries

    tensors = {t.name: t for c in claims.values() for t in (*c.setting.inputs, c.target)}
    staged = not all(linear(claim, facts) for claim in claims.values())
    each = BYTES_PER_STAGED_ENTRY if staged else BYTES_PER_ENTRY
    return each * sum(map(entries, tensors.values()))


def memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_work(claims: Mapping[str, Claim], facts: Facts = NOTHING) -> None:
    """Refuse kernels whose validation this machine has no room for, or would be busy with for long.

    Raises LimitError.
    """
    needed, there = bytes_of(claims, facts), memory()
    if needed > there:
        raise LimitError(
            "kernels too large to validate here",
            where="build",
            expected=f"at most {there / 1e9:,.0f} GB of memory",
            got=f"about {needed / 1e9:,.0f} GB",
            mend="use a smaller batch, image or channel count, or fewer gradients (wrt=)",
        )
    seconds = seconds_of(claims, facts)
    if seconds > MOST_SECONDS:
        raise LimitError(
            "kernels too large to validate here",
            where="build",
            expected=f"at most {MOST_SECONDS} s for all kernels together",
            got=f"about {seconds:,.0f} s, {products_of(claims, facts):,} products",
            mend="use a smaller batch, image or channel count, or fewer gradients (wrt=)",
        )
