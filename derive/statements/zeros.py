"""Owns the two ways in which closed forms put zeros into a tensor: between its entries, and around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import Condition, Form, Index, Within, Zero
from derive.statements.model import forms


@dataclass(frozen=True)
class Around:
    """One axis with zeros around it: `before` of them first (negative: cropped), `whole` entries in all."""

    tag: str
    before: Form
    length: Form
    whole: Form


@dataclass(frozen=True)
class Between:
    """One axis that gets stride - 1 zeros between neighbours; `index` runs over its entries."""

    tag: str
    stride: Form
    index: Index

    @property
    def stuffed(self) -> Form:
        """Its length with the zeros."""
        return self.stride * (self.index.extent - 1) + 1


def around(
    title: str, source: Tensor, lead: tuple[Index, ...], axes: Sequence[Around], role: str
) -> Definition:
    """title[lead, e] := [0 <= e - before < length] source[lead, e - before] on every axis."""
    e = tuple(Index(f"e_{a.tag}", a.whole) for a in axes)
    spots = tuple(i.form - a.before for i, a in zip(e, axes, strict=True))
    inside = tuple(Within(s, a.length) for s, a in zip(spots, axes, strict=True))
    body = Expr((Sum((), inside, (Read(source, (*forms(*lead), *spots)),)),))
    return _defined(title, source, (*lead, *e), body, role)


def between(
    title: str, source: Tensor, lead: tuple[Index, ...], axes: Sequence[Between], role: str
) -> Definition:
    """title[lead, z] := sum over o of [z = stride * o] source[lead, o] on every axis."""
    z = tuple(Index(f"z_{a.tag}", a.stuffed) for a in axes)
    own = tuple(a.index for a in axes)
    hits: tuple[Condition, ...] = tuple(
        Zero(zi.form - a.stride * a.index.form) for zi, a in zip(z, axes, strict=True)
    )
    body = Expr((Sum(own, hits, (Read(source, forms(*lead, *own)),)),))
    return _defined(title, source, (*lead, *z), body, role)


def _defined(title: str, source: Tensor, where: tuple[Index, ...], body: Expr, role: str) -> Definition:
    return Definition(Tensor(title, tuple(i.extent for i in where), source.layout), where, body, role)
