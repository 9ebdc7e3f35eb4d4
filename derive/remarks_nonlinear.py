"""Owns the first-page answers of layers that choose, apply functions, normalise or measure a loss.

Each answer points at numbered equations of the derivation shown first, and is given only where it is true at
its sizes and for its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from derive.notation.tree import Array, Code, Function, Inline, Name, Strong
from derive.numbered import Numbered, listed
from derive.remarks_layers import windows

Answer = Callable[[Numbered], Inline]
"""An answer for the gradient shown first; () where there is nothing to say at its sizes."""

GIVEN = Array("grad_output")


def has(here: Numbered, title: str) -> bool:
    """Whether the setting of the gradient's claim has a tensor of that name."""
    setting = here.derivation.general.setting
    return title in {t.name for t in setting.inputs} | {d.tensor.name for d in setting.definitions}


def local_slope(here: Numbered) -> Inline:
    """The theorem of activations: grad_input = grad_output * f'(input)."""
    function = here.derivation.general.right.body.terms[0].factors[-1]
    prime = Function(getattr(function, "function", "f_prime"), Array("input"))
    said = (
        " Each output entry reads one input entry, the one at its own place, so of the sum over all output "
    )
    said += f"entries in equation ({here.numbers[0]}) one term is left: equation ({here.closed()}) is "
    rest = ", entry by entry. Of the function nothing is used but that it has a derivative: the same steps "
    rest += "prove it for any f, as "
    asked = Strong("What is the gradient of an activation?")
    return (asked, said, GIVEN, " times ", prime, rest, Code("Activation()"), ".")


def every_class(here: Numbered) -> Inline:
    """Why an entry of a softmax row has a gradient from the whole row."""
    step = _chain(here, "total")
    if not step or here.derivation.wrt != "input":
        return ()
    said = f" Because the row's sum depends on every entry of the row: equation ({step}) follows it through "
    helper = "expected" if has(here, "expected") else "mass" if has(here, "mass") else "whole"
    rest = f". That gives the second term of equation ({here.closed()}), a sum over the row collected in "
    return (
        Strong("Why does every entry of a row receive a gradient from the whole row?"),
        *(said, Array("total"), rest, Array(helper), "."),
    )


def _chain(here: Numbered, title: str) -> str:
    """The number of the step that differentiates what defines a tensor, or ""."""
    pairs = zip(here.numbers, here.derivation.steps, strict=True)
    return next(
        (n for n, s in pairs if s.rule == "chain" and s.reason.endswith(f"defines {title} contributes")), ""
    )


def no_overflow(here: Numbered) -> Inline:
    """Why the largest entry may be subtracted."""
    if not has(here, "shift"):
        return ()
    said = (
        " Any number may be subtracted from a row: the gradient by it is 0, as shown below, after that by ",
        Array("input"),
        ". Kernels subtract the row's largest entry, so that no exponential is more than 1.",
    )
    return (Strong("Why is the largest entry subtracted first?"), *said)


def target_sum(here: Numbered) -> Inline:
    """p - y, and where the sum of y being 1 is used."""
    if not has(here, "probability") or not has(here, "whole"):
        return ()
    step, asked = here.at("whole"), Strong("Is the gradient p - y?")
    said = (
        f" It is (sum of y) p - y: equation ({step}) collects the sum of the target over the classes in ",
        *(
            Array("whole"),
            ", for any target. Where it is 1 that is p - y; no step here uses that, but theorem ",
        ),
        *(Code("softmax-cross-entropy"), " shows the step that does. "),
    )
    if has(here, "class_weight"):
        rest = "With class weights it is the sum of the weighted target."
    elif has(here, "chosen"):
        rest = "It is 1 for a class index, and 0 for a target that is ignored."
    else:
        rest = "Probabilities that do not sum to 1 are taken as they are."
    return (asked, *said, rest)


def mean_of_losses(here: Numbered) -> Inline:
    """What the reduction does to the gradient."""
    below = next((title for title in ("norm", "count") if has(here, title)), "")
    if not below or not has(here, "handed"):
        return ()
    said = " Every place's loss is divided by "
    rest = f", which does not depend on the input. Equation ({here.at('handed')}) collects "
    return (
        Strong("What does the mean do to the gradient?"),
        *(said, Array(below), rest, GIVEN, " divided by it in ", Array("handed"), "."),
    )


def only_largest(here: Numbered) -> Inline:
    """Why the gradient goes to one entry of each window."""
    word = "smallest" if _first(here) == "smallest" else "largest"
    said = f" The output entry of a window is its {word} entry. Where that is unique, small changes leave it "
    said += f"the {word} one, so "
    rest = f" does not change and its derivative is 0. Equation ({here.at('routed')}) sends each window's "
    rest += "entry of "
    end = " to the entry it took; the others do not move the output and receive 0."
    return (
        Strong(f"Why does the gradient go to the {word} entry alone?"),
        *(said, Array("pick"), rest, GIVEN, end),
    )


def _first(here: Numbered) -> str:
    derivation = here.derivation
    return next((c.first for c in derivation.layer.codes(derivation.input_shape).values()), "")


def shared_entries(here: Numbered) -> Inline:
    """What happens where windows overlap."""
    most = {t: max(windows(here, t)) for t in here.tags}
    asked = Strong("What if windows overlap?")
    several = [f"axis {t}" for t in here.tags if most[t] > 1]
    if not several:
        return (asked, " Here they do not: no input entry lies in more than one window.")
    said = f" Here they do, on {listed(several)}: an entry lies in up to {prod(most.values())} windows and "
    what = "may be taken by several" if has(here, "pick") else "counts in each"
    said += f"{what}. Equation ({here.closed()}) adds what comes back from them; nothing is overwritten."
    return (asked, said)


def statistics(here: Numbered) -> Inline:
    """Why mean and variance carry gradient in training."""
    asked = Strong("Do mean and variance carry gradient?")
    if not has(here, "mean"):
        said = f" Not here: they are given, and equation ({here.closed()}) only scales "
        return (asked, said, GIVEN, ".") if here.derivation.wrt == "input" else ()
    if here.derivation.wrt != "input":
        return ()
    said = " Yes: in training both are computed from the batch, so that every entry of a channel moves them. "
    ends = sorted({here.at("slope_grad"), here.at("mean_grad")}, key=int)
    said += (
        f"What that adds is collected in equation{'s' * (len(ends) > 1)} {listed([f'({e})' for e in ends])}: "
    )
    rest = " comes from the mean, "
    end = " from the variance. Without them the gradient would be its first term alone, as in evaluation."
    return (asked, said, Array("mean_grad"), rest, Array("slope_grad"), end)


def masked(here: Numbered) -> Inline:
    """What the mask does to the gradient."""
    if not has(here, "mask"):
        return ()
    said = f" What it did to the input: equation ({here.closed()}) multiplies by the same mask and the same "
    end = ". An entry that was dropped moved nothing and receives 0."
    return (Strong("What does the mask do to the gradient?"), said, Array("scale"), end)


def read_back(here: Numbered) -> Inline:
    """What the gradient of an unpooling is."""
    said = f" Each entry was put at one place; equation ({here.closed()}) reads "
    end = " there. The zeros elsewhere are constants, and what comes back to them is not used."
    return (Strong("What is the gradient of an unpooling?"), said, GIVEN, end)


def two_slopes(here: Numbered) -> Inline:
    """Where the two factors of an LP pooling's gradient come from."""
    step = here.at("handed")
    said = (
        f" The root is applied to each window's sum and the power to each entry. Equation ({step}) collects "
    )
    rest = " times the derivative of the root at the window's sum; the derivative of the power at the entry, "
    return (
        Strong("Why are there two derivatives?"),
        *(said, GIVEN, rest, Name("p"), " times its power less one, stands beside it."),
    )


ANSWERS: Mapping[str, tuple[Answer, ...]] = {
    "activation": (local_slope,),
    "softmax": (every_class, no_overflow),
    "loss": (target_sum, no_overflow, mean_of_losses),
    "selection": (only_largest, shared_entries),
    "powers": (two_slopes, shared_entries),
    "normalisation": (statistics,),
    "entrywise": (masked,),
    "unpooling": (read_back,),
}
"""Which questions each family answers."""
