"""Owns what theorems between layers share: their name and words, and the definitions that layers lend them.

A theorem between layers says that two layers, or chains of layers, give the same entries: the left side is
an entry of what one defines (or a derivative of its loss), the right side is the other's definition. It
holds on one, two and three spatial axes; each rank and each part is a claim of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from derive.claim import Claim, Fact, Setting
from derive.errors import LayerError
from derive.expr import Definition, Expr, Partial, Read, Sum, Tensor, single
from derive.index import ONE, Condition, Form, Index, Within, Zero, name
from derive.statements.model import forms, ranged

Tags = tuple[str, ...]
RANKS: Mapping[int, Tags] = {2: ("h", "w"), 1: ("w",), 3: ("d", "h", "w")}
"""Tags of the spatial axes by their number, the usual one first."""

N, GROUPS, C, K = name("N"), name("groups"), name("C"), name("K")
BATCH, GROUP, IN, OUT = Index("n", N), Index("g", GROUPS), Index("c", C), Index("k", K)
Parts = dict[str, Claim]


@dataclass(frozen=True)
class Between:
    """A theorem between layers.

    Attributes:
        name: as `backflip prove --theorem` takes it.
        says: the theorem in one sentence.
        parts: spatial axes -> its claims by part ("output", "input", ...).
    """

    name: str
    says: str
    parts: Callable[[Tags], Parts]

    def claims(self, rank: int = 2) -> Parts:
        """The claims on `rank` spatial axes."""
        if rank not in RANKS:
            raise LayerError(
                "no such number of spatial axes", where=self.name, expected="1, 2 or 3", got=repr(rank)
            )
        return self.parts(RANKS[rank])

    def everything(self) -> Parts:
        """The claims of every rank: 'output, 2 axes', ..."""
        found: Parts = {}
        for rank in RANKS:
            axes = "1 axis" if rank == 1 else f"{rank} axes"
            found |= {f"{part}, {axes}": claim for part, claim in self.claims(rank).items()}
        return found


@dataclass(frozen=True)
class Slide:
    """How a kernel moves on one axis: output o and tap a meet at stride*o + dilation*a - before."""

    length: Form
    out: Form
    kernel: Form
    before: Form
    stride: Form = ONE
    dilation: Form = ONE

    def spot(self, o: Index, a: Index) -> Form:
        return self.stride * o.form + self.dilation * a.form - self.before


def convolved(
    title: str, image: Tensor, kernel: Tensor, lead: Sequence[Index], inner: Index, tags: Tags,
    slides: Sequence[Slide], role: str, more: tuple[Sum, ...] = (), letter: str = "o",
) -> Definition:  # fmt: skip
    """The convolution layer's definition: sum over channels and taps, zeros around the image as brackets.

    `lead` are batch, group and output channel; `inner` is the input channel; `more` are further terms.
    """
    batch, group, channel = lead
    o = ranged(letter, tags, [s.out for s in slides])
    a = ranged("a", tags, [s.kernel for s in slides])
    spots = tuple(s.spot(oi, ai) for s, oi, ai in zip(slides, o, a, strict=True))
    inside = tuple(Within(spot, s.length) for spot, s in zip(spots, slides, strict=True))
    weight = Read(kernel, forms(group, channel, inner, *a))
    pixel = Read(image, (*forms(batch, group, inner), *spots))
    tensor = Tensor(title, tuple(i.extent for i in (*lead, *o)), image.layout)
    body = Expr((Sum((inner, *a), inside, (weight, pixel)), *more))
    return Definition(tensor, (*lead, *o), body, role)


def scattered(
    title: str, image: Tensor, kernel: Tensor, lead: Sequence[Index], inner: Index, tags: Tags,
    slides: Sequence[Slide], role: str, letters: str = "io",
) -> Definition:  # fmt: skip
    """The transposed convolution layer's definition: every image entry sent to the places it meets.

    `slides` are those of the convolution that it transposes: their `out` is the image's length, their
    `length` the result's. `letters` name the image's and the result's places.
    """
    batch, group, channel = lead
    i = ranged(letters[0], tags, [s.out for s in slides])
    o = ranged(letters[1], tags, [s.length for s in slides])
    a = ranged("a", tags, [s.kernel for s in slides])
    hits: tuple[Condition, ...] = tuple(
        Zero(oi.form - s.spot(ii, ai)) for s, oi, ii, ai in zip(slides, o, i, a, strict=True)
    )
    weight = Read(kernel, forms(group, inner, channel, *a))
    pixel = Read(image, forms(batch, group, inner, *i))
    tensor = Tensor(title, tuple(x.extent for x in (*lead, *o)), image.layout)
    body = Expr((Sum((inner, *i, *a), hits, (weight, pixel)),))
    return Definition(tensor, (*lead, *o), body, role)


def inserted(
    title: str, image: Tensor, lead: Sequence[Index], tags: Tags, lengths: Sequence[Form], letters: str = "zo"
) -> Definition:
    """The zero-insertion layer's definition: s - 1 zeros between neighbours, then zeros up to `lengths`."""
    z = ranged(letters[0], tags, lengths)
    o = ranged(letters[1], tags, image.shape[len(lead) :])
    hits: tuple[Condition, ...] = tuple(
        Zero(zi.form - name(f"s_{t}") * oi.form) for t, zi, oi in zip(tags, z, o, strict=True)
    )
    tensor = Tensor(title, tuple(x.extent for x in (*lead, *z)), image.layout)
    body = Expr((Sum(o, hits, (Read(image, forms(*lead, *o)),)),))
    return Definition(tensor, (*lead, *z), body, "zero-insertion by the stride, leftover zeros at the end")


def every(
    title: str, image: Tensor, lead: Sequence[Index], tags: Tags, lengths: Sequence[Form], letter: str = "o"
) -> Definition:
    """The downsampling layer's definition: every s-th entry."""
    o = ranged(letter, tags, lengths)
    spots = tuple(name(f"s_{t}") * i.form for t, i in zip(tags, o, strict=True))
    tensor = Tensor(title, tuple(i.extent for i in (*lead, *o)), image.layout)
    return Definition(tensor, (*lead, *o), single(Read(image, (*forms(*lead), *spots))), "every s-th entry")


def turned(
    title: str, kernel: Tensor, lead: Sequence[Index], tags: Tags, exchange: bool = True
) -> Definition:
    """The kernel reversed on every spatial axis, its two channel axes exchanged where `exchange`."""
    group, first, second = lead
    b = ranged("b", tags, kernel.shape[3:])
    spots = tuple(i.extent - 1 - i.form for i in b)
    mine = (second, first) if exchange else (first, second)
    tensor = Tensor(title, tuple(i.extent for i in (group, first, second, *b)), kernel.layout)
    read = Read(kernel, (*forms(group, *mine), *spots))
    role = "flip and channel exchange" if exchange else "flip"
    return Definition(tensor, (group, first, second, *b), single(read), role)


def equation(title: str, setting: Setting, defined: Definition, right: Definition) -> Claim:
    """An entry of a defined tensor = the right side."""
    left = single(Read(defined.tensor, forms(*right.indices)))
    return Claim(title, setting, left, right, defined.tensor)


def gradient(title: str, setting: Setting, target: Tensor, right: Definition) -> Claim:
    """d loss/d target = the right side."""
    loss = next(d.tensor for d in setting.definitions if d.tensor.name == "loss")
    left = single(Partial(Read(loss, ()), Read(target, forms(*right.indices))))
    return Claim(title, setting, left, right, target)


def paired(output: Definition) -> tuple[Tensor, Definition]:
    """grad_output, and the loss whose derivative by the output it is."""
    given = Tensor("grad_output", output.tensor.shape, output.tensor.layout)
    where = output.indices
    body = Expr((Sum(where, (), (Read(given, forms(*where)), Read(output.tensor, forms(*where)))),))
    return given, Definition(Tensor("loss", ()), (), body, "the loss, linear in the output")


def special(setting: Setting, sizes: Mapping[str, Form | int]) -> Setting:
    """The setting at special sizes; bounds of those sizes, and facts that then say nothing, are left out.

    What leaves a fact out claims more, and the checker asks for more certificates.
    """
    values = {size: Form.of(value) for size, value in sizes.items()}
    kept = tuple(
        f for f in setting.facts if f.equal or len(f.form.names) > 1 or not f.form.names & set(sizes)
    )
    moved = Setting(kept, setting.inputs, setting.definitions).mapped(lambda form: form.substitute(values))
    facts = tuple(f for f in dict.fromkeys(moved.facts) if not _empty(f))
    return Setting(facts, moved.inputs, moved.definitions)


def _empty(fact: Fact) -> bool:
    return fact.form.constant is not None and fact.holds({})


def extended(setting: Setting, *helpers: Definition) -> Setting:
    return Setting(setting.facts, setting.inputs, (*setting.definitions, *helpers))


def output_of(setting: Setting) -> Definition:
    """The definition of the setting's output."""
    return next(d for d in setting.definitions if d.tensor.name == "output")


def tensor_of(setting: Setting, title: str) -> Tensor:
    """An input tensor of the setting."""
    return next(t for t in setting.inputs if t.name == title)
