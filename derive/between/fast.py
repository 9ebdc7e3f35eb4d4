"""Owns the theorems of fast convolution: tiles of outputs, and filter gradients, by Toom and Cook's matrices.

The last axis has stride and dilation 1 and r taps, its outputs stand in tiles of m. Transformed taps,
transformed entries and outputs are sums with numbers as coefficients: after both sides are unfolded like
terms are added, and what is left is the definition. The other axes, with their strides and dilations, are
summed over as before, and the sums of products are a convolution along them with transformed taps as the
kernel and transformed entries as the image: the theorem applies to the next axis again. That is how fast
forms nest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from derive.between.base import (
    BATCH,
    GROUP,
    GROUPS,
    IN,
    OUT,
    Between,
    C,
    K,
    Parts,
    Slide,
    Tags,
    convolved,
    equation,
    extended,
    gradient,
)  # fmt: skip
from derive.between.convolutions import BACK, LEAD, layer, slides
from derive.claim import Fact, Setting
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import Form, Index, Within, Zero, name
from derive.statements.convolution import Axis, Statement
from derive.statements.model import at_least, forms
from derive.toom import Transform, transform

Entry = tuple[Read, tuple[Within, ...]]
"""An entry and where it stands; elsewhere 0 stands for it."""


@dataclass(frozen=True)
class Fast:
    """The layer with a fast last axis, over symbolic sizes: `m` outputs a tile, `r` taps."""

    tags: Tags
    m: int
    r: int

    @property
    def own(self) -> Statement:
        return layer(self.tags)

    @property
    def axis(self) -> Axis:
        return self.own.axes[-1]

    @property
    def rest(self) -> tuple[Axis, ...]:
        return self.own.axes[:-1]

    @property
    def tile(self) -> Index:
        return Index(f"j_{self.axis.tag}", name(f"T_{self.axis.tag}"))

    def over(self, letter: str, extent: str) -> tuple[Index, ...]:
        """An index for each of the other axes."""
        return tuple(Index(f"{letter}_{a.tag}", getattr(a, extent)) for a in self.rest)

    @property
    def taps(self) -> tuple[Tensor, ...]:
        """The kernel at each tap of the last axis."""
        shape = (GROUPS, K, C, *(a.kernel for a in self.rest))
        layout = ((0, 1), *((i,) for i in range(2, len(shape))))
        return tuple(Tensor(f"tap_{a}", shape, layout) for a in range(self.r))

    def weight(self) -> Definition:
        last = Index(f"a_{self.axis.tag}", Form.of(self.r))
        where = (GROUP, OUT, IN, *self.over("a", "kernel"))
        terms = (Sum((), (Zero(last.form - a),), (Read(t, forms(*where)),)) for a, t in enumerate(self.taps))
        tensor = Tensor("weight", (*self.own.w.shape[:-1], last.extent), self.own.w.layout)
        return Definition(tensor, (*where, last), Expr(tuple(terms)), "the kernel from its taps")

    def facts(self) -> tuple[Fact, ...]:
        """Sizes of the layer, whole tiles, and fewer than m outputs beyond them."""
        axis, beyond = self.axis, self.axis.out - self.m * self.tile.extent
        return (
            *at_least(1, "N", "groups", "C", "K", *map(str, (axis.length, axis.out, self.tile.extent))),
            *at_least(0, str(axis.before), str(axis.after)),
            Fact(axis.length + axis.before + axis.after - self.r + 1 - axis.out, equal=True),
            Fact(beyond),
            Fact(self.m - 1 - beyond),
            *(f for a in self.rest for f in a.facts()),
        )

    def output(self) -> tuple[Definition, Definition]:
        """The kernel and the layer."""
        weight, axis, one = self.weight(), self.axis, Form.of(1)
        last = Slide(axis.length, axis.out, Form.of(self.r), axis.before, one, one)
        over = [*slides(self.rest), last]
        return weight, convolved("output", self.own.x, weight.tensor, LEAD, IN, self.tags, over, "the layer")

    def transformed(self, row: Sequence[Fraction], k: int) -> Definition:
        """Entry k of the transformed tiles of the input."""
        x, where = self.own.x, (BATCH, GROUP, IN, *self.over("i", "length"))
        spots = [self.m * self.tile.form + e - self.axis.before for e in range(len(row))]
        reads = [(Read(x, (*forms(*where), s)), (Within(s, self.axis.length),)) for s in spots]
        tensor = Tensor(f"entry_{k}", (*x.shape[:-1], self.tile.extent), x.layout)
        return Definition(tensor, (*where, self.tile), mixed(row, reads), f"transformed entries, number {k}")

    def met(
        self, image: Tensor, at: Sequence[Index], taps: Sequence[Index]
    ) -> tuple[Read, tuple[Within, ...]]:
        """An entry of an image along the other axes where output and tap meet."""
        spots = tuple(s.spot(x, y) for s, x, y in zip(slides(self.rest), at, taps, strict=True))
        inside = tuple(Within(s, axis.length) for s, axis in zip(spots, self.rest, strict=True))
        return Read(image, (*forms(*BACK), *spots, self.tile.form)), inside


@dataclass(frozen=True)
class Forward(Fast):
    """Outputs by F(m, r)."""

    def parts(self, by: Transform) -> Iterator[tuple[str, Setting, Definition, Definition]]:
        """Each output of a tile: setting, the output by the definition, and from the products."""
        weight, output = self.output()
        start = Setting(self.facts(), (self.own.x, *self.taps), (weight, output))
        where = (*LEAD, *self.over("o", "out"), self.tile)
        y = self.own.y
        for u, row in enumerate(by.a):
            helpers: list[Definition] = []
            sums: list[Entry] = []
            for k in (k for k in range(by.n) if row[k]):
                helpers += self.products(by, k)
                sums.append((Read(helpers[-1].tensor, forms(*where)), ()))
            shape = (*y.shape[:-1], self.tile.extent)
            read = Read(output.tensor, (*forms(*where[:-1]), self.m * self.tile.form + u))
            taken = Definition(
                Tensor(f"tile_{u}", shape, y.layout), where, single(read), f"output {u} of each tile"
            )
            body = mixed([v for v in row if v], sums)
            fast = Definition(Tensor("correlated", shape, y.layout), where, body, "from the products")
            yield f"output {u}", extended(start, *helpers, taken), taken, fast

    def products(self, by: Transform, k: int) -> tuple[Definition, Definition, Definition]:
        """Transformed taps, transformed entries, and their products summed over channels and other axes."""
        o, a = self.over("o", "out"), self.over("a", "kernel")
        where = (GROUP, OUT, IN, *a)
        tensor = Tensor(f"mix_{k}", self.taps[0].shape, self.taps[0].layout)
        body = mixed(by.g[k], [(Read(t, forms(*where)), ()) for t in self.taps])
        taps = Definition(tensor, where, body, f"transformed taps, number {k}")
        entries = self.transformed(by.b[k], k)
        read, inside = self.met(entries.tensor, o, a)
        total = Expr((Sum((IN, *a), inside, (Read(tensor, forms(*where)), read)),))
        y = self.own.y
        met = Tensor(f"met_{k}", (*y.shape[:-1], self.tile.extent), y.layout)
        return taps, entries, Definition(met, (*LEAD, *o, self.tile), total, f"products, number {k}")


@dataclass(frozen=True)
class Filter(Fast):
    """The filter gradient by F(r, m): a tile's m entries of grad_output as taps, the taps as outputs."""

    def columns(self) -> tuple[Tensor, ...]:
        """grad_output at each place of the tiles."""
        y = self.own.y
        shape = (*y.shape[:-1], self.tile.extent)
        return tuple(Tensor(f"column_{j}", shape, y.layout) for j in range(self.m))

    def given(self) -> Definition:
        """grad_output from its columns; 0 beyond the whole tiles."""
        o, last = self.over("o", "out"), Index(f"o_{self.axis.tag}", self.axis.out)
        terms = []
        for j, column in enumerate(self.columns()):
            at = Zero(last.form - self.m * self.tile.form - j)
            terms.append(Sum((self.tile,), (at,), (Read(column, forms(*LEAD, *o, self.tile)),)))
        return Definition(self.own.g, (*LEAD, *o, last), Expr(tuple(terms)), "grad_output from its tiles")

    def parts(self, by: Transform) -> Iterator[tuple[str, Setting, Tensor, Definition]]:
        """Each tap: setting, the tap, and its gradient from the products."""
        weight, output = self.output()
        given = self.given()
        reads = (Read(given.tensor, forms(*output.indices)), Read(output.tensor, forms(*output.indices)))
        loss = Definition(
            Tensor("loss", ()), (), Expr((Sum(output.indices, (), reads),)), "the loss, linear in the output"
        )
        start = Setting(
            self.facts(), (self.own.x, *self.taps, *self.columns()), (weight, given, output, loss)
        )
        where = (GROUP, OUT, IN, *self.over("a", "kernel"))
        for a, row in enumerate(by.a):
            helpers: list[Definition] = []
            sums: list[Entry] = []
            for k in (k for k in range(by.n) if row[k]):
                helpers += self.products(by, k)
                sums.append((Read(helpers[-1].tensor, forms(*where)), ()))
            tap = self.taps[a]
            tensor = Tensor("grad_tap", tap.shape, tap.layout)
            yield (
                f"tap {a}",
                extended(start, *helpers),
                tap,
                Definition(tensor, where, mixed([v for v in row if v], sums), "from the products"),
            )

    def products(self, by: Transform, k: int) -> tuple[Definition, Definition, Definition]:
        """Transformed tiles of grad_output and of the input, and their products summed over all places."""
        o, a = self.over("o", "out"), self.over("a", "kernel")
        columns, place = self.columns(), (*LEAD, *o, self.tile)
        tensor = Tensor(f"mix_{k}", columns[0].shape, columns[0].layout)
        body = mixed(by.g[k], [(Read(c, forms(*place)), ()) for c in columns])
        tiles = Definition(tensor, place, body, f"transformed tiles of grad_output, number {k}")
        entries = self.transformed(by.b[k], k)
        read, inside = self.met(entries.tensor, o, a)
        total = Expr((Sum((BATCH, *o, self.tile), inside, (Read(tensor, forms(*place)), read)),))
        where, tap = (GROUP, OUT, IN, *a), self.taps[0]
        met = Tensor(f"met_{k}", tap.shape, tap.layout)
        return tiles, entries, Definition(met, where, total, f"products, number {k}")


def mixed(row: Sequence[Fraction], entries: Sequence[Entry]) -> Expr:
    """The sum of numbers times entries, those times 0 left out."""
    pairs = zip(row, entries, strict=True)
    return Expr(tuple(Sum((), conditions, (read,), c) for c, (read, conditions) in pairs if c))


def forward(m: int, r: int, tags: Tags) -> Parts:
    """The claims of the outputs by F(m, r)."""
    parts = Forward(tags, m, r).parts(transform(m, r))
    return {part: equation(part, setting, taken, fast) for part, setting, taken, fast in parts}


def filter_gradient(r: int, m: int, tags: Tags) -> Parts:
    """The claims of the gradients by the taps by F(r, m)."""
    parts = Filter(tags, m, r).parts(transform(r, m))
    return {part: gradient(part, setting, tap, right) for part, setting, tap, right in parts}


def toom_cook(m: int, r: int) -> Between:
    """The theorem of F(m, r)."""
    by = transform(m, r)
    says = (
        f"A convolution whose last axis has stride 1, dilation 1 and {r} taps gives each whole tile of {m} "
        f"outputs from {by.n} products of transformed taps and transformed entries ({_at(by)}); the products "
        "are summed over channels and the other axes before they are transformed back."
    )
    return Between(f"toom-cook-F({m},{r})", says, lambda tags: forward(m, r, tags))


def toom_cook_gradient(r: int, m: int) -> Between:
    """The theorem of the filter gradient by F(r, m)."""
    by = transform(r, m)
    says = (
        f"The filter gradient of a convolution whose last axis has stride 1, dilation 1 and {r} taps comes "
        f"from {by.n} products of transformed tiles of grad_output, {m} entries long, and transformed tiles "
        f"of the input ({_at(by)}), summed over batch, tiles and the other axes before they are transformed "
        "back; grad_output is 0 beyond the whole tiles."
    )
    return Between(f"toom-cook-gradient-F({r},{m})", says, lambda tags: filter_gradient(r, m, tags))


def _at(by: Transform) -> str:
    return f"points {', '.join(map(str, by.points))} and infinity"


THEOREMS = (toom_cook(2, 3), toom_cook_gradient(3, 2))

MORE = {
    "toom-cook-F(3,3)": (toom_cook, 3, 3),
    "toom-cook-F(4,3)": (toom_cook, 4, 3),
    "toom-cook-F(2,5)": (toom_cook, 2, 5),
    "toom-cook-gradient-F(3,3)": (toom_cook_gradient, 3, 3),
    "toom-cook-gradient-F(3,4)": (toom_cook_gradient, 3, 4),
    "toom-cook-gradient-F(5,2)": (toom_cook_gradient, 5, 2),
}
"""Forms that are proved when they are asked for: the same argument with more terms."""


def asked(title: str) -> Between | None:
    """One of MORE by its name, or None."""
    if title not in MORE:
        return None
    make, first, second = MORE[title]
    return make(first, second)
