"""Owns what all statements share: a layer as an output defined from operands, its loss, and its claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.claim import Claim, Fact, Setting
from derive.expr import Definition, Expr, Partial, Read, Sum, Tensor, single
from derive.index import Form, Index, name


@dataclass(frozen=True)
class Model:
    """A layer over symbolic sizes: facts about them, operands (tables too), and the output's definition.

    `stages` are definitions that the output stands on, in order.
    """

    facts: tuple[Fact, ...]
    operands: tuple[Tensor, ...]
    output: Definition
    stages: tuple[Definition, ...] = ()

    @property
    def grad_output(self) -> Tensor:
        return Tensor("grad_output", self.output.tensor.shape, self.output.tensor.layout)

    def loss(self) -> Definition:
        """A loss whose derivative by the output is grad_output: the pairing of the two."""
        where = self.output.indices
        reads = (Read(self.grad_output, forms(*where)), Read(self.output.tensor, forms(*where)))
        body = Expr((Sum(where, (), reads),))
        return Definition(Tensor("loss", ()), (), body, "the loss, linear in the output")

    def setting(self, *helpers: Definition) -> Setting:
        given = (*self.stages, self.output, self.loss())
        return Setting(self.facts, (*self.operands, self.grad_output), (*given, *helpers))

    def forward(self, right: Definition, *helpers: Definition) -> Claim:
        """output = the right side."""
        left = single(Read(self.output.tensor, forms(*right.indices)))
        return Claim("output", self.setting(*helpers), left, right, self.output.tensor)

    def gradient(self, target: Tensor, right: Definition, *helpers: Definition) -> Claim:
        """d loss/d target = the right side."""
        left = single(Partial(Read(self.loss().tensor, ()), Read(target, forms(*right.indices))))
        return Claim(right.tensor.name, self.setting(*helpers), left, right, target)


@dataclass(frozen=True)
class Spatial:
    """The symbolic sizes of one spatial axis: `tag` ends their names (H, H_out, k_h, s_h, ...)."""

    tag: str

    def size(self, letter: str) -> Form:
        return name(f"{letter}_{self.tag}")

    @property
    def length(self) -> Form:
        return name(self.tag.upper())

    @property
    def out(self) -> Form:
        return name(f"{self.tag.upper()}_out")


@dataclass(frozen=True)
class Image:
    """Tensors of one batch and channel layout: (batch, channel, spatial axes)."""

    batched: bool = True

    n = Index("n", name("N"))
    c = Index("c", name("C"))

    def tensor(self, title: str, lengths: Sequence[Form], channels: Form | None = None) -> Tensor:
        shape = (name("N"), name("C") if channels is None else channels, *lengths)
        return Tensor(title, shape, own_axes(len(shape), self.batched))

    def facts(self) -> tuple[Fact, ...]:
        return tuple(Fact(name(size) - 1) for size in ("N", "C"))


def own_axes(rank: int, batched: bool = True) -> tuple[tuple[int, ...], ...]:
    """Every axis is one of the user's; the first is hidden where there is no batch."""
    return tuple((i,) for i in range(0 if batched else 1, rank))


def forms(*indices: Index) -> tuple[Form, ...]:
    return tuple(i.form for i in indices)


def ranged(letter: str, tags: Sequence[str], extents: Sequence[Form]) -> tuple[Index, ...]:
    """One index an axis: `letter`_h, `letter`_w, running over the given extents."""
    return tuple(Index(f"{letter}_{t}", e) for t, e in zip(tags, extents, strict=True))


def at_least(low: int, *sizes: str) -> tuple[Fact, ...]:
    return tuple(Fact(name(size) - low) for size in sizes)
