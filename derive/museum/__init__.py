"""The museum of bugs: what recurs in the field, as mutants of definitions, closed forms and functions."""

from __future__ import annotations

from derive.museum.exhibit import Exhibit


def exhibits() -> tuple[Exhibit, ...]:
    """Every exhibit, convolutions first."""
    from derive.museum import catalogue_conv, catalogue_other, catalogue_pool

    return (*catalogue_conv.EXHIBITS, *catalogue_pool.EXHIBITS, *catalogue_other.EXHIBITS)


__all__ = ["Exhibit", "exhibits"]
