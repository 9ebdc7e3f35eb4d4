"""Owns the document of a layer class for all sizes: what is said in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from derive.claim import Claim
from derive.document import checked, defined, linked
from derive.domain import domain, functions
from derive.expr import Definition
from derive.family import family_of_class, given, helper_definitions
from derive.functions import PARAMETERS
from derive.index import Within, name
from derive.layers.base import is_gradient
from derive.legend import CONVENTIONS, channels, hypotheses, letters, size_meaning
from derive.notation.build import Builder
from derive.notation.symbols import AXES, TABLES, split
from derive.notation.tree import (
    Array,
    Block,
    Called,
    Code,
    Display,
    Displays,
    Heading,
    Inline,
    Name,
    Page,
    Paragraph,
    Span,
    Strong,
)
from derive.steps import sizes_of
from derive.symbolic import SymbolicDerivation

ASSUMED = (
    "entries outside a tensor count as zero only where a bracket says so",
    "the loss depends on the operands through the output alone",
)
GIVEN = ("pick", "spot", "chosen", "mask", "present")
"""Indicators: inputs of the theorems whose entries are 0 or 1 at sizes."""


@dataclass(frozen=True)
class Whole:
    """What the derivations of one document share."""

    every: tuple[SymbolicDerivation, ...]

    @property
    def claims(self) -> list[Claim]:
        return [d.claim for d in self.every]

    @property
    def sizes(self) -> frozenset[str]:
        return frozenset().union(*(sizes_of(c.setting) for c in self.claims))

    @property
    def family(self) -> str:
        return family_of_class(self.every[0].kind, self.every[0].choices)

    @property
    def staged(self) -> bool:
        """Whether the padding is a definition of its own, in front of the layer's."""
        return self.claims[0].setting.definitions[0].tensor.name != "output"

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t.name for c in self.claims for t in c.setting.inputs))

    @property
    def layer(self) -> tuple[Definition, ...]:
        """The definitions of the layer and its loss, and of what it gives besides its output."""
        found = {d.tensor.name: d for c in self.claims for d in given(c)}
        new = (d for c in self.claims for d in c.setting.definitions if d.tensor.name.startswith("new_"))
        return tuple({**found, **{d.tensor.name: d for d in new}}.values())


def page(derivations: Mapping[str, SymbolicDerivation]) -> Page:
    """The document of some claims of one class for the same choices, one section a claim."""
    whole = Whole(tuple(derivations.values()))
    some = whole.every[0]
    functions_ = _functions(whole)
    blocks: list[Block] = [*_head(whole, len(functions_) > 1), *_setting(whole), *functions_]
    for derivation in whole.every:
        blocks += section(derivation)
    return Page(("The derivatives of ", Code(some.kind.__name__), " for all sizes"), tuple(blocks))


def _head(whole: Whole, slopes: bool) -> list[Block]:
    """Choices, the label of the proof, the domain, what is assumed."""
    some = whole.every[0]
    said = "Every size is a symbol, each axis has its own. Every equality below is a checked step of the "
    said += (
        "theorem for all sizes that fulfil the hypotheses; a size's derivation has numbers in their place."
    )
    chosen = "; ".join(f"{key} = {value}" for key, value in some.choices.items())
    blocks: list[Block] = [
        Paragraph((Strong("Choices:"), f" {chosen}.")),
        Paragraph((Strong("Proof:"), f" {some.label}. {said}")),
    ]
    if places := (some.conventions or domain(whole.claims)):
        blocks.append(Paragraph((Strong("Domain:"), f" {'; '.join(places)}.")))
    return [*blocks, Paragraph((Strong("Assumed:"), f" {'; '.join(ASSUMED)}."))]


def _setting(whole: Whole) -> list[Block]:
    """Symbols, sizes, hypotheses, the definition of the layer and of the loss, what inputs stand for."""
    builder = Builder(whole.sizes)
    names = [*whole.inputs, *(d.tensor.name for d in whole.layer)]
    facts = tuple(dict.fromkeys(f for c in whole.claims for f in c.setting.facts))
    return [
        Heading(("The layer",), 2),
        Paragraph((*letters(names, whole.family), CONVENTIONS, *channels(whole.sizes, builder))),
        Paragraph((Strong("Sizes:"), " ", *sizes_said(whole), ".")),
        Displays(tuple(defined(d, builder) for d in whole.layer)),
        Paragraph((Strong("Hypotheses:"), " ", *hypotheses(facts, builder), ".")),
        *_hidden(whole),
        *_anything(whole),
    ]


def _hidden(whole: Whole) -> list[Block]:
    """The sizes of axes that a user's tensors do not have (the batch of an unbatched layer)."""
    tensors = {
        t for c in whole.claims for t in (*c.setting.inputs, *(d.tensor for d in c.setting.definitions))
    }
    seen = {t: {axis for group in t.layout for axis in group} for t in tensors}
    sizes = sorted({n for t in tensors for k, f in enumerate(t.shape) if k not in seen[t] for n in f.names})
    said = " is proved for every value; the user's tensors have no axis for it, and at given sizes it is 1."
    return [Paragraph((Strong("Unseen axis:"), " ", Name(size), said)) for size in sizes]


def sizes_said(whole: Whole) -> Inline:
    """Each size in words, those of one meaning together: s_h, s_w (stride)."""
    groups: dict[str, list[str]] = {}
    for size in sorted(whole.sizes, key=_place):
        meaning = size_meaning(size, whole.sizes, whole.family, whole.staged)
        groups.setdefault(meaning, []).append(size)
    out: list[Span] = []
    for meaning, members in groups.items():
        for member in members:
            out += [Name(member), ", "]
        out[-1:] = [f" ({meaning})" * bool(meaning), "; "]
    return tuple(out[:-1])


FIRST = ("N", "groups", "C", "K", "D", "H", "W", "D_out", "H_out", "W_out")
"""Sizes that are said first; the others follow by letter."""


def _place(size: str) -> tuple[bool, int, str, int, str]:
    base, below, _ = split(size)
    axis = AXES.index(below) if below in AXES else 0
    return size not in FIRST, FIRST.index(size) if size in FIRST else 0, base, axis, size


def _anything(whole: Whole) -> list[Block]:
    """Inputs that a user does not give: the theorems hold whatever their entries are."""
    blocks: list[Block] = []
    if bands := sorted(n for n in whole.sizes if split(n)[0] == "u" and split(n)[1] in AXES):
        blocks.append(Paragraph(_band(split(bands[-1])[1])))
    tables = [n for n in whole.inputs if n in TABLES]
    chosen = [n for n in whole.inputs if n in GIVEN]
    if tables:
        said = " the theorems hold whatever they are; at given sizes the layer says their values."
        blocks.append(Paragraph((Strong("Constants:"), " ", *_arrays(tables), ";", said)))
    if chosen:
        said = " may have any entries in the theorems; at given sizes they are 0 or 1."
        blocks.append(Paragraph((Strong("Choice:"), " the entries of ", *_arrays(chosen), said)))
    if "shift" in whole.inputs:
        said = " may hold anything: the gradient by it is 0."
        blocks.append(Paragraph((Strong("Free choice:"), " ", Array("shift"), said)))
    return blocks


def _band(axis: str) -> Inline:
    """What the four numbers of an axis say, shown on one axis."""
    u, v, t, w, o, i = (name(f"{letter}_{axis}") for letter in "uvtwoi")
    inside = Builder({f"{letter}_{axis}" for letter in "uvtw"}).condition(Within(u * o - v * i + t, w))
    said = " is where an entry of the input counts for a place of the output; the theorems hold for all four "
    return (Strong("Band:"), " ", inside, said, "numbers, and at given sizes the layer says them.")


def _arrays(names: Sequence[str]) -> Inline:
    return tuple(span for name in names for span in (Array(name), ", "))[:-1]


def _functions(whole: Whole) -> list[Block]:
    """The functions applied: formulas and derivatives of those without parameters, names of the others."""
    names = functions(whole.claims)
    if not names:
        return []
    from derive.functions_shown import X, bases, definitions, slopes, told
    from derive.notation.functions import EXPONENT, applied

    fixed = tuple(n for n in names if not PARAMETERS[n])
    rows: list[Display] = definitions(fixed, {})
    rows += [Display(s.lhs, (checked(s, Builder(), ""),)) for s in slopes(fixed, {})]
    said: list[Span] = [" ", *told(fixed, {})]
    given_ = {n: PARAMETERS[n] for n in bases(names) if PARAMETERS.get(n)}
    if any("norm_type" in parameters for parameters in given_.values()):
        said += [EXPONENT, " is norm_type, any number. "]
    for title, parameters in given_.items():
        if "norm_type" not in parameters:
            said += [applied(title, X), f" is {title} with any {' and '.join(parameters)}. "]
    said += ["Of a function the theorems use nothing but which function its derivative is."]
    return [Paragraph((Strong("Functions:"), *said)), *([Displays(tuple(rows))] * bool(rows))]


def section(derivation: SymbolicDerivation) -> list[Block]:
    """One claim: the theorem, helper definitions, the numbered chain."""
    claim = derivation.claim
    builder = Builder(sizes_of(claim.setting))
    helpers = helper_definitions(claim)
    numbers = _numbered(derivation)
    links = linked(claim.left, derivation.steps, numbers, builder)
    blocks: list[Block] = [
        Heading(_title(derivation), 2),
        Paragraph(_theorem(derivation)),
        Displays((defined(claim.right, builder, said=False),)),
    ]
    if helpers:
        blocks += [Paragraph(("where",)), Displays(tuple(defined(d, builder) for d in helpers))]
    return [*blocks, Heading(("Derivation",), 3), Displays((Display(builder.expr(claim.left), links),))]


def _numbered(derivation: SymbolicDerivation) -> list[str]:
    """The numbers of the equations as printed."""
    last = derivation.numbers.last
    return [str(n) for n in range(last - len(derivation.steps) + 1, last + 1)]


def _title(derivation: SymbolicDerivation) -> Inline:
    if is_gradient(derivation.name):
        return ("The gradient by ", Called(derivation.name))
    if derivation.name == "output":
        return ("The forward form",)
    return ("The result ", Called(derivation.name))


def _theorem(derivation: SymbolicDerivation) -> Inline:
    """What the chain arrives at."""
    claim = derivation.claim
    of: Inline = (" For all sizes, ",)
    if is_gradient(derivation.name):
        of += ("the derivative of the loss by each entry of ", Array(derivation.name))
    else:
        of += ("each entry of ", Array(claim.target.name))
    return (
        Strong("Theorem."),
        *of,
        " is the entry of ",
        Called(claim.right.tensor.name),
        " with the same index:",
    )
