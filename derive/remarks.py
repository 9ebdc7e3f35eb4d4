"""Owns the answers to what learners ask of a layer, and which layer gets which; here those about kernels.

Each answer points at the numbered step of the derivation that it paraphrases. Why is the kernel flipped,
what does the stride do: for layers that slide learned weights. The others are in `remarks_layers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from derive.index import name
from derive.notation.build import Builder
from derive.notation.tree import Array, Inline, Name, Sign, Strong
from derive.numbered import Numbered, counted, listed
from derive.remarks_layers import ANSWERS, repeated
from derive.remarks_nonlinear import ANSWERS as NONLINEAR

FLIP, STRIDE = Strong("Why is the kernel flipped?"), Strong("What if the stride is not 1?")

COUNTS = {1: "A question first", 2: "Two questions first", 3: "Three questions first"}
"""The heading over so many answers."""


def remarks(numbered: Mapping[str, Numbered]) -> tuple[Inline, ...]:
    """The answers for the operands derived; none for a layer of which nothing is asked."""
    shown = next((numbered[w] for w in ("input", "weight", "bias", "other") if w in numbered), None)
    if shown is None:
        return ()
    learned = any(t.name == "weight" for t in shown.derivation.general.setting.inputs)
    if shown.family == "convolution" or (shown.family == "pooling" and learned):
        more = (repeated(shown),) if shown.staged and shown.derivation.wrt == "input" else ()
        return (flip(numbered), stride(shown), *(m for m in more if m))
    answers = ANSWERS.get(shown.family) or NONLINEAR.get(shown.family, ())
    found = (answer(shown) for answer in answers)
    return tuple(said for said in found if said)


def flip(numbered: Mapping[str, Numbered]) -> Inline:
    """Why the kernel is flipped, told at the step of grad_input that turns it."""
    if "input" not in numbered:
        return _no_flip(numbered)
    here = numbered["input"]
    tag = next((t for t in here.tags if here.size("k", t) > 1), "")
    if not tag:
        return (FLIP, *_single_tap(here), *_weight_too(numbered))
    return (FLIP, *_met(here, tag), *_turned(here, tag), *_weight_too(numbered))


def _met(here: Numbered, tag: str) -> Inline:
    """Where a tap meets the input, and what that means seen from there."""
    place, out, tap = (f"{letter}_{tag}" for letter in "ioa")
    step = name(f"d_{tag}") * name(tap) if f"d_{tag}" in here.sizes else name(tap)
    met = name(f"s_{tag}") * name(out) + step
    if not here.staged:
        met = met - name(f"p_{tag}")
    image = "the padded input" if here.staged else "the input"
    fixed: Inline = ("entry of it, ",) if here.staged else ("input entry ", Name(place), ", ")
    shown = Builder(here.sizes).form(met)
    return (
        *(" Tap ", Name(tap), " of output entry ", Name(out), f" meets {image} at ", shown),
        f" (the bracket{'s' * here.staged} of equation ({here.local()})). Seen from one fixed ",
        *(*fixed, "a later tap therefore belongs to an earlier output entry. "),
    )


def _turned(here: Numbered, tag: str) -> Inline:
    """The change of variable that reads the kernel backwards; else the step that first says flipped."""
    tap, back, kernel = (f"{letter}_{tag}" for letter in "abk")
    if not here.turned():
        said = f"In equation ({here.at('flipped')}) the sum runs through "
        meets = (" forwards and so meets the kernel backwards, as ", Array("flipped"), ".")
        return (said, Array("grad_output"), *meets)
    turned = Builder(here.sizes).form(name(kernel) - 1 - name(back))
    return (
        f"Equation ({here.turned()}) counts the taps from the far end, ",
        *(Name(tap), " ", Sign(":="), " ", turned, ", so that ", Array("grad_output"), " is read forwards: "),
        "what then stands there is the kernel backwards, and the sum is an ordinary correlation with it.",
    )


def _single_tap(here: Numbered) -> Inline:
    """A kernel that is the same backwards."""
    if here.family == "convolution":
        said = f" A kernel with a single tap stays as it is; equation ({here.at('flipped')}) "
        return (said, "only exchanges its channel axes.")
    return (" A kernel with a single tap is the same backwards.",)


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
    apart = listed([f"{here.size('s', t)} apart on axis {t}" for t in wide])
    told = listed([_inserted(here, t) for t in wide])
    return (
        STRIDE,
        f" Windows then start {apart}. Equation ({step}) writes the places in between as zeros: ",
        *(spread, " is ", given, f" with {told}, and the rest is the correlation of stride 1."),
        *_leftovers(here),
    )


def _inserted(here: Numbered, tag: str) -> str:
    return f"{counted(here.size('s', tag) - 1, 'zero')} between neighbours on axis {tag}"


def _leftovers(here: Numbered) -> Inline:
    """What no window reaches at the end of each axis: input rows with gradient 0, or padding alone."""
    left = {t: here.size("r", t) for t in here.tags if here.size("r", t)}
    if not left:
        return (" The stride leaves no rows or columns over.",)
    if here.staged:
        where = listed([f"{count} on axis {t}" for t, count in left.items()])
        return (f" The last rows or columns of the padded input, {where}, are reached by no window.",)
    rows = {t: r - here.size("q", t) for t, r in left.items() if r > here.size("q", t)}
    padding = [f"axis {t}" for t in left if t not in rows]
    said = f" On {listed(padding)} the stride leaves over padding alone." if padding else ""
    if not rows:
        return (said,)
    where = listed([f"{count} on axis {t}" for t, count in rows.items()])
    said += f" The last input rows or columns, {where}, are reached by no window, and are not dropped: "
    if here.derivation.wrt == "input":
        return (
            said,
            f"in equation ({here.at('bordered')}) they meet zeros alone, their gradient is 0.",
        )
    return (said, "they take part in no output, and no term of the sum reads them.")
