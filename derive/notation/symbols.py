"""Owns the letters: what each tensor is called in formulas, and what tensors and sizes mean in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A tensor's letter, the accent over it ("", "tilde", "hat", "bar", "d" in front), its meaning."""

    letter: str
    accent: str
    meaning: str


TENSORS: dict[str, Symbol] = {
    "input": Symbol("X", "", "the layer's input"),
    "weight": Symbol("W", "", "the kernel"),
    "bias": Symbol("B", "", "the bias"),
    "output": Symbol("Y", "", "the layer's output"),
    "grad_output": Symbol("G", "", "the derivative of the loss by each output entry, given"),
    "loss": Symbol("L", "", "the loss, a scalar"),
    "padded_input": Symbol("X", "hat", "the input with its zero padding"),
    "spread": Symbol("G", "tilde", "grad_output with zeros inserted by the stride"),
    "bordered": Symbol("G", "hat", "the spread grad_output with zeros around it"),
    "flipped": Symbol("W", "bar", "the kernel flipped on both axes, channel axes exchanged"),
    "grad_input": Symbol("X", "d", "the gradient with respect to the input"),
    "grad_weight": Symbol("W", "d", "the gradient with respect to the kernel"),
    "grad_bias": Symbol("B", "d", "the gradient with respect to the bias"),
}

FACTOR_ORDER = ("input", "padded_input", "grad_output", "spread", "bordered", "weight", "flipped", "bias")
"""The order of the factors of an entry's products; other tensors follow, by name."""

SIZES: dict[str, str] = {
    "N": "batch",
    "groups": "groups",
    "C": "input channels in a group",
    "K": "output channels in a group",
    "H": "input height and width",
    "W": "input height and width",
    "H_out": "output height and width",
    "W_out": "output height and width",
    "k": "kernel size",
    "s": "stride",
    "d": "dilation",
    "p": "zeros before",
    "q": "zeros after",
    "r": "left over by the stride",
}


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


def size_meaning(name: str) -> str:
    """A size in words, or ""."""
    return SIZES.get(name) or SIZES.get(split(name)[0], "")
