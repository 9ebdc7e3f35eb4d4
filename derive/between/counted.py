"""Owns the theorems about what mean pooling divides by: counts of a window's entries, as sums of ones.

On an axis the symbols are those of pooling (H, H_out, k, s, p, q, r) and e, the places by which the last
window of ceil_mode hangs over the end of the padding. The last window begins inside the input or the padding
before it, as PyTorch asks. Without the padding, which then is below the kernel size (PyTorch asks for at most
half of it), a window counts the entries of the input that it meets; with it, also the places of the padding,
but not those of the overhang.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from derive.between.base import Between, Parts, Tags, equation, extended, gradient, paired, special
from derive.claim import Claim, Fact, Setting
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor
from derive.index import ZERO, Condition, Form, Index, Within, Zero
from derive.statements.model import Image, Spatial, at_least, forms, own_axes

LEAD = (Image.n, Image.c)
Case = tuple[Condition, Form]
"""When, and the tap that is then in the region."""


@dataclass(frozen=True)
class Axis(Spatial):
    """One axis; `padded` where the places of the padding are counted too."""

    padded: bool

    @property
    def region(self) -> Form:
        """How many places may be counted."""
        return self.length + self.size("p") + self.size("q") if self.padded else self.length

    @property
    def skipped(self) -> Form:
        """Places of the padding before, that are not counted."""
        return ZERO if self.padded else self.size("p")

    @property
    def o(self) -> Index:
        return Index(f"o_{self.tag}", self.out)

    @property
    def a(self) -> Index:
        return Index(f"a_{self.tag}", self.size("k"))

    @property
    def z(self) -> Index:
        return Index(f"z_{self.tag}", self.region)

    @property
    def i(self) -> Index:
        return Index(f"i_{self.tag}", self.length)

    @property
    def begin(self) -> Form:
        """Where window o begins in the region; before it, where that is negative."""
        return self.size("s") * self.o.form - self.skipped

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Whether a place of the region is in a window, and how many are."""
        within = Tensor(f"within_{self.tag}", (self.out, self.region), own_axes(2))
        return within, Tensor(f"count_{self.tag}", (self.out,), own_axes(1))

    def inside(self) -> tuple[Definition, Definition]:
        """The two tensors' definitions."""
        within, count = self.tensors
        taken = Within(self.z.form - self.begin, self.size("k"))
        mark = Definition(within, (self.o, self.z), Expr((Sum((), (taken,), ()),)), "places of a window")
        ones = Expr((Sum((self.z,), (), (Read(within, forms(self.o, self.z)),)),))
        return mark, Definition(count, (self.o,), ones, "how many places a window has")

    def share(self, spot: Form) -> tuple[Factor, Factor]:
        """One over the count where the place is in the window, 0 elsewhere."""
        within, count = self.tensors
        return Read(within, (self.o.form, spot)), Apply("recip", Read(count, forms(self.o)))

    def cases(self) -> tuple[Case, ...]:
        """When a window begins in the region or before it, and a tap that is then in the region."""
        inside: Case = (Within(self.begin, self.size("s") * self.out), ZERO)
        if self.padded:
            return (inside,)
        return inside, (Within(self.size("s") * self.o.form, self.size("p")), -self.begin)

    def facts(self) -> tuple[Fact, ...]:
        upper, last = self.tag.upper(), self.size("s") * (self.out - 1)
        whole = self.length + self.size("p") + self.size("q") + self.size("e")
        smaller = () if self.padded else (Fact(self.size("k") - 1 - self.size("p")),)
        return (
            *at_least(1, upper, f"{upper}_out", f"k_{self.tag}", f"s_{self.tag}"),
            *at_least(0, *(f"{x}_{self.tag}" for x in "pqre")),
            Fact(self.size("s") - 1 - self.size("r")),
            Fact(whole - self.size("k") - last - self.size("r"), equal=True),
            Fact(self.length + self.size("p") - 1 - last),
            *smaller,
        )


@dataclass(frozen=True)
class Counted:
    """Mean pooling whose windows are divided by their own counts."""

    tags: Tags
    padded: bool

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(Axis(t, self.padded) for t in self.tags)

    @property
    def places(self) -> tuple[Index, ...]:
        return tuple(a.o for a in self.axes)

    @property
    def x(self) -> Tensor:
        return Image().tensor("input", [a.length for a in self.axes])

    def counts(self) -> tuple[Definition, ...]:
        return tuple(d for a in self.axes for d in a.inside())

    def shares(self, spots: tuple[Form, ...]) -> tuple[Factor, ...]:
        return tuple(f for a, spot in zip(self.axes, spots, strict=True) for f in a.share(spot))

    def output(self) -> Definition:
        """The layer by taps, each window's sum divided by its counts."""
        taps = tuple(a.a for a in self.axes)
        spots = tuple(a.size("s") * a.o.form + a.a.form - a.size("p") for a in self.axes)
        inside = tuple(Within(spot, a.length) for spot, a in zip(spots, self.axes, strict=True))
        divided = tuple(Apply("recip", Read(a.tensors[1], forms(a.o))) for a in self.axes)
        body = Expr((Sum(taps, inside, (*divided, Read(self.x, (*forms(*LEAD), *spots)))),))
        tensor = Image().tensor("output", [a.out for a in self.axes])
        return Definition(tensor, (*LEAD, *self.places), body, "the layer")

    def setting(self) -> Setting:
        output = self.output()
        given, loss = paired(output)
        return Setting(self.facts(), (self.x, given), (*self.counts(), output, loss))

    def facts(self) -> tuple[Fact, ...]:
        return Image().facts() + tuple(f for a in self.axes for f in a.facts())

    def parts(self) -> Parts:
        """What the counts are, that none is 0, and mean pooling with them, forward and backward."""
        setting = self.setting()
        entries = tuple(a.i for a in self.axes)
        at = tuple(a.i.form + a.size("p") - a.skipped for a in self.axes)
        read = Read(self.x, forms(*LEAD, *entries))
        output = self.output()
        body = Expr((Sum(entries, (), (*self.shares(at), read)),))
        tensor = replace(output.tensor, name="averaged")
        mean = Definition(tensor, output.indices, body, "the matrix of shares")
        given = Read(setting.inputs[1], forms(*LEAD, *self.places))
        sent = Expr((Sum(self.places, (), (*self.shares(at), given)),))
        tensor = replace(self.x, name="grad_input")
        grad = Definition(tensor, (*LEAD, *entries), sent, "the matrix of shares, transposed")
        counts = Setting(self.facts(), (), self.counts())
        return {
            "output": equation("output", setting, output, mean),
            "input": gradient("grad_input", setting, self.x, grad),
            "count": self.count_claim(counts),
            "never 0": self.tap_claim(Setting(self.facts(), (), ())),
            "shares": self.share_claim(counts),
            "total": self.total_claim(replace(counts, inputs=(given.tensor,)), given),
            **({"whole windows": self.whole_claim(counts)} if self.padded else {}),
        }

    def by_place(self, title: str, body: Expr, role: str) -> Definition:
        tensor = Tensor(title, tuple(a.out for a in self.axes), own_axes(len(self.axes)))
        return Definition(tensor, self.places, body, role)

    def places_in(self) -> Definition:
        """The product of the counts of the axes, as one sum over the region."""
        marks = tuple(a.share(a.z.form)[0] for a in self.axes)
        body = Expr((Sum(tuple(a.z for a in self.axes), (), marks),))
        return self.by_place("divisor", body, "how many places a window has, on all axes")

    def count_claim(self, setting: Setting) -> Claim:
        """The places of the region in a window are the taps that meet the region."""
        met = tuple(Within(a.begin + a.a.form, a.region) for a in self.axes)
        body = Expr((Sum(tuple(a.a for a in self.axes), met, ()),))
        right = self.by_place("taps", body, "the taps that meet the region")
        counted = self.places_in()
        return equation("divisor", extended(setting, counted), counted, right)

    def whole_claim(self, setting: Setting) -> Claim:
        """Without overhang every window counts all its taps."""
        own = special(setting, {f"e_{t}": 0 for t in self.tags})
        body = Expr((Sum(tuple(a.a for a in self.axes), (), ()),))
        counted, right = self.places_in(), self.by_place("taps", body, "all taps")
        return equation("divisor", extended(own, counted), counted, right)

    def tap_claim(self, setting: Setting) -> Claim:
        """A tap of each window is in the region, wherever the window begins: the count is at least 1."""
        taps = tuple(a.a for a in self.axes)
        inside = tuple(Within(a.begin + a.a.form, a.region) for a in self.axes)
        terms, rest = [], []
        for chosen in product(*(a.cases() for a in self.axes)):
            when = tuple(condition for condition, _ in chosen)
            hits = tuple(Zero(a.form - tap) for a, (_, tap) in zip(taps, chosen, strict=True))
            terms.append(Sum(taps, (*hits, *inside, *when), ()))
            rest.append(Sum((), when, ()))
        first = self.by_place("seen", Expr(tuple(terms)), "whether that tap is in the region")
        right = self.by_place("begun", Expr(tuple(rest)), "where the window begins")
        return equation("seen", extended(setting, first), first, right)

    def share_claim(self, setting: Setting) -> Claim:
        """The shares of a window sum to 1."""
        region = tuple(a.z for a in self.axes)
        body = Expr((Sum(region, (), self.shares(forms(*region))),))
        summed = self.by_place("shares", body, "all shares of a window")
        right = self.by_place("one", Expr((Sum((), (), ()),)), "one")
        return equation("shares", extended(setting, summed), summed, right)

    def total_claim(self, setting: Setting, given: Read) -> Claim:
        """What is sent to the region's places is all that was given."""
        region = tuple(a.z for a in self.axes)
        body = Expr((Sum(self.places, (), (*self.shares(forms(*region)), given)),))
        tensor = Image().tensor("sent", [a.region for a in self.axes])
        sent = Definition(tensor, (*LEAD, *region), body, "the gradient of each place of the region")
        all_sent = Expr((Sum(region, (), (Read(tensor, forms(*LEAD, *region)),)),))
        one = Image().tensor("all_sent", [])
        left = Definition(one, LEAD, all_sent, "their total")
        everything = Expr((Sum(self.places, (), (given,)),))
        right = Definition(replace(one, name="all_given"), LEAD, everything, "the total that was given")
        return equation("all_sent", extended(setting, sent, left), left, right)


THEOREMS = (
    Between(
        "mean-pooling-inside",
        "Mean pooling with count_include_pad=False divides each window by the number of its entries inside "
        "the input; for a padding p below the kernel size that is at least 1, as tap 0 or tap p - s o is "
        "inside wherever the window begins. It is a matrix of shares, its gradient the transposed one; the "
        "shares of a window sum to 1, so the total gradient is kept.",
        lambda tags: Counted(tags, False).parts(),
    ),
    Between(
        "mean-pooling-padded",
        "Mean pooling with count_include_pad=True divides each window by the number of its places in the "
        "input and its padding: at least 1, and all of them where no window hangs over (ceil_mode). What it "
        "sends to input and padding together is the total gradient.",
        lambda tags: Counted(tags, True).parts(),
    ),
)
