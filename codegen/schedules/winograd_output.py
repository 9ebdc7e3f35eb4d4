"""Owns the way back: the products of a tile to its outputs, P m Q^T, lanes are k; then places in lanes.

Outputs of a band lie as rows of the output's own length, so that places of all of its rows are one run and
turned vectors cross ends of rows. What a tile has beyond its row is overwritten by the next row's first tile:
tiles are taken from the last to the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from codegen.loops import Assign, Buffer, Call, Do, Loop, Place, Pointer, Statement
from codegen.schedules.nest import Function
from codegen.schedules.planned import Scratch
from codegen.schedules.problem import Operand
from codegen.schedules.winograd_apply import Applied, Matrix, declared, sharing
from derive.index import Form, name
from derive.toom import Transform

SPARE, BIASED = 4, 5
"""Registers beside those of half transformed products, and how many more a bias takes."""


@dataclass(frozen=True)
class Back:
    """The outputs of a band of tile rows.

    Attributes:
        matrices: m rows of n entries, for rows and columns.
        orders: in which the products of each are added, the largest last (`by_weight`).
        tiles: of a row.
        size: rows and columns of the whole output.
        band: tile rows of a band.
        vectors: of k that the products have side by side.
        registers: of the machine, of which half transformed products take most.
        images: of the batch, whose products of a band lie one image after another.
    """

    out: Operand
    bias: Operand | None
    after: Function | None
    matrices: tuple[Matrix, Matrix]
    orders: tuple[tuple[int, ...], tuple[int, ...]]
    tiles: int
    size: tuple[int, int]
    band: int
    vectors: int
    lanes: int
    registers: int = 32
    images: int = 1

    @property
    def apart(self) -> int:
        """Elements from one tile's products to the next one's."""
        return self.vectors * self.lanes

    @property
    def image(self) -> int:
        """Elements that belong to one product and image."""
        return self.band * self.tiles * self.apart

    @property
    def plane(self) -> int:
        """Elements that belong to one product; no power of two."""
        return self.images * self.image + 16

    @property
    def products(self) -> int:
        return len(self.matrices[0][0]) * len(self.matrices[1][0])

    @property
    def steps(self) -> tuple[int, int]:
        return len(self.matrices[0]), len(self.matrices[1])

    def rows(self, start: int, count: int) -> int:
        """Rows of the output in so many tile rows from one on."""
        return min(count * self.steps[0], self.size[0] - start * self.steps[0])

    def scratch(self) -> Iterator[Scratch]:
        yield Scratch("sums", self.products * self.plane, own=True)
        lines = self.band * self.steps[0] * self.size[1] + self.steps[1]
        yield Scratch("lines", lines * self.lanes, own=True)

    def constants(self) -> list[Statement]:
        """What the transform's constants are, and parameters of the function that comes after."""
        work = Applied("d")
        for rows in self._together():
            self._transformed(Buffer("", 0), work, rows)
        body = declared(work.constants)
        parameters = self.after.parameters if self.after else ()
        return [*body, *(Assign(f"given_{i}", Call("v_splat", (p,))) for i, p in enumerate(parameters))]

    def statements(
        self, sums: Buffer, lines: Buffer, vector: int, start: Form, count: int, rows: int
    ) -> Iterator[Statement]:
        """One vector of k of a band: `count` tile rows from `start` on, of which `rows` rows are outputs.

        The names n, g and k (a block's first output) are set.
        """
        yield from self.places(sums, lines, vector, start, count, rows * self.size[1])

    def places(
        self, sums: Buffer, lines: Buffer, vector: int, start: Form, count: int, places: int
    ) -> Iterator[Statement]:
        """The same of so many places, with which a band may end within a row."""
        k = name("k") + vector * self.lanes
        if self.bias is not None:
            at = Form.of(self.bias.base) + name("g") * self.bias.step("g") + k * self.bias.step("k")
            yield Assign("bias_lanes", Call("v_load", (Pointer(self.bias.buffer, at),)))
        yield Loop(
            "row", 0, count, 1, (Loop("turn", 0, self.tiles, 1, tuple(self._tile(sums, lines, vector))),)
        )
        of = self.out
        to = Form.of(of.base) + name("n") * of.step("n") + name("g") * of.step("g") + k * of.step("k")
        yield Place("to_out", to + start * (self.steps[0] * self.size[1]))
        yield from self._turned(lines, places)

    def _tile(self, sums: Buffer, lines: Buffer, vector: int) -> Iterator[Statement]:
        yield Place("tile", self.tiles - 1 - name("turn"))
        at = (name("row") * self.tiles + name("tile")) * self.apart + vector * self.lanes
        at += name("n") * self.image if self.images > 1 else 0
        yield Place("at_sums", at)
        tall, wide = self.steps
        to = (name("row") * (tall * self.size[1]) + name("tile") * wide) * self.lanes
        yield Place("to_line", to)
        work = Applied("d")
        for rows in self._together():
            first = len(work.body)
            outs = self._transformed(sums, work, rows)
            yield from work.body[first:]
            for spot, value in enumerate(outs):
                u, v = rows[spot // wide], spot % wide
                yield from self._stored(lines, (u * self.size[1] + v) * self.lanes, value)
            if len(rows) == 1 < len(self.matrices[0]):
                yield Do(Call("e_anew"))

    def _together(self) -> list[tuple[int, ...]]:
        """The rows of a tile's outputs in sets that are computed one after another.

        All at once, or where registers do not hold so much those that share sums of products, or where these
        and one more column of products are still too many each alone. A tile alone in its row that has more
        places than the row must store them in order.
        """
        down, along = self.matrices
        alone = self.tiles == 1 and self.steps[1] > self.size[1]
        given = len(self.after.parameters) if self.after else 0
        beside = SPARE + given + (BIASED if self.bias is not None else 0)
        if alone or len(down) * len(along[0]) + beside <= self.registers:
            return [tuple(range(len(down)))]
        column = len(down[0]) + SPARE
        sets = ((rows, len(rows) * len(along[0]) + column <= self.registers) for rows in sharing(down))
        return [each for rows, fits in sets for each in ([rows] if fits else [(u,) for u in rows])]

    def _transformed(self, sums: Buffer, work: Applied, rows: Sequence[int]) -> list[str]:
        """The names of a tile's outputs; columns of products first, each as soon as it is loaded."""
        (down, along), half = self.matrices, list[list[str]]()
        wide, chosen = len(along[0]), tuple(down[u] for u in rows)
        used = [x for x in self.orders[0] if any(row[x] for row in chosen)]
        for y in range(wide):
            sources = [f"m_{x}_{y}" for x in used]
            for x, source in zip(used, sources, strict=True):
                pointer = Pointer(sums, name("at_sums") + (x * wide + y) * self.plane)
                work.body.append(Assign(source, Call("v_load", (pointer,))))
            half.append(work.apply(tuple(tuple(row[x] for x in used) for row in chosen), sources))
        return [
            n
            for u in range(len(rows))
            for n in work.apply(*_ordered(along, [h[u] for h in half], self.orders[1]))
        ]

    def _stored(self, lines: Buffer, at: int, value: str) -> Iterator[Statement]:
        if self.bias is not None:
            yield Assign("result", Call("v_add", (value, "bias_lanes")))
            value = "result"
        if self.after is not None:
            given = tuple(f"given_{i}" for i in range(len(self.after.parameters)))
            yield Assign("result", Call(f"v_fn_{self.after.name}", (value, *given)))
            value = "result"
        yield Do(Call("v_store", (Pointer(lines, name("to_line") + at), value)))

    def _turned(self, lines: Buffer, run: int) -> Iterator[Statement]:
        """A run of places to the output; the last vectors may overlap."""
        lanes, step = self.lanes, self.out.step("k")

        def turn(place: Form) -> Statement:
            into = Pointer(self.out.buffer, name("to_out") + place)
            return Do(Call("v_transpose", (into, Pointer(lines, place * lanes), step, lanes)))

        if run >= lanes:
            yield Loop("p", 0, run // lanes * lanes, lanes, (turn(name("p")),))
        if run % lanes:
            yield turn(Form.of(run - lanes))


def by_weight(over: Transform) -> tuple[int, ...]:
    """The products in the order of their size where all entries and taps are equal: every rounding of a large
    sum counts, so what is large is added last."""
    sizes = [abs(sum(g, Fraction()) * sum(b, Fraction())) for g, b in zip(over.g, over.b, strict=True)]
    return tuple(sorted(range(over.n), key=lambda k: sizes[k]))


def _ordered(matrix: Matrix, sources: Sequence[str], order: Sequence[int]) -> tuple[Matrix, list[str]]:
    return tuple(tuple(row[k] for k in order) for row in matrix), [sources[k] for k in order]
