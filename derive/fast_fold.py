"""Owns fast forms of a layer on one axis that is folded into rows of D places, so that transforms nest.

    y[D p + s] = sum over a, b of w[D a + b] x[D (p + a) + s + b]        0 <= s, b < D

is a correlation of rows p with taps a, whose terms are correlations of columns s with taps b. F(m, r) goes
over the rows; the D taps of the columns are transformed by F(D, D), or they stay D terms of the same sums. A
tile of rows reads 2 D - 1 columns of each: those from D on are the first ones of the next row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from derive.claim import Claim
from derive.expr import Definition, Read, Sum, Tensor
from derive.fast_claim import Axis, Written
from derive.fast_form import OPERANDS, FastForm, folds
from derive.identity import Folding
from derive.index import Form, Index, Within
from derive.notation.symbols import FOLDED
from derive.statements.model import forms
from derive.toom import CHOSEN, Transform, transform
from derive.toom_nested import Nested

PITCHES = (2, 3)
"""Places of a row in the forms that are listed; any other may be asked for."""
OUTPUTS = (2, 4)
"""Rows of a tile's outputs in the forms that are listed."""
ROWS, COLUMNS = FOLDED


@dataclass(frozen=True)
class Folded(Written):
    """A claim of the layer at its sizes, rewritten over tiles of rows of `pitch` places.

    `axes` are the rows and the columns, or the rows alone where columns are not transformed.
    """

    pitch: int

    @property
    def tiles(self) -> tuple[Index, ...]:
        return (self.axes[0].index("j", self.axes[0].tiles),)

    def kept(self, letter: str) -> tuple[Index, ...]:
        extent = 2 * self.pitch - 1 if letter == "e" else self.pitch
        return () if len(self.axes) > 1 else (_column(letter, extent),)

    def place(self, letter: str, rows: int, columns: int) -> tuple[tuple[Index, ...], Form]:
        """The indices that a transform sums over, and the place on the axis that row and column make."""
        row, column = self.axes[0].index(letter, rows), _column(letter, columns)
        return (row, *((column,) if len(self.axes) > 1 else ())), self.pitch * row.form + column.form

    def places(self) -> tuple[Form, ...]:
        rows = self.axes[0]
        _, spot = self.place("o", rows.by.m, self.pitch)
        return (rows.step * self.tiles[0].form + spot,)

    def taps(self, lead: Sequence[Index]) -> Definition:
        inner, place = self.place("a", self.axes[0].by.r, self.pitch)
        last = self.pitch * self.axes[0].by.r - 1
        tap = last - place if self.operand == "input" else place
        read, where = Read(self.tensor("weight"), (*forms(*lead), tap)), (*lead, *self.kept("a"))
        return self.mixed("fast_taps", "taps", where, read, inner, False, (), "transformed taps")

    def entries(self, image: Tensor, lead: Sequence[Index]) -> Definition:
        rows = self.axes[0]
        inner, place = self.place("e", rows.by.n, 2 * self.pitch - 1)
        spot = rows.step * self.tiles[0].form + place - rows.before
        inside, where = (Within(spot, Form.of(rows.length)),), (*lead, *self.kept("e"))
        read = Read(image, (*forms(*lead), spot))
        said = "transformed tiles of entries"
        return self.mixed("fast_entries", "front", where, read, inner, True, inside, said)


def _column(letter: str, extent: int) -> Index:
    return Index(f"{letter}_{COLUMNS}", Form.of(extent))


@dataclass(frozen=True, repr=False)
class FoldedForm(FastForm):
    """A convolution layer on one axis, folded into rows of `pitch` places: output and gradient by the input.

    `forms` are the transform of the rows and F(pitch, pitch), or the first alone where taps of the columns
    are terms. Raises LayerError for a layer that has no fast form, for one on several axes, and where the
    rows' taps times the pitch are not the kernel's.
    """

    pitch: int

    @property
    def name(self) -> str:
        return self.nested.name + ("" if len(self.forms) > 1 else f" x {self.pitch}")

    @property
    def operands(self) -> tuple[str, ...]:
        return OPERANDS[:2]

    @cached_property
    def backward(self) -> Nested:
        raise self.refused("weight")

    @cached_property
    def folding(self) -> Folding:
        """The equation of the folding on a tile, every coefficient compared."""
        return folding(self.forms[0], self.pitch)

    def unfit(self) -> Iterator[tuple[str, str]]:
        yield from self.no_convolution()
        if len(self.tags) != 1:
            yield "one axis, for it is folded", f"{len(self.tags)} axes"
        taps = self.sizes[f"k_{self.tags[0]}"]
        square = all((by.m, by.r) == (self.pitch, self.pitch) for by in self.forms[1:])
        if not square or self.pitch < 2 or self.forms[0].r * self.pitch != taps:
            yield listed(taps), self.name

    def axes(self, operand: str) -> tuple[Axis, ...]:
        """The rows, measured in places of the axis, and the columns of a row."""
        if operand not in self.operands:
            raise self.refused(operand)
        (rows, *columns), pitch = self.forms, self.pitch
        first = Axis(ROWS, rows, *self.lengths(self.tags[0], operand), pitch * rows.m)
        return (first, *(Axis(COLUMNS, by, 2 * pitch - 1, pitch, 0, pitch) for by in columns))

    def products(self, operand: str) -> tuple[int, int]:
        plain, here = super().products(operand)
        each = 1 if len(self.forms) > 1 else self.pitch**2
        return plain * each, here * each

    def claim(self, operand: str, sizes: Mapping[str, int] | None = None) -> Claim:
        return Folded(self.own(operand, sizes), self.axes(operand), operand, self.pitch).claim()


def folding(rows: Transform, pitch: int) -> Folding:
    """That a tile's correlation may be folded: rows and columns of taps on the left, taps on the right."""
    taps, entries = pitch * rows.r, pitch * (rows.n + 1) - 1
    row, column, tap = (Index(t, Form.of(e)) for t, e in (("a_p", rows.r), ("a_s", pitch), ("a", taps)))
    outputs = Index(f"o_{ROWS}", Form.of(rows.m)), Index(f"o_{COLUMNS}", Form.of(pitch))
    at, last = forms(*outputs)
    g, d = line("g", taps), line("d", entries)
    down, along = pitch * row.form + column.form, pitch * (at + row.form) + last + column.form
    left = Sum((row, column), (), (Read(g, (down,)), Read(d, (along,))))
    right = Sum((tap,), (), (Read(g, (tap.form,)), Read(d, (pitch * at + last + tap.form,))))
    return Folding(left, right, outputs, taps, entries)


def line(title: str, extent: int) -> Tensor:
    """A tensor of one axis."""
    return Tensor(title, (Form.of(extent),), ((0,),))


def listed(taps: int) -> str:
    """How a form of a folded axis is written, and those whose points were chosen."""
    found = ((by, d) if len(by) == 1 else (by, by[1].name) for by, d in foldings(taps))
    chosen = ", ".join(f"{by[0].name}x{second}" for by, second in found)
    return f"{folds(taps)}{': ' * bool(chosen)}{chosen}"


def foldings(taps: int) -> Iterator[tuple[tuple[Transform, ...], int]]:
    """The foldings of so many taps whose points were chosen, without and with F(D, D) of columns; and D."""
    for pitch in PITCHES:
        rows, rest = divmod(taps, pitch)
        for m in (m for m in OUTPUTS if not rest and rows > 1 and (m, rows) in CHOSEN):
            yield (transform(m, rows),), pitch
            yield (transform(m, rows), transform(pitch, pitch)), pitch
