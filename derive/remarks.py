"""Owns the answers to what learners ask of a convolution: why is the kernel flipped, what does the stride do.

Each answer points at the numbered step of the derivation that it paraphrases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from derive.entries import reads
from derive.index import name
from derive.notation.build import Builder
from derive.notation.symbols import split
from derive.notation.tree import Array, Inline, Name, Sign, Strong

if TYPE_CHECKING:
    from derive.derivation import Derivation, Line

FLIP, STRIDE = Strong("Why is the kernel flipped?"), Strong("What if the stride is not 1?")


@dataclass(frozen=True)
class Numbered:
    """A derivation with the equation number of each of its steps."""

    derivation: Derivation
    numbers: tuple[str, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """The axes that have a stride: "h", "w"."""
        return tuple(split(n)[1] for n in self.derivation.sizes if split(n)[0] == "s")

    def size(self, letter: str, tag: str) -> int:
        return int(self.derivation.sizes.get(f"{letter}_{tag}", 0))

    def first(self, rule: str) -> str:
        """The number of the last step of the first run of a rule, or ""."""
        return next((n for n, s in self._pairs if s.rule == rule), "")

    def local(self) -> str:
        """The number of the local derivative: the last use of the chain rule."""
        return next((n for n, s in reversed(self._pairs) if s.rule == "chain"), "")

    def introduces(self, tensor: str) -> str:
        """The number of the step that first reads a tensor, or ""."""
        return next((n for n, s in self._pairs if tensor in reads(s.rhs) - reads(s.lhs)), "")

    @property
    def _pairs(self) -> Sequence[tuple[str, Line]]:
        return tuple(zip(self.numbers, self.derivation.steps, strict=True))


def remarks(numbered: Mapping[str, Numbered]) -> tuple[Inline, ...]:
    """The two answers, for the operands derived; none for a layer without a stride."""
    shown = next((numbered[w] for w in ("input", "weight", "bias") if w in numbered), None)
    if shown is None or not shown.tags:
        return ()
    return (flip(numbered), stride(shown))


def flip(numbered: Mapping[str, Numbered]) -> Inline:
    """Why the kernel is flipped, told at the step of grad_input that turns it."""
    if "input" not in numbered:
        return _no_flip(numbered)
    here = numbered["input"]
    tag = next((t for t in here.tags if here.size("k", t) > 1), "")
    if not tag:
        said = f" A kernel with a single tap stays as it is; equation ({here.introduces('flipped')}) "
        return (FLIP, said, "only exchanges its channel axes.", *_weight_too(numbered))
    builder = Builder(here.derivation.sizes)
    place, out, tap, back, kernel = (f"{letter}_{tag}" for letter in "ioabk")
    met = name(f"s_{tag}") * name(out) + name(f"d_{tag}") * name(tap) - name(f"p_{tag}")
    turned = builder.form(name(kernel) - 1 - name(back))
    return (
        FLIP,
        *(" Tap ", Name(tap), " of output entry ", Name(out), " meets the input at ", builder.form(met)),
        f" (the bracket of equation ({here.local()})). Seen from one fixed input entry ",
        *(Name(place), ", a later tap therefore belongs to an earlier output entry. "),
        f"Equation ({here.first('reindex')}) counts the taps from the far end, ",
        *(Name(tap), " ", Sign(":="), " ", turned, ", so that ", Array("grad_output"), " is read forwards: "),
        "what then stands there is the kernel backwards, and the sum is an ordinary correlation with it.",
        *_weight_too(numbered),
    )


def _weight_too(numbered: Mapping[str, Numbered]) -> Inline:
    if "weight" not in numbered:
        return ()
    local = numbered["weight"].local()
    return (f" The gradient by the kernel needs no flip: from ({local}) on its tap is held fixed.",)


def _no_flip(numbered: Mapping[str, Numbered]) -> Inline:
    """Without grad_input there is nothing to flip, and why."""
    wrt, here = next(iter(numbered.items()))
    if wrt == "weight":
        why = f"In equation ({here.local()}) the tap is held fixed and the sum over places runs forwards"
    else:
        why = f"Equation ({here.local()}) no longer contains the kernel"
    said = "the flip belongs to the gradient by the input, where the sum is over taps."
    return (FLIP, f" Here it is not. {why}; {said}")


def stride(here: Numbered) -> Inline:
    """What the stride does, told at the step that introduces the spread grad_output; leftovers named."""
    step = here.introduces("spread")
    if not step:
        said = f" Nothing changes: equation ({here.local()}) sums over the output entries there are, "
        return (STRIDE, said, "wherever their windows lie.")
    wide = [t for t in here.tags if here.size("s", t) > 1]
    spread, given = Array("spread"), Array("grad_output")
    if not wide:
        zeros = Builder({"s"}).form(name("s") - 1)
        return (
            STRIDE,
            *(f" Here it is 1, and equation ({step}) inserts nothing: ", spread, " is ", given, ". "),
            *(
                "For a stride ",
                Name("s"),
                " the same equation inserts ",
                zeros,
                " zeros between neighbours of ",
            ),
            *(given, ", and rows that the last window does not reach get zeros at the end."),
        )
    apart = _and([f"{here.size('s', t)} apart on axis {t}" for t in wide])
    told = _and([_inserted(here, t) for t in wide])
    return (
        STRIDE,
        f" Windows then start {apart}. Equation ({step}) writes the places in between as zeros: ",
        *(spread, " is ", given, f" with {told}, and the rest is the correlation of stride 1."),
        *_leftovers(here),
    )


def _inserted(here: Numbered, tag: str) -> str:
    zeros = here.size("s", tag) - 1
    return f"{zeros} zero{'s' * (zeros > 1)} between neighbours on axis {tag}"


def _leftovers(here: Numbered) -> Inline:
    """What no window reaches at the end of each axis: input rows with gradient 0, or padding alone."""
    left = {t: here.size("r", t) for t in here.tags if here.size("r", t)}
    if not left:
        return (" The stride leaves no rows or columns over.",)
    rows = {t: r - here.size("q", t) for t, r in left.items() if r > here.size("q", t)}
    padding = [f"axis {t}" for t in left if t not in rows]
    said = f" On {_and(padding)} the stride leaves over padding alone." if padding else ""
    if not rows:
        return (said,)
    where = _and([f"{count} on axis {t}" for t, count in rows.items()])
    said += f" The last input rows or columns, {where}, are reached by no window, and are not dropped: "
    if here.derivation.wrt == "input":
        return (
            said,
            f"in equation ({here.introduces('bordered')}) they meet zeros alone, their gradient is 0.",
        )
    return (said, "they take part in no output, and no term of the sum reads them.")


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
