"""Owns the theorems about linear upsampling by a whole factor s: its weights as counts, for all sizes.

On an axis, output place o is phase a < s of the step from one neighbour, number z, to the next; neighbours
are the H entries with the first and the last repeated once, so that there are H + 1 steps:

    s z + a = o + off        weight of the lower neighbour 1 - part[a], of the upper part[a]

align_corners=False: off = s - m and part[a] = (2a + b) / (2s), where m is half of s rounded down and b is 1
where s is even, else 0 (s = 2m + 1 - b). align_corners=True: off = s, part[a] = a / s, H_out = s (H - 1) + 1.
A part is written as a count of ones over the count of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from derive.between.base import Between, Parts, Tags, equation, extended, gradient, paired
from derive.claim import Claim, Fact, Setting
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor
from derive.index import ZERO, Form, Index, Within, Zero
from derive.statements.model import Image, Spatial, at_least, forms, own_axes

LEAD = (Image.n, Image.c)
MINUS = Fraction(-1)


@dataclass(frozen=True)
class Axis(Spatial):
    """One axis; `corners` for align_corners=True."""

    corners: bool

    @property
    def places(self) -> Form:
        """The output's length."""
        s = self.size("s")
        return s * (self.length - 1) + 1 if self.corners else s * self.length

    @property
    def off(self) -> Form:
        """The place of the first output among the phases of all steps."""
        return self.size("s") if self.corners else self.size("s") - self.size("m")

    @property
    def steps(self) -> Form:
        """How many steps there are from one neighbour to the next."""
        return self.length + 1

    @property
    def o(self) -> Index:
        return Index(f"o_{self.tag}", self.places)

    @property
    def i(self) -> Index:
        return Index(f"i_{self.tag}", self.length)

    @property
    def a(self) -> Index:
        return Index(f"a_{self.tag}", self.size("s"))

    @property
    def z(self) -> Index:
        return Index(f"z_{self.tag}", self.steps)

    @property
    def t(self) -> Index:
        """The ones that are counted: s, or 2 s of them."""
        return Index(f"t_{self.tag}", self.size("s") * (1 if self.corners else 2))

    def facts(self) -> tuple[Fact, ...]:
        found = at_least(1, self.tag.upper(), f"s_{self.tag}")
        if self.corners:
            return found
        half = self.size("s") - 2 * self.size("m") - 1 + self.size("b")
        parity = (Fact(1 - self.size("b")), Fact(half, equal=True))
        return (*found, *at_least(0, f"m_{self.tag}", f"b_{self.tag}"), *parity)

    def part(self) -> tuple[Definition, Definition]:
        """How many ones there are, and the upper neighbour's part in each phase."""
        whole = Tensor(f"ones_{self.tag}", ())
        reached = self.a.form if self.corners else 2 * self.a.form + self.size("b")
        counted = Within(reached + self.t.form - self.t.extent, self.t.extent)
        share = Expr((Sum((self.t,), (counted,), (Apply("recip", Read(whole, ())),)),))
        tensor = Tensor(f"part_{self.tag}", (self.a.extent,), own_axes(1))
        once = Sum((Index(self.t.name, self.size("s")),), (), (), Fraction(1 if self.corners else 2))
        ones = Definition(whole, (), Expr((once,)), "how many ones there are")
        return ones, Definition(tensor, (self.a,), share, "the upper neighbour's part in a phase")

    def step(self) -> tuple[Definition, Definition]:
        """Of output place o and step z: what the lower and the upper neighbour weigh."""
        at = Zero(self.size("s") * self.z.form + self.a.form - self.o.form - self.off)
        read = Read(self.part()[1].tensor, forms(self.a))
        upper = Sum((self.a,), (at,), (read,))
        lower = (Sum((self.a,), (at,), ()), replace(upper, coefficient=MINUS))
        shape, where = (self.places, self.z.extent), (self.o, self.z)
        low, high = (Tensor(f"{title}_{self.tag}", shape, own_axes(2)) for title in ("lower", "upper"))
        return (
            Definition(low, where, Expr(lower), "the lower neighbour's weight"),
            Definition(high, where, Expr((upper,)), "the upper neighbour's weight"),
        )

    def table(self) -> Definition:
        """What entry i weighs for place o."""
        low, high = (d.tensor for d in self.step())
        tensor = Tensor(f"weights_{self.tag}", (self.places, self.length), own_axes(2))
        terms = self.gathered(lambda z: Read(low, (self.o.form, z)), lambda z: Read(high, (self.o.form, z)))
        return Definition(tensor, (self.o, self.i), Expr(terms), "the interpolation table")

    def gathered(self, low: Callable[[Form], Read], high: Callable[[Form], Read]) -> tuple[Sum, ...]:
        """Entry i as the lower and as the upper neighbour of a step, at the ends also repeated."""
        i, n = self.i.form, self.length
        middle = (_case(low(i + 1)), _case(high(i)))
        return (*middle, _case(low(ZERO), Zero(i)), _case(high(n), Zero(i - n + 1)))

    def ends(self, entry: Callable[[Form], Read]) -> tuple[Expr, Expr]:
        """The lower and the upper neighbour of step z, the end entries repeated."""
        z, n = self.z.form, self.length
        lower = (_case(entry(z - 1), Within(z - 1, n)), _case(entry(ZERO), Zero(z)))
        upper = (_case(entry(z), Within(z, n)), _case(entry(n - 1), Zero(z - n)))
        return Expr(lower), Expr(upper)

    def definitions(self) -> tuple[Definition, ...]:
        return (*self.part(), *self.step(), self.table())


@dataclass(frozen=True)
class Linear:
    """Linear upsampling on the given axes by whole factors of their own."""

    tags: Tags
    corners: bool

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(Axis(t, self.corners) for t in self.tags)

    @property
    def x(self) -> Tensor:
        return Image().tensor("input", [a.length for a in self.axes])

    def weights(self) -> tuple[Factor, ...]:
        return tuple(Read(a.table().tensor, forms(a.o, a.i)) for a in self.axes)

    def output(self) -> Definition:
        """The layer: every axis's table at once."""
        entries = tuple(a.i for a in self.axes)
        body = Expr((Sum(entries, (), (*self.weights(), Read(self.x, forms(*LEAD, *entries)))),))
        tensor = Image().tensor("output", [a.places for a in self.axes])
        return Definition(tensor, (*LEAD, *(a.o for a in self.axes)), body, "the layer")

    def setting(self) -> Setting:
        output = self.output()
        given, loss = paired(output)
        own = tuple(d for a in self.axes for d in a.definitions())
        return Setting(self.facts(), (self.x, given), (*own, output, loss))

    def facts(self) -> tuple[Fact, ...]:
        return Image().facts() + tuple(f for a in self.axes for f in a.facts())

    def parts(self) -> Parts:
        """Both passes, axis by axis, and what the tables of the first axis are."""
        setting = self.setting()
        places, entries = tuple(a.o for a in self.axes), tuple(a.i for a in self.axes)
        given = Read(setting.inputs[1], forms(*LEAD, *places))
        body = Expr((Sum(places, (), (*self.weights(), given)),))
        tensor = replace(self.x, name="grad_input")
        grad = Definition(tensor, (*LEAD, *entries), body, "the tables transposed")
        return {
            "output": self.staged(setting),
            "input": gradient("grad_input", setting, self.x, grad),
            "neighbours": self.neighbours(),
            "folded": self.folded(setting),
            "sum 1": self.ones(),
        }

    def staged(self, setting: Setting) -> Claim:
        """The layer, one axis after another."""
        current, stages = self.x, []
        for number, axis in enumerate(self.axes):
            done = tuple(a.o for a in self.axes[: number + 1])
            rest = tuple(a.i for a in self.axes[number + 1 :])
            before = tuple(a.o for a in self.axes[:number])
            read = Read(current, forms(*LEAD, *before, axis.i, *rest))
            body = Expr((Sum((axis.i,), (), (Read(axis.table().tensor, forms(axis.o, axis.i)), read)),))
            where = (*LEAD, *done, *rest)
            current = Image().tensor(f"resampled_{axis.tag}", [i.extent for i in where[2:]])
            stages.append(Definition(current, where, body, f"resampled on axis {axis.tag}"))
        *helpers, last = stages
        return equation("output", extended(setting, *helpers), self.output(), last)

    def line(self, title: str, first: Index, body: Expr, role: str) -> Definition:
        """A tensor with another first axis, the other axes as they are: entries, or places where `back`."""
        where = (*LEAD, first, *(a.i for a in self.axes[1:]))
        return Definition(Image().tensor(title, [i.extent for i in where[2:]]), where, body, role)

    def neighbours(self) -> Claim:
        """The table of the first axis: each step's two neighbours, the end entries repeated once."""
        axis, rest = self.axes[0], tuple(a.i for a in self.axes[1:])

        def entry(at: Form) -> Read:
            return Read(self.x, (*forms(*LEAD), at, *forms(*rest)))

        below, above = axis.ends(entry)
        lower = self.line("before", axis.z, below, "lower neighbours, the first entry repeated")
        upper = self.line("after", axis.z, above, "upper neighbours, the last entry repeated")
        table = Read(axis.table().tensor, forms(axis.o, axis.i))
        applied = Expr((Sum((axis.i,), (), (table, entry(axis.i.form))),))
        left = self.line("output", axis.o, applied, "the table of the first axis applied")
        terms = tuple(
            Sum((axis.z,), (), (Read(d.tensor, forms(axis.o, axis.z)), Read(own.tensor, forms(*own.indices))))
            for d, own in zip(axis.step(), (lower, upper), strict=True)
        )
        right = self.line("blended", axis.o, Expr(terms), "between neighbours")
        own = Setting(self.facts(), (self.x,), (*axis.definitions(), left, lower, upper))
        return equation("output", own, left, right)

    def folded(self, setting: Setting) -> Claim:
        """The table transposed: what each neighbour gets, the repeated ends added to the end entries."""
        axis, rest = self.axes[0], tuple(a.i for a in self.axes[1:])
        where = (*LEAD, axis.o, *rest)
        given = Image().tensor("given", [i.extent for i in where[2:]])
        read = Read(given, forms(*where))
        table = Read(axis.table().tensor, forms(axis.o, axis.i))
        left = self.line("sent", axis.i, Expr((Sum((axis.o,), (), (table, read)),)), "the table transposed")
        low, high = (
            Expr((Sum((axis.o,), (), (Read(d.tensor, forms(axis.o, axis.z)), read)),)) for d in axis.step()
        )
        lower = self.line("to_lower", axis.z, low, "to lower neighbours")
        upper = self.line("to_upper", axis.z, high, "to upper neighbours")

        def at(d: Definition, spot: Form) -> Read:
            return Read(d.tensor, (*forms(*LEAD), spot, *forms(*rest)))

        body = Expr(axis.gathered(lambda z: at(lower, z), lambda z: at(upper, z)))
        right = self.line("gathered", axis.i, body, "the repeated ends folded back")
        own = replace(setting, inputs=(*setting.inputs, given))
        return equation("sent", extended(_with(own, left), lower, upper), left, right)

    def ones(self) -> Claim:
        """The weights of an output place, given by its step and phase, sum to 1."""
        axis = self.axes[0]
        step, phase = Index("y", axis.steps), Index("f", axis.size("s"))
        spot = axis.size("s") * step.form + phase.form - axis.off
        there = Within(spot, axis.places)
        terms = tuple(Sum((axis.z,), (there,), (Read(d.tensor, (spot, axis.z.form)),)) for d in axis.step())
        shape = (step.extent, phase.extent)
        tensor = Tensor("summed", shape, own_axes(2))
        left = Definition(tensor, (step, phase), Expr(terms), "all weights of a place")
        one = Expr((Sum((), (there,), ()),))
        right = Definition(replace(tensor, name="one"), (step, phase), one, "one, at every output place")
        return equation("summed", Setting(self.facts(), (), (*axis.part(), *axis.step(), left)), left, right)


def _with(setting: Setting, helper: Definition) -> Setting:
    """The setting with a definition before the output, so that what it alone reads is unfolded."""
    definitions = setting.definitions
    place = next(i for i, d in enumerate(definitions) if d.tensor.name == "output")
    return replace(setting, definitions=(*definitions[:place], helper, *definitions[place:]))


def _case(read: Read, *conditions: Within | Zero) -> Sum:
    return Sum((), conditions, (read,))


THEOREMS = (
    Between(
        "linear-upsampling",
        "Linear, bilinear and trilinear upsampling by a whole factor s (align_corners=False) is, on one axis "
        "after another, 1 - (2a + b)/(2s) of the lower and (2a + b)/(2s) of the upper neighbour of phase "
        "a < s, the end entries repeated once; the weights of a place sum to 1; the gradient is the "
        "transposed table, what reaches the repeated ends folded back.",
        lambda tags: Linear(tags, False).parts(),
    ),
    Between(
        "linear-upsampling-corners",
        "Linear, bilinear and trilinear upsampling from H to s (H - 1) + 1 entries with align_corners=True "
        "is, on one axis after another, 1 - a/s of the lower and a/s of the upper neighbour of phase a < s; "
        "the weights of a place sum to 1; the gradient is the transposed table.",
        lambda tags: Linear(tags, True).parts(),
    ),
)
