"""Owns resampling: taking every s-th entry, inserting zeros, and banded maps (nearest, linear, adaptive).

A banded map sends input entry i of an axis to output place o where 0 <= u*o - v*i + t < w, with a table
entry as weight where there is one. Nearest: u/v is the scale's inverse, no table. Linear: the table holds
the interpolation weights (exact rationals), which vanish outside the band. Adaptive mean: the band is the
window floor(o H / H_out) <= i < ceil((o+1) H / H_out), the table one over the number of its entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.claim import Claim, Fact
from derive.expr import Definition, Expr, Factor, Read, Sum, Tensor, single
from derive.index import Condition, Form, Index, Within, Zero, name
from derive.statements.model import Image, Model, at_least, forms, ranged
from derive.statements.zeros import Between, between

WEIGHTS = ("one", "table", "share")
"""Banded weights: 1; a table over (place, entry); one over the number of entries, a table over places."""


def upper(tag: str) -> Form:
    return name(tag.upper())


def out(tag: str) -> Form:
    return name(f"{tag.upper()}_out")


def stuffed(tag: str, length: Form) -> Form:
    return name(f"s_{tag}") * (length - 1) + 1


@dataclass(frozen=True)
class _Maps:
    """Shared by the maps below: (N, C, lengths) to (N, C, out lengths), batch always there."""

    tags: tuple[str, ...]
    batched: bool = True

    @property
    def image(self) -> Image:
        return Image(self.batched)

    @property
    def lead(self) -> tuple[Index, Index]:
        return (self.image.n, self.image.c)

    @property
    def entries(self) -> tuple[Index, ...]:
        return ranged("i", self.tags, [upper(t) for t in self.tags])

    @property
    def places(self) -> tuple[Index, ...]:
        return ranged("o", self.tags, [out(t) for t in self.tags])

    @property
    def x(self) -> Tensor:
        return self.image.tensor("input", [upper(t) for t in self.tags])

    def defined(self, title: str, where: Sequence[Index], body: Expr, role: str) -> Definition:
        tensor = self.image.tensor(title, [i.extent for i in where])
        return Definition(tensor, (*self.lead, *where), body, role)


class Downsampling(_Maps):
    """Every s-th entry: H = s (H_out - 1) + 1 + r with 0 <= r < s."""

    def facts(self) -> tuple[Fact, ...]:
        found = self.image.facts()
        for t in self.tags:
            found += at_least(1, t.upper(), f"{t.upper()}_out", f"s_{t}") + at_least(0, f"r_{t}")
            found += (Fact(name(f"s_{t}") - 1 - name(f"r_{t}")),)
            found += (Fact(upper(t) - stuffed(t, out(t)) - name(f"r_{t}"), equal=True),)
        return found

    def claims(self) -> dict[str, Claim]:
        """output = entries at multiples of s; grad_input = zero-insertion, then the leftover zeros."""
        spots = [name(f"s_{t}") * o.form for t, o in zip(self.tags, self.places, strict=True)]
        body = single(Read(self.x, (*forms(*self.lead), *spots)))
        output = self.defined("output", self.places, body, "every s-th entry")
        model = Model(self.facts(), (self.x,), output)
        right = self.defined("downsampled", self.places, body, "every s-th entry")
        axes = [Between(t, name(f"s_{t}"), o) for t, o in zip(self.tags, self.places, strict=True)]
        spread = between("spread", model.grad_output, self.lead, axes, "zero-insertion")
        pairs = zip(self.entries, axes, strict=True)
        inside = tuple(Within(i.form, a.stuffed) for i, a in pairs)
        from_spread = Read(spread.tensor, forms(*self.lead, *self.entries))
        grad = self.defined(
            "grad_input", self.entries, Expr((Sum((), inside, (from_spread,)),)), "leftover zeros at the end"
        )
        return {"output": model.forward(right), "input": model.gradient(self.x, grad, spread)}


class ZeroInsertion(_Maps):
    """s - 1 zeros between neighbours, r at the end: H_out = s (H - 1) + 1 + r."""

    def facts(self) -> tuple[Fact, ...]:
        found = self.image.facts()
        for t in self.tags:
            found += at_least(1, t.upper(), f"{t.upper()}_out", f"s_{t}") + at_least(0, f"r_{t}")
            found += (Fact(out(t) - stuffed(t, upper(t)) - name(f"r_{t}"), equal=True),)
        return found

    def claims(self) -> dict[str, Claim]:
        """output = zero-insertion, then zeros at the end; grad_input = the downsampling of grad_output."""
        pairs = list(zip(self.tags, self.places, self.entries, strict=True))
        hits: tuple[Condition, ...] = tuple(Zero(o.form - name(f"s_{t}") * i.form) for t, o, i in pairs)
        body = Expr((Sum(self.entries, hits, (Read(self.x, forms(*self.lead, *self.entries)),)),))
        output = self.defined("output", self.places, body, "zero-insertion")
        model = Model(self.facts(), (self.x,), output)
        right = self.defined("inserted", self.places, body, "zero-insertion")
        spots = [name(f"s_{t}") * i.form for t, _, i in pairs]
        read = Read(model.grad_output, (*forms(*self.lead), *spots))
        grad = self.defined("grad_input", self.entries, single(read), "every s-th entry")
        return {"output": model.forward(right), "input": model.gradient(self.x, grad)}


@dataclass(frozen=True)
class Banded(_Maps):
    """output[o] = sum over the band of weight * input[i]; `weight` is one of WEIGHTS."""

    weight: str = "one"

    @property
    def tables(self) -> tuple[Tensor, ...]:
        if self.weight == "table":
            return tuple(Tensor(f"table_{t}", (out(t), upper(t)), ((0,), (1,))) for t in self.tags)
        if self.weight == "share":
            return tuple(Tensor(f"share_{t}", (out(t),), ((0,),)) for t in self.tags)
        return ()

    def weights(self) -> tuple[Factor, ...]:
        pairs = zip(self.tables, self.places, self.entries, strict=True)
        if self.weight == "table":
            return tuple(Read(table, (o.form, i.form)) for table, o, i in pairs)
        return tuple(Read(table, (o.form,)) for table, o, _ in pairs) if self.weight == "share" else ()

    def band(self) -> tuple[Condition, ...]:
        found: list[Condition] = []
        for t, o, i in zip(self.tags, self.places, self.entries, strict=True):
            if self.weight == "share":
                position = upper(t) * o.form - out(t) * i.form + upper(t) - 1
                found.append(Within(position, upper(t) + out(t) - 1))
            else:
                u, v, shift, width = (name(f"{x}_{t}") for x in "uvtw")
                found.append(Within(u * o.form - v * i.form + shift, width))
        return tuple(found)

    def facts(self) -> tuple[Fact, ...]:
        found = self.image.facts()
        for t in self.tags:
            found += at_least(1, t.upper(), f"{t.upper()}_out")
            if self.weight != "share":
                found += at_least(1, f"w_{t}") + at_least(0, f"t_{t}")
                found += at_least(0, f"u_{t}", f"v_{t}")
        return found

    def claims(self) -> dict[str, Claim]:
        """output as defined; grad_input = the same band and table read the other way."""
        read = Read(self.x, forms(*self.lead, *self.entries))
        body = Expr((Sum(self.entries, self.band(), (*self.weights(), read)),))
        output = self.defined("output", self.places, body, "the layer")
        model = Model(self.facts(), (self.x, *self.tables), output)
        right = self.defined("resampled", self.places, body, "the band's entries")
        back = Read(model.grad_output, forms(*self.lead, *self.places))
        transposed = Expr((Sum(self.places, self.band(), (*self.weights(), back)),))
        grad = self.defined("grad_input", self.entries, transposed, "the transposed band")
        return {"output": model.forward(right), "input": model.gradient(self.x, grad)}
