"""Owns the letters: what each tensor is called in formulas, and what it means in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A tensor's letter, the accent over it, its meaning, and the axis that it belongs to ("" for none).

    Accents: "", "tilde", "hat", "bar", "d" (in front), "dhat" (both).
    """

    letter: str
    accent: str
    meaning: str
    axis: str = ""


AXES = ("d", "h", "w")
"""The tags of spatial axes, in the order of a tensor's axes."""

TENSORS: dict[str, Symbol] = {
    "input": Symbol("X", "", "the layer's input"),
    "other": Symbol("Z", "", "the layer's second input"),
    "weight": Symbol("W", "", "the kernel"),
    "bias": Symbol("B", "", "the bias"),
    "output": Symbol("Y", "", "the layer's output"),
    "grad_output": Symbol("G", "", "the derivative of the loss by each output entry, given"),
    "loss": Symbol("L", "", "the loss, a scalar"),
    "share": Symbol("m", "", "the constant that each window's sum is multiplied by"),
    "padded_input": Symbol("X", "hat", "the input with its padding"),
    "spread": Symbol("G", "tilde", "grad_output with zeros inserted by the stride"),
    "bordered": Symbol("G", "hat", "the spread grad_output with zeros around it"),
    "shared_grad": Symbol("G", "bar", "grad_output, each entry divided among the entries of its window"),
    "padded_grad": Symbol("G", "hat", "grad_output with its padding"),
    "spread_input": Symbol("X", "tilde", "the input with zeros inserted by the stride"),
    "bordered_input": Symbol("X", "hat", "the spread input with zeros around it"),
    "flipped": Symbol("W", "bar", "the kernel read backwards on every spatial axis"),
    "transposed": Symbol("W", "tilde", "the weights, rows and columns exchanged"),
    "grad_input": Symbol("X", "d", "the gradient with respect to the input"),
    "grad_other": Symbol("Z", "d", "the gradient with respect to the second input"),
    "grad_weight": Symbol("W", "d", "the gradient with respect to the weights"),
    "grad_bias": Symbol("B", "d", "the gradient with respect to the bias"),
    "grad_padded": Symbol("X", "dhat", "the gradient with respect to the padded input"),
}
for _title in [
    "correlated",
    "pooled",
    "resampled",
    "downsampled",
    "inserted",
    "moved",
    "added",
    "joined",
    "multiplied",
]:
    TENSORS[_title] = Symbol("Y", "hat", "the output, computed by its proved form")
for _tag in AXES:
    _place = f"by place on axis {_tag}"
    TENSORS |= {
        f"share_{_tag}": Symbol(
            "m", "", f"a constant that each window's sum is multiplied by, {_place}", _tag
        ),
        f"table_{_tag}": Symbol("T", "", f"the interpolation weights on axis {_tag}, constants", _tag),
        f"padded_{_tag}": Symbol("X", "hat", f"the input padded on the axes up to {_tag}", _tag),
        f"folded_{_tag}": Symbol("X", "dhat", f"the gradient folded back on the axes from {_tag} on", _tag),
    }

TABLES = ("share", *(f"{title}_{tag}" for title in ("share", "table") for tag in AXES))
"""Tensors of given constants; they are written in front of a product."""

FACTOR_ORDER = (
    *TABLES, "input", "other", "padded_input", "spread_input", "bordered_input", "grad_output", "shared_grad",
    "padded_grad", "spread", "bordered", "weight", "flipped", "transposed", "bias",
)  # fmt: skip
"""The order of the factors of an entry's products; other tensors follow, by name."""


def symbol(tensor: str) -> Symbol:
    """The symbol of a tensor; one without a letter of its own is written out."""
    return TENSORS.get(tensor) or Symbol(tensor, "", "")


def split(name: str) -> tuple[str, str, str]:
    """A name as (base, subscript, primes).

    >>> split("H_out"), split("a_h'"), split("groups")
    (('H', 'out', ''), ('a', 'h', "'"), ('groups', '', ''))
    """
    bare = name.rstrip("'")
    base, _, below = bare.partition("_")
    return base, below, name[len(bare) :]
