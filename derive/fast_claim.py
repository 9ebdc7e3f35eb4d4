"""Owns the claims of fast forms: a layer's own claim at its sizes, rewritten over tiles on every axis.

The right side reads tables of numbers, the matrices of `derive.toom` for each axis; the left side is what the
layer's own claim is about, an entry of the output or a derivative of the loss, at a place of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from derive.claim import Claim, Setting
from derive.expr import Definition, Expr, Partial, Read, Sum, Tensor, single
from derive.index import Condition, Form, Index, Within
from derive.statements.model import forms
from derive.toom import Transform

PARTS = ("taps", "front", "back")
"""The tables of an axis: the transforms of taps (G), of entries (B), and of products (A)."""
LEAD = 3
"""Indices of an entry before its places: batch, group, channel; of a tap, group and both channels."""


@dataclass(frozen=True)
class Axis:
    """A spatial axis of the layer: its transform, and its numbers.

    Attributes:
        by: for a filter gradient F(r, m), else F(m, r).
        length: of the image that is read in tiles; before: zeros before it.
        out: entries that the tiles cover.
        step: from tile to tile.
    """

    tag: str
    by: Transform
    length: int
    out: int
    before: int
    step: int

    @property
    def tiles(self) -> int:
        return -(-self.out // self.step)

    def index(self, letter: str, extent: int) -> Index:
        return Index(f"{letter}_{self.tag}", Form.of(extent))

    def table(self, part: str) -> Tensor:
        n = self.by.n
        rows, columns = {"taps": (n, self.by.r), "front": (n, n), "back": (self.by.m, n)}[part]
        return Tensor(f"{part}_{self.tag}", (Form.of(rows), Form.of(columns)), ((0,), (1,)))

    def numbers(self, part: str) -> tuple[Fraction, ...]:
        """The table's entries, row-major."""
        matrix = {"taps": self.by.g, "front": self.by.b, "back": self.by.a}[part]
        return tuple(value for row in matrix for value in row)


@dataclass(frozen=True)
class Written:
    """A claim of the layer at its sizes, rewritten over tiles."""

    own: Claim
    axes: tuple[Axis, ...]
    operand: str

    def claim(self) -> Claim:
        helpers, right = self.weights() if self.operand == "weight" else self.outputs()
        setting = self.own.setting
        kept = tuple(d for d in setting.definitions if d.tensor.name in ("output", "loss"))
        tables = tuple(a.table(p) for a in self.axes for p in PARTS)
        whole = Setting((), (*setting.inputs, *tables), (*kept, *helpers))
        return Claim(right.tensor.name, whole, self.left(right), right, right.tensor)

    def left(self, right: Definition) -> Expr:
        """What the layer's own claim is about, at the place that the right side's indices name."""
        places = [*forms(*right.indices[:LEAD]), *self.places()]
        (term,) = self.own.left.terms
        (factor,) = term.factors
        if isinstance(factor, Partial):
            return single(Partial(factor.of, Read(factor.wrt.tensor, tuple(places))))
        assert isinstance(factor, Read)
        return single(Read(factor.tensor, tuple(places)))

    def places(self) -> tuple[Form, ...]:
        """Where on each axis of the layer an entry of the right side stands."""
        if self.operand == "weight":
            return forms(*self.spots)
        return tuple(
            a.step * j.form + o.form for a, j, o in zip(self.axes, self.tiles, self.spots, strict=True)
        )

    def tensor(self, name: str) -> Tensor:
        found = {t.name: t for t in self.own.setting.inputs}
        return found[name]

    def lead(self) -> tuple[Index, Index, Index, Index]:
        """Batch, group, output channel, input channel, as long as they are here."""
        n, groups, inner, *_ = self.tensor("input").shape
        return (
            Index("n", n),
            Index("g", groups),
            Index("k", self.tensor("weight").shape[1]),
            Index("c", inner),
        )

    def over(self, letter: str, extent: Sequence[int]) -> tuple[Index, ...]:
        return tuple(a.index(letter, e) for a, e in zip(self.axes, extent, strict=True))

    @property
    def tiles(self) -> tuple[Index, ...]:
        return self.over("j", [a.tiles for a in self.axes])

    @property
    def numbers(self) -> tuple[Index, ...]:
        return self.over("x", [a.by.n for a in self.axes])

    @property
    def spots(self) -> tuple[Index, ...]:
        """The places of a tile, or the taps of a filter gradient."""
        return self.over("a" if self.operand == "weight" else "o", [a.by.m for a in self.axes])

    def kept(self, letter: str) -> tuple[Index, ...]:
        """An index that goes through no transform: of taps (a), entries (e) or outputs (o)."""
        return ()

    def tabled(self, part: str, rows: Sequence[Index], columns: Sequence[Index]) -> tuple[Read, ...]:
        """An entry of the axes' tables."""
        pairs = zip(self.axes, rows, columns, strict=True)
        return tuple(Read(a.table(part), forms(row, column)) for a, row, column in pairs)

    def mixed(self, title: str, part: str, lead: Sequence[Index], read: Read, inner: Sequence[Index],
              tiled: bool, inside: tuple[Condition, ...], role: str) -> Definition:  # fmt: skip
        """A transform of a tensor: the sum over `inner` of the tables' entries times the read."""
        where = (*lead, *(self.tiles if tiled else ()), *self.numbers)
        body = Expr((Sum(tuple(inner), inside, (*self.tabled(part, self.numbers, inner), read)),))
        return Definition(_plain(title, where, read.tensor), where, body, role)

    def taps(self, lead: Sequence[Index]) -> Definition:
        """The transformed kernel; for the gradient by the input it is read backwards."""
        a = self.over("a", [axis.by.r for axis in self.axes])
        places = tuple(x.extent - 1 - x.form if self.operand == "input" else x.form for x in a)
        weight = Read(self.tensor("weight"), (*forms(*lead), *places))
        return self.mixed("fast_taps", "taps", lead, weight, a, False, (), "transformed taps")

    def entries(self, image: Tensor, lead: Sequence[Index]) -> Definition:
        """Transformed tiles of an image."""
        e = self.over("e", [a.by.n for a in self.axes])
        spots = [
            a.step * j.form + x.form - a.before for a, j, x in zip(self.axes, self.tiles, e, strict=True)
        ]
        inside = tuple(Within(s, Form.of(a.length)) for s, a in zip(spots, self.axes, strict=True))
        read = Read(image, (*forms(*lead), *spots))
        return self.mixed(
            "fast_entries", "front", lead, read, e, True, inside, "transformed tiles of entries"
        )

    def outputs(self) -> tuple[tuple[Definition, ...], Definition]:
        """The output, or the gradient by the input: the kernel read backwards, k and c exchanged."""
        n, g, k, c = self.lead()
        back = self.operand == "input"
        outer, inner = (c, k) if back else (k, c)
        mixed = self.taps((g, k, c))
        tiles = self.entries(self.tensor("grad_output" if back else "input"), (n, g, inner))
        outputs, taps = self.kept("o"), self.kept("a")
        where = (n, g, outer, *outputs, *self.tiles, *self.numbers)
        meet = tuple(o.form + a.form for o, a in zip(outputs, taps, strict=True))
        reads = (
            Read(mixed.tensor, forms(g, k, c, *taps, *self.numbers)),
            Read(tiles.tensor, (*forms(n, g, inner), *meet, *forms(*self.tiles, *self.numbers))),
        )
        total = Expr((Sum((inner, *taps), (), reads),))
        met = Definition(_plain("fast_products", where, tiles.tensor), where, total, "products, summed")
        return (mixed, tiles, met), self.result(met, (n, g, outer, *outputs, *self.tiles), (n, g, outer))

    def result(self, met: Definition, kept: tuple[Index, ...], lead: Sequence[Index]) -> Definition:
        """Outputs of the transform back, with the bias where there is one."""
        spots = self.spots
        reads = (*self.tabled("back", spots, self.numbers), Read(met.tensor, forms(*kept, *self.numbers)))
        terms = [Sum(self.numbers, (), reads)]
        if self.operand == "output" and any(t.name == "bias" for t in self.own.setting.inputs):
            terms.append(Sum((), (), (Read(self.tensor("bias"), forms(*lead[1:])),)))
        where = (*kept, *spots)
        title = {"output": "correlated", "input": "grad_input", "weight": "grad_weight"}[self.operand]
        return Definition(_plain(title, where, met.tensor), where, Expr(tuple(terms)), "transformed back")

    def weights(self) -> tuple[tuple[Definition, ...], Definition]:
        """The gradient by the weight: a tile of grad_output as taps, the taps as outputs."""
        n, g, k, c = self.lead()
        b = self.over("b", [a.by.r for a in self.axes])
        spots = [a.step * j.form + x.form for a, j, x in zip(self.axes, self.tiles, b, strict=True)]
        inside = tuple(Within(s, Form.of(a.out)) for s, a in zip(spots, self.axes, strict=True))
        given = Read(self.tensor("grad_output"), (*forms(n, g, k), *spots))
        mixed = self.mixed(
            "fast_taps", "taps", (n, g, k), given, b, True, inside, "transformed tiles of grad_output"
        )
        tiles = self.entries(self.tensor("input"), (n, g, c))
        where = (g, k, c, *self.numbers)
        reads = (
            Read(mixed.tensor, forms(n, g, k, *self.tiles, *self.numbers)),
            Read(tiles.tensor, forms(n, g, c, *self.tiles, *self.numbers)),
        )
        total = Expr((Sum((n, *self.tiles), (), reads),))
        met = Definition(
            _plain("fast_products", where, self.tensor("weight")), where, total, "products, summed"
        )
        return (mixed, tiles, met), self.result(met, (g, k, c), (g, k))


def entry_named(claim: Claim) -> Read:
    """The entry that a claim is about, or the one by which it derives."""
    (term,) = claim.left.terms
    (factor,) = term.factors
    read = factor.wrt if isinstance(factor, Partial) else factor
    assert isinstance(read, Read)
    return read


def _plain(title: str, where: Sequence[Index], like: Tensor) -> Tensor:
    """A tensor over these indices; its first axes are merged for the reader as those of `like` are."""
    lead = [group for group in like.layout if max(group) < 3]
    rest = [(axis,) for axis in range(3, len(where))]
    return Tensor(title, tuple(i.extent for i in where), (*lead, *rest))
