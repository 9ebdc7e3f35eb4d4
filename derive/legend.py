"""Owns how a document introduces its symbols: letters, sizes, and the hypotheses about sizes, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from derive.claim import Fact
from derive.expr import Tensor
from derive.index import Form, name
from derive.notation.build import Builder, rational
from derive.notation.symbols import AXES, CONSTANTS, TENSORS, split
from derive.notation.tree import (
    Array,
    Block,
    Bracket,
    Called,
    Display,
    Displays,
    Elided,
    Grid,
    Inline,
    Link,
    Name,
    Node,
    Number,
    Paragraph,
    Relation,
    Sign,
    Span,
    Strong,
    Values,
)

CONVENTIONS = " Indices count from 0; a bracket is 1 where its condition holds and 0 elsewhere."


SIZES: dict[str, str] = {
    "N": "batch",
    "groups": "groups",
    "C": "channels",
    "k": "kernel size",
    "s": "stride",
    "d": "dilation",
    "p": "zeros before",
    "q": "zeros after",
    "r": "left over by the stride",
}
"""What a size means in most layers; the part of its name before the axis."""

GROUPED = {"C": "input channels in a group", "K": "output channels in a group"}
"""What channels mean where there are groups."""

OWN: dict[str, dict[str, str]] = {
    "transposed": {
        "p": "places cut off before",
        "q": "places cut off after",
        "r": "output_padding, places more at the end",
    },
    "pooling": {
        "k": "window",
        "p": "padding before",
        "q": "padding after, with what a last window hangs over",
    },
    "downsampling": {"s": "factor", "r": "left over after the last entry taken"},
    "insertion": {"s": "factor", "r": "output_padding, zeros at the end"},
    "padding": {"p": "places put before", "q": "places put after"},
    "moving": {
        "r": "factor",
        "H": "height and width on the side with more channels",
        "W": "height and width on the side with more channels",
        "C": "channels on the side with fewer",
        "n": "lengths of the input's axes",
    },
    "adding": {"n": "lengths of the input's axes", "m": "other's length on the axis of the join"},
    "product": {"N": "leading axes", "C": "input features", "K": "output features"},
    "selection": {"k": "window", "p": "padding before", "q": "padding after, with what hangs over"},
    "powers": {"k": "window", "q": "what a last window hangs over"},
    "loss": {"C": "classes"},
}
"""What sizes mean in the layers of one family, where that is something else."""

MODES = {"p": "places put before", "q": "places put after"}
"""What the padding of a convolution is where it is not zeros."""

NUMBERED = {"N": "lengths of the axes", "L": "lengths of the places", "D": "lengths of the places"}
"""What a size means whose axis has a number: N_0, N_1."""

MEANINGS: dict[str, dict[str, str]] = {
    "product": {"weight": "the weights"},
    "pooling": {"weight": "the weights"},
    "powers": {
        "total": "the sum of powers over each window",
        "handed": "grad_output times the derivative of the root",
    },
    "loss": {
        "mass": "what each class weighs: the target, smoothed and weighted",
        "weight": "the weight of each entry",
    },
    "normalisation": {
        "weight": "the factor of each channel",
        "bias": "what is added to each channel",
        "kept": "the part of the old running statistics that is kept, a constant",
    },
    "entrywise": {"other": "the second input"},
}
"""What tensors mean in the layers of one family, where that is something else."""

LENGTHS = {"D": "depth", "H": "height", "W": "width"}


def size_meaning(size: str, sizes: Collection[str], family: str = "", staged: bool = False) -> str:
    """A size in words, or ""; `staged` where the padding is a definition of its own."""
    base, below, _ = split(size)
    found = OWN.get(family, {}).get(base) or (NUMBERED.get(base, "") if below.isdigit() else "")
    if found:
        return found
    if staged and base in MODES:
        return MODES[base]
    if base in LENGTHS:
        of = [said for letter, said in LENGTHS.items() if letter in sizes]
        listed = " and ".join(filter(None, (", ".join(of[:-1]), *of[-1:])))
        return f"{'output' if below == 'out' else 'input'} {listed}"
    if base in "uvtw" and below in AXES:
        return f"the band of axis {below}"
    return (GROUPED.get(base, "") if "groups" in sizes else "") or SIZES.get(base, "")


def letters(tensors: Sequence[str], family: str = "") -> Inline:
    """Each tensor's letter and meaning."""
    out: list[Span] = []
    for tensor in dict.fromkeys(tensors):
        meaning = TENSORS[tensor].meaning if tensor in TENSORS else tensor
        meaning = MEANINGS.get(family, {}).get(tensor, meaning)
        out += [Called(tensor), f": {meaning}", "; "]
    return (*out[:-1], ".")


def channels(sizes: Collection[str], builder: Builder) -> Inline:
    """How a group and a channel in it make one index."""
    if "groups" not in sizes:
        return ()
    both = builder.form(name("C") * name("g") + name("c"))
    return (" Channel ", both, " is channel ", Name("c"), " of group ", Name("g"), ".")


def sizes_listed(sizes: Mapping[str, int], family: str = "", staged: bool = False) -> Inline:
    """Each size with its value, sizes of one meaning together: s_h, s_w := 2, 1 (stride)."""
    groups: dict[str, list[str]] = {}
    for size in sizes:
        groups.setdefault(size_meaning(size, sizes, family, staged) or size, []).append(size)
    out: list[Span] = []
    for meaning, members in groups.items():
        values = _listed([Number(str(sizes[m])) for m in members])
        out += [*_names(members), " ", Sign(":="), " ", *values]
        out += ["; " if meaning in members else f" ({meaning}); "]
    return (*out[:-1], str(out[-1]).removesuffix("; "))


def _names(sizes: Sequence[str]) -> list[Span]:
    return _listed([Name(size) for size in sizes])


def _listed(items: Sequence[Span]) -> list[Span]:
    """The items with commas between them."""
    out: list[Span] = []
    for item in items:
        out += [item, ", "]
    return out[:-1]


def hypotheses(facts: Sequence[Fact], builder: Builder) -> Inline:
    """Facts in words and brackets; the sizes with a lower bound of their own are listed together."""
    bounds: dict[int, list[str]] = {}
    others: list[Fact] = []
    for fact in facts:
        names = [m for m, c in fact.form.terms if len(m) == 1 and c == 1]
        low = -dict(fact.form.terms).get((), 0)
        if not fact.equal and len(names) == 1 and len(fact.form.terms) == 1 + (low != 0):
            bounds.setdefault(low, []).append(names[0][0])
        else:
            others.append(fact)
    out: list[Span] = []
    for low, sizes in sorted(bounds.items(), reverse=True):
        out += [*_names(sizes), f" at least {low}", "; "]
    for fact in others:
        out += [_fact(fact, builder), "; "]
    return tuple(out[:-1])


def _fact(fact: Fact, builder: Builder) -> Bracket:
    """[one = other], [small < large] or [small <= large], every term where it is positive."""
    if fact.equal:
        return Bracket(builder.sides(fact.form), ("==",))
    strict = dict(fact.form.terms).get((), 0) == -1
    form = fact.form + 1 if strict else fact.form
    more = Form(tuple((m, c) for m, c in form.terms if c > 0))
    return Bracket((builder.form(more - form), builder.form(more)), ("<" if strict else "<=",))


MOST_VALUES = 12
"""Values of a table, or rows or columns, that are written out."""


def tables_shown(tables: Mapping[str, Sequence[Fraction]], inputs: Sequence[Tensor]) -> list[Block]:
    """The layer's constants with their values: numbers and lists as definitions, two axes as a grid."""
    shapes = {t.name: [int(f.evaluate({})) for f in t.shape] for t in inputs if t.name in tables}
    lists = [_listed_table(n, tables[n]) for n, shape in shapes.items() if len(shape) < 2]
    grids = (
        [b for n, (_, wide) in shapes.items() if len(shapes[n]) == 2 for b in _grid(n, tables[n], wide)]
        if any(len(s) == 2 for s in shapes.values())
        else []
    )
    if not (lists or grids):
        return []
    said = " the theorems hold whatever they are; at these sizes"
    if grids:
        said += " they are, a row for each output place and a column for each input place of the axis"
    return [Paragraph((Strong("Constants:"), f"{said}:")), *([Displays(tuple(lists))] * bool(lists)), *grids]


def _listed_table(title: str, values: Sequence[Fraction]) -> Display:
    """A number, or its values in a row."""
    if len(values) == 1 and title in ("share", *CONSTANTS):
        return Display(Array(title), (Link(Relation.DEFINED, rational(values[0])),))
    shown: list[Node] = [rational(v) for v in values[:MOST_VALUES]]
    if len(values) > MOST_VALUES:
        shown.append(Elided(len(values) - MOST_VALUES, "further values"))
    return Display(Array(title), (Link(Relation.DEFINED, Values(tuple(shown))),))


def _grid(title: str, values: Sequence[Fraction], wide: int) -> list[Block]:
    """A table of two axes, and how much of it is not written."""
    high = len(values) // wide
    rows = tuple(
        (Number(str(o)), tuple(rational(v) for v in values[o * wide : (o + 1) * wide])) for o in range(high)
    )
    whole = Grid(Array(title), tuple(Number(str(i)) for i in range(wide)), rows)
    cut = slice(MOST_VALUES)
    found: list[Block] = [whole.part(cut, cut)]
    if high > MOST_VALUES or wide > MOST_VALUES:
        more = f"… {max(0, high - MOST_VALUES)} further rows and {max(0, wide - MOST_VALUES)} further columns"
        found.append(Paragraph((f"{more} of ", Array(title), " not written.")))
    return found
