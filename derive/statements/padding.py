"""Owns padding: the definition of every mode axis by axis, and its adjoint, the folding back.

Sources: torch.nn.ZeroPad2d, ReflectionPad2d, ReplicationPad2d, CircularPad2d. On an axis h of length H
with p_h before and q_h after, place e of the padded axis holds

    zeros       [0 <= e-p < H] X[e-p]
    reflect     that + [0 <= e < p] X[p-e]    + [0 <= e-p-H < q] X[2H-2+p-e]
    replicate   that + [0 <= e < p] X[0]      + [0 <= e-p-H < q] X[H-1]
    circular    that + [0 <= e < p] X[e-p+H]  + [0 <= e-p-H < q] X[e-p-H]

Axes are padded one after another, each a definition of its own, so that corners need no case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.claim import Claim, Fact
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import ZERO, Condition, Form, Index, Within, Zero, name
from derive.statements.model import Image, Model, at_least, forms

MODES = ("zeros", "reflect", "replicate", "circular")
SAID = {
    "zeros": "zero padding",
    "reflect": "reflection about the border entries",
    "replicate": "the border entry repeated",
    "circular": "the axis wrapped around",
}


@dataclass(frozen=True)
class Padded:
    """One axis: its sizes by symbols that end in `tag`."""

    tag: str

    @property
    def length(self) -> Form:
        return name(self.tag.upper())

    @property
    def before(self) -> Form:
        return name(f"p_{self.tag}")

    @property
    def after(self) -> Form:
        return name(f"q_{self.tag}")

    @property
    def whole(self) -> Form:
        return self.length + self.before + self.after

    def facts(self, mode: str) -> tuple[Fact, ...]:
        """Zeros may crop (negative numbers); a reflection stays below the length, a wrap within it."""
        positive = at_least(1, self.tag.upper())
        if mode == "zeros":
            return (*positive, Fact(self.whole - 1))
        counted = at_least(0, f"p_{self.tag}", f"q_{self.tag}")
        room = {"reflect": self.length - 1, "circular": self.length}.get(mode)
        bounds = () if room is None else (Fact(room - self.before), Fact(room - self.after))
        return (*positive, *counted, *bounds)

    def cases(self, mode: str, e: Form) -> list[tuple[tuple[Condition, ...], Form]]:
        """For place e of the padded axis: (when, which entry), one of which holds."""
        inner, beyond = e - self.before, e - self.before - self.length
        first, last = (Within(e, self.before),), (Within(beyond, self.after),)
        wrapped = {
            "reflect": (self.before - e, self.length * 2 - 2 + self.before - e),
            "replicate": (ZERO, self.length - 1),
            "circular": (inner + self.length, beyond),
        }
        found: list[tuple[tuple[Condition, ...], Form]] = [((Within(inner, self.length),), inner)]
        return found + list(zip((first, last), wrapped[mode], strict=True) if mode in wrapped else ())

    def sources(self, mode: str, i: Form) -> list[tuple[tuple[Index, ...], tuple[Condition, ...], Form]]:
        """For entry i: (summed, when, place), the padded places that hold it."""
        p, q, length = self.before, self.after, self.length
        found: list[tuple[tuple[Index, ...], tuple[Condition, ...], Form]] = []
        if mode == "zeros":
            return [((), (Within(i + p, self.whole),), i + p)]
        found.append(((), (), i + p))
        if mode == "reflect":
            found.append(((), (Within(p - i, p),), p - i))
            found.append(((), (Within(length - 2 - i, q),), length * 2 - 2 + p - i))
        elif mode == "replicate":
            one, two = Index(f"b_{self.tag}", p), Index(f"b_{self.tag}", q)
            found.append(((one,), (Zero(i),), one.form))
            found.append(((two,), (Zero(i - length + 1),), two.form + p + length))
        else:
            found.append(((), (Within(i - length + p, p),), i - length + p))
            found.append(((), (Within(i, q),), i + p + length))
        return found


def stages(
    source: Tensor, lead: tuple[Index, ...], axes: Sequence[Padded], mode: str, final: str
) -> tuple[Definition, ...]:
    """The source padded on one axis after another; the last definition is called `final`."""
    found: list[Definition] = []
    current = source
    for number, axis in enumerate(axes):
        done = [Index(f"e_{a.tag}", a.whole) for a in axes[: number + 1]]
        open_ones = [Index(f"i_{a.tag}", a.length) for a in axes[number + 1 :]]
        where = (*lead, *done, *open_ones)
        title = final if number == len(axes) - 1 else f"padded_{axis.tag}"
        tensor = Tensor(title, tuple(i.extent for i in where), source.layout)
        terms = [
            Sum((), when, (Read(current, (*forms(*lead, *done[:-1]), spot, *forms(*open_ones))),))
            for when, spot in axis.cases(mode, done[-1].form)
        ]
        found.append(Definition(tensor, where, Expr(tuple(terms)), f"{SAID[mode]} on axis {axis.tag}"))
        current = tensor
    return tuple(found)


def folds(
    grad: Tensor, lead: tuple[Index, ...], axes: Sequence[Padded], mode: str, final: str
) -> tuple[Definition, ...]:
    """The adjoint: gradients of padded places added to the entries they hold, the last axis first."""
    found: list[Definition] = []
    current = grad
    for number in reversed(range(len(axes))):
        axis = axes[number]
        open_ones = [Index(f"e_{a.tag}", a.whole) for a in axes[:number]]
        done = [Index(f"i_{a.tag}", a.length) for a in axes[number:]]
        where = (*lead, *open_ones, *done)
        title = final if number == 0 else f"folded_{axis.tag}"
        tensor = Tensor(title, tuple(i.extent for i in where), grad.layout)
        terms = [
            Sum(summed, when, (Read(current, (*forms(*lead, *open_ones), spot, *forms(*done[1:]))),))
            for summed, when, spot in axis.sources(mode, done[0].form)
        ]
        role = f"padded places on axis {axis.tag} added to the entries that they hold"
        found.append(Definition(tensor, where, Expr(tuple(terms)), role))
        current = tensor
    return tuple(found)


def claims(tags: Sequence[str], mode: str, batched: bool) -> dict[str, Claim]:
    """The padding layer: its forward form and its gradient, the folding back."""
    image, axes = Image(batched), [Padded(t) for t in tags]
    x = image.tensor("input", [a.length for a in axes])
    lead = (image.n, image.c)
    *before, output = stages(x, lead, axes, mode, "output")
    facts = image.facts() + tuple(f for a in axes for f in a.facts(mode))
    model = Model(facts, (x,), output, tuple(before))
    right = Definition(
        Tensor("padded_input", output.tensor.shape, x.layout), output.indices, output.body, output.role
    )
    *folded, grad = folds(model.grad_output, lead, axes, mode, "grad_input")
    return {"output": model.forward(right), "input": model.gradient(x, grad, *folded)}
