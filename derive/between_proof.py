"""Owns the answer to `prove --theorem`: the result of a theorem between layers, and its document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise

from derive.api import ProofResult
from derive.between import theorem_between
from derive.claim import Argument
from derive.document import checked, defined, printed, statement
from derive.domain import supposed
from derive.equations import Line, Numbers, lines
from derive.equations import numbers as numbers_after
from derive.errors import ProofError
from derive.legend import CONVENTIONS, channels, hypotheses, letters
from derive.notation.build import Builder
from derive.notation.symbols import TENSORS, split
from derive.notation.tree import (
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
)  # fmt: skip
from derive.proof import Theorem
from derive.steps import sizes_of
from derive.theorems import LABEL, between_certificate, proved_between

OWN: Mapping[str, str] = {
    "matrix": "the matrix, output channels by input channels",
    "filter": "the filter as textbooks write it",
    "first": "the first kernel",
    "second": "the second kernel",
    "portions": "any numbers for the classes of a place, their sum not 0",
    "all_portions": "the sum of the portions of a place",
}
"""Tensors that only these theorems have; the other helpers are said by their definitions."""

SIZES: Mapping[str, str] = {
    "N": "batch",
    "groups": "groups",
    "C": "input channels",
    "M": "channels between the two",
    "K": "output channels",
    **dict.fromkeys(("D", "H", "W"), "input lengths"),
    **dict.fromkeys(("D_out", "H_out", "W_out"), "output lengths"),
    "k": "kernel size",
    "l": "size of the second kernel",
    "s": "stride or factor",
    "d": "dilation",
    "p": "zeros before",
    "q": "zeros after",
    "r": "what the stride leaves over, or zeros asked for at the end",
    "T": "tiles",
    "t": "stride of the convolution",
    "u": "what that stride leaves over",
    "v": "",
    "w": "",
    "e": "places by which a last window hangs over",
    "m": "half of the factor, rounded down",
    "b": "1 where the factor is even, 0 where it is odd",
}
BAND = "[0 ≤ u o - v i + t < w] is where entry i counts for place o"

SHOWN = ", 2 axes"
"""The parts that are printed; those on one and three axes read alike."""


def prove_theorem(name: str) -> ProofResult:
    """Prove a theorem between layers, every part on one, two and three spatial axes.

    Raises LayerError, with the nearest name, where there is no such theorem.
    """
    proved = proved_between(name)
    shown = {part: t for part, t in proved.items() if part.endswith(SHOWN)}
    text = between_certificate(name)
    return ProofResult(
        True,
        LABEL,
        len(proved),
        "\n".join([theorem_between(name).says, *_statements(shown)]),
        (
            *(f"hypotheses of {p}: {'; '.join(map(str, t.claim.setting.facts))}" for p, t in shown.items()),
            *supposed([t.claim for t in shown.values()]),
        ),
        tuple(f"{part}: {LABEL}; {_counted(t.argument)}" for part, t in proved.items()),
        str(json.loads(text)["digest"]),
        text,
    )


def _statements(shown: Mapping[str, Theorem]) -> list[str]:
    """Each statement once, below the names of the parts that prove it."""
    parts: dict[str, list[str]] = {}
    for part, theorem in shown.items():
        parts.setdefault(statement(theorem.claim), []).append(part.removesuffix(SHOWN))
    return [line for said, names in parts.items() for line in (f"{' and '.join(names)}:", said)]


def _counted(argument: Argument) -> str:
    steps = (*argument.left_steps, *argument.right_steps)
    count = len(argument.upkeep) + sum(len(s.certificates) for s in steps)
    rules = ", ".join(dict.fromkeys(s.rule for s in steps))
    return f"{len(steps)} steps ({rules}), {count} certificates verified"


def page(name: str) -> Page:
    """The document of a theorem between layers: definitions, chain and hypotheses of its parts."""
    places = numbers(name)
    shown = {p.removesuffix(SHOWN): (t, places[p]) for p, t in proved_between(name).items() if p in places}
    said = "Shown for two spatial axes; one and three are proved alike. Every equality is a checked step."
    blocks: list[Block] = [
        Paragraph((Strong("Theorem."), f" {theorem_between(name).says}")),
        Paragraph((Strong("Proof:"), f" {LABEL}. {said}")),
    ]
    for part, (theorem, place) in shown.items():
        blocks += part_blocks(part, theorem, place.last - len(general_lines(theorem)))
    return Page((Code(name),), tuple(blocks))


def numbers(name: str) -> dict[str, Numbers]:
    """The equation of the theorem's document that each step of each printed part is in."""
    found: dict[str, Numbers] = {}
    before = 0
    for part, theorem in proved_between(name).items():
        if part.endswith(SHOWN):
            found[part] = numbers_after(theorem.argument, before)
            before = found[part].last
    return found


def general_lines(theorem: Theorem) -> tuple[Line, ...]:
    """The chain over symbolic sizes; ProofError where a line does not start where the one before ended."""
    found = lines(theorem.argument, theorem.claim, lambda e: e, lambda f: f)
    for before, after in pairwise(found):
        if before.rhs != after.lhs:
            raise ProofError(
                "the chain has a gap", where=after.rule, expected=str(before.rhs), got=str(after.lhs)
            )
    return found


def part_blocks(part: str, theorem: Theorem, number: int) -> list[Block]:
    """One claim: its definitions, its chain with equation numbers after `number`, its hypotheses."""
    claim = theorem.claim
    setting = claim.setting
    builder = Builder(sizes_of(setting))
    names = [*(t.name for t in setting.inputs), *(d.tensor.name for d in setting.definitions)]
    own = {name: said for name, said in OWN.items() if name in names}
    links = tuple(
        checked(line, builder, str(number + place))
        for place, line in enumerate(general_lines(theorem), start=1)
    )
    more = [span for name, said in own.items() for span in (" ", Called(name), f": {said}.")]
    known = [name for name in names if name in TENSORS and name not in own]
    about = (*letters(known), *more, CONVENTIONS, *channels(sizes_of(setting), builder))
    classes = {"C": "classes"} if "probability" in names or "total" in names else {}
    sizes: Inline = (Strong("Sizes:"), " ", *sizes_said(sizes_of(setting), classes), ".")
    given = tuple(defined(d, builder) for d in (*setting.definitions, claim.right))
    return [
        Heading((part,), 2),
        Paragraph(about),
        Paragraph(sizes),
        Paragraph((Strong("Definitions:"),)),
        Displays(given),
        Paragraph((Strong("Chain:"),)),
        Displays((Display(builder.expr(claim.left), links),)),
        *_used_once(theorem, number),
        Paragraph((Strong("Hypotheses:"), " ", *hypotheses(setting.facts, builder), ".")),
    ]


def _used_once(theorem: Theorem, number: int) -> list[Block]:
    """Where the target's sum being 1 is used, in the theorem that supposes it."""
    lines_ = enumerate(general_lines(theorem), start=number + 1)
    places = [place for place, line in lines_ if line.rule == "cancel" and "all_portions" in line.reason]
    if len(places) != 1:
        return []
    said = " is where the target's sum being 1 is used: the sum of the portions times its inverse. No other "
    return [Paragraph((Strong("Sum 1:"), f" Equation ({places[0]}){said}step depends on it."))]


def sizes_said(sizes: frozenset[str], own: Mapping[str, str] | None = None) -> Inline:
    """Each size in words, those of one meaning together; `own` are meanings of this theorem alone."""
    groups: dict[str, list[str]] = {}
    order = list(SIZES)
    for size in sorted(sizes, key=lambda n: (order.index(_kind(n)), n)):
        kind = _kind(size)
        said = BAND if "v_w" in sizes and kind in "uvtw" else {**SIZES, **(own or {})}[kind]
        inside = " in a group" if kind in "CMK" and "groups" in sizes else ""
        groups.setdefault(said + inside, []).append(size)
    out: list[Span] = []
    for said, members in groups.items():
        for member in members:
            out += [Name(member), ", "]
        out[-1:] = [f": {said}", "; "]
    return tuple(out[:-1])


def _kind(size: str) -> str:
    """The key of a size in SIZES: H_out as it is, k_h as k."""
    return size if size in SIZES else split(size)[0]


def render_theorem(name: str, format: str = "text", style: str = "fragment") -> str:
    """The document as text, in the formats and styles of `derive.document.render`.

    Raises LayerError on another format, or with the nearest name where there is no such theorem.
    """
    return printed(page(name), format, style)
