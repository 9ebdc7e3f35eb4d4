"""Owns matrix products as their schedules see them, and which products a pointwise contraction is.

    into[o, m, n] = sum over d of left[o, m, d] * right[o, d, n]

m: rows, whose factor is broadcast; n: columns, in vectors; d: depth; o: whatever both factors and the result
share. Each is one run or several, from the slowest to the fastest; an index that one of the tensors lacks has
the step 0 there. One contraction is two products: either factor may be the one in vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from codegen.loops import Buffer
from codegen.schedules.nest import Function
from codegen.schedules.problem import Contraction, Operand
from derive.index import Form


@dataclass(frozen=True)
class Run:
    """An index with its steps in the three tensors, in elements."""

    name: str
    extent: int
    left: int = 0
    right: int = 0
    into: int = 0

    @property
    def steps(self) -> tuple[int, int, int]:
        return self.left, self.right, self.into


@dataclass(frozen=True)
class Matrix:
    """Where a tensor begins, and whether it is the weight."""

    buffer: Buffer
    base: int
    weight: bool = False


@dataclass(frozen=True)
class Product:
    """One matrix product; the module's docstring has the equation.

    Attributes:
        rows: one or two runs, `columns` one; the runs of `depth` nest in their order.
        bias: an entry added to each result, by steps of the indices' names.
        after: a function of the whole sum.
    """

    outer: tuple[Run, ...]
    rows: tuple[Run, ...]
    columns: Run
    depth: tuple[Run, ...]
    left: Matrix
    right: Matrix
    into: Matrix
    bias: Operand | None = None
    after: Function | None = None

    @property
    def height(self) -> int:
        return prod(r.extent for r in self.rows)

    @property
    def length(self) -> int:
        """Turns of the depth."""
        return prod(r.extent for r in self.depth)

    @property
    def times(self) -> int:
        return prod(r.extent for r in self.outer)


def at(base: int, values: Mapping[str, Form], steps: Mapping[str, int]) -> Form:
    """An address: the base and step * value for every index that has a value."""
    total = Form.of(base)
    for index, value in values.items():
        total = total + value * steps.get(index, 0)
    return total


def products(contraction: Contraction) -> Iterator[Product]:
    """The products that a pointwise contraction is; none where it is not pointwise."""
    if not contraction.pointwise:
        return
    yield _product(contraction, swapped=False)
    yield _product(contraction, swapped=True)


def _product(contraction: Contraction, *, swapped: bool) -> Product:
    """The product whose rows are channels of out, or, swapped, whose columns are."""
    base = contraction.image.base - sum(a.pad * a.image_step for a in contraction.axes)
    image = Matrix(contraction.image.buffer, base)
    out = Matrix(contraction.out.buffer, contraction.out.base)
    weight = Matrix(contraction.weight.buffer, contraction.weight.base, True)
    gradient = contraction.result == "weight"
    into, others = (weight, (out, image)) if gradient else (out, (weight, image))
    left, right = (others[1], others[0]) if swapped else others
    runs = {r.name: r for r in _runs(contraction, left, right, into)}
    places = [runs[n] for n in ("n", *(f"q{i}" for i in range(len(contraction.axes))))]
    channels, ins = [runs["k"]], [runs["c"]]
    rows, columns, depth = (channels, ins, places) if gradient else (channels, places, ins)
    if swapped:
        rows, columns = columns, rows
    rows, columns, depth = collapsed(rows), collapsed(columns), collapsed(depth)
    outer = [runs["g"], *rows[:-2], *columns[:-1]]
    return Product(
        tuple(r for r in outer if r.extent > 1),
        tuple(rows[-2:]),
        columns[-1],
        tuple(depth),
        left,
        right,
        into,
        contraction.bias,
        contraction.after,
    )


def _runs(contraction: Contraction, left: Matrix, right: Matrix, into: Matrix) -> Iterator[Run]:
    """Every index of a contraction with its steps in the three tensors."""
    tensors = {
        contraction.image.buffer: contraction.image,
        contraction.out.buffer: contraction.out,
        contraction.weight.buffer: contraction.weight,
    }
    operands = [tensors[m.buffer] for m in (left, right, into)]
    counts = {"n": contraction.batch, "g": contraction.groups, "k": contraction.outs, "c": contraction.ins}
    for kind, extent in counts.items():
        yield Run(kind, extent, *(o.step(kind) for o in operands))
    for number, axis in enumerate(contraction.axes):
        steps = {
            contraction.image.buffer: axis.stride * axis.image_step,
            contraction.out.buffer: axis.out_step,
        }
        yield Run(f"q{number}", axis.out, *(steps.get(m.buffer, 0) for m in (left, right, into)))


def collapsed(runs: list[Run]) -> list[Run]:
    """Runs of one value left out, and neighbours that lie as one line in all tensors made one."""
    found: list[Run] = []
    for run in (r for r in runs if r.extent > 1):
        if found and all(s == run.extent * f for s, f in zip(found[-1].steps, run.steps, strict=True)):
            slow = found.pop()
            run = Run(run.name, slow.extent * run.extent, *run.steps)
        found.append(run)
    return found or [Run(runs[-1].name, 1)]
