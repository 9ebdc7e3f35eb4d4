"""Owns the letters: what each tensor is called in formulas, and what it means in words."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
TENSORS |= {
    "mask": Symbol("M", "", "the mask, 0 or 1 at each entry"),
    "scale": Symbol("alpha", "", "what an entry that stays is multiplied by, a constant"),
    "shift": Symbol("tau", "", "any number for each row; it drops out"),
    "shifted": Symbol("X", "bar", "the input less the shift of its row"),
    "total": Symbol("S", "", "the sum of a row's exponentials"),
    "probability": Symbol("P", "", "the probabilities, softmax of the input"),
    "expected": Symbol("G", "bar", "the expectation of grad_output in a row"),
    "mass": Symbol("M", "", "the sum of a row of grad_output"),
    "chosen": Symbol("I", "", "1 at the class that the target names, 0 at the others"),
    "indices": Symbol("J", "", "places of a plane, as whole numbers"),
    "target": Symbol("T", "", "the target"),
    "present": Symbol("E", "", "1 at a place with a class, 0 at one that is ignored"),
    "class_weight": Symbol("W", "", "the weight of each class"),
    "pos_weight": Symbol("W", "hat", "the weight of a target of 1"),
    "norm": Symbol("Z", "", "what the mean divides by"),
    "kept": Symbol("kappa", "", "the part of what was there that is kept, a constant"),
    "smooth": Symbol("epsilon", "", "the part of the target that each class is given, a constant"),
    "other_share": Symbol("Y", "bar", "one less the target"),
    "loss_each": Symbol("L", "tilde", "the loss of each place"),
    "handed": Symbol("G", "hat", "what reaches the loss of each place"),
    "whole": Symbol("T", "bar", "the sum of the target over the classes"),
    "difference": Symbol("E", "", "input less target"),
    "weight_decay": Symbol("lambda", "", "the factor of the penalty, a constant"),
    "count": Symbol("m", "", "how many entries there are"),
    "mean": Symbol("mu", "", "the mean of each channel"),
    "centred": Symbol("X", "tilde", "the input less its channel's mean"),
    "variance": Symbol("V", "", "the variance of each channel"),
    "steadied": Symbol("V", "tilde", "the variance plus eps"),
    "eps": Symbol("epsilon", "", "what is added to the variance, a constant"),
    "running_mean": Symbol("mu", "hat", "the running mean of each channel"),
    "running_var": Symbol("V", "hat", "the running variance of each channel"),
    "new_running_mean": Symbol("mu", "tilde", "the running mean after this batch"),
    "new_running_var": Symbol("V", "bar", "the running variance after this batch"),
    "renewed": Symbol("rho", "", "the part of this batch in the running mean, a constant"),
    "unbiased": Symbol("rho", "hat", "the part of this batch in the running variance, a constant"),
    "mean_grad": Symbol("G", "bar", "the mean of grad_output in each channel"),
    "slope_grad": Symbol("G", "tilde", "the mean of grad_output times the centred input in each channel"),
    "pick": Symbol("P", "", "1 at the entry that a window takes, 0 at its others"),
    "spot": Symbol("P", "", "1 at the place that an entry is put at, 0 at the others"),
    "routed": Symbol("G", "tilde", "grad_output of each window, at the entry that it takes"),
    "grad_target": Symbol("T", "d", "the gradient with respect to the target"),
    "grad_shift": Symbol("tau", "d", "the gradient with respect to the shift"),
}
for _title in [
    "applied",
    "copied",
    "product",
    "scaled",
    "normalised",
    "selected",
    "placed",
    "reduced",
    "rooted",
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
        f"scale_{_tag}": Symbol(
            "alpha", "", f"a constant that a window's sum is multiplied by, {_place}", _tag
        ),
        f"table_{_tag}": Symbol("T", "", f"the interpolation weights on axis {_tag}, constants", _tag),
        f"padded_{_tag}": Symbol("X", "hat", f"the input padded on the axes up to {_tag}", _tag),
        f"folded_{_tag}": Symbol("X", "dhat", f"the gradient folded back on the axes from {_tag} on", _tag),
    }

for _number in map(str, range(16)):
    TENSORS |= {
        f"tap_{_number}": Symbol("W", "", f"the kernel at tap {_number} of the last axis", _number),
        f"column_{_number}": Symbol("G", "", f"grad_output at place {_number} of each tile", _number),
        f"mix_{_number}": Symbol("U", "", f"the transformed taps, number {_number}", _number),
        f"entry_{_number}": Symbol("V", "", f"the transformed entries, number {_number}", _number),
        f"met_{_number}": Symbol("M", "", f"their products, number {_number}, summed", _number),
        f"tile_{_number}": Symbol("Y", "", f"output {_number} of each tile", _number),
    }
TENSORS["grad_tap"] = Symbol("W", "d", "the gradient with respect to the kernel at the tap")

TENSORS |= {
    "fast_taps": Symbol("U", "", "the transformed taps"),
    "fast_entries": Symbol("V", "", "the transformed entries"),
    "fast_products": Symbol("M", "", "their products, summed"),
}
FOLDED = {"p": "the rows of the folded axis", "s": "the columns of its rows"}
"""The tags of a folded axis: place D p + s is column s of row p."""
for _tag, _place in ({t: f"axis {t}" for t in AXES} | FOLDED).items():
    TENSORS |= {
        f"taps_{_tag}": Symbol("G", "", f"the transform of taps on {_place}, constants", _tag),
        f"front_{_tag}": Symbol("B", "", f"the transform of entries on {_place}, constants", _tag),
        f"back_{_tag}": Symbol("A", "", f"the transform of products on {_place}, constants", _tag),
    }

CONSTANTS = ("scale", "kept", "smooth", "weight_decay", "eps", "renewed", "unbiased")
FAST = ("back", "taps", "front")
TABLES = (
    "share",
    *(f"{title}_{tag}" for title in ("share", "table", "scale", *FAST) for tag in AXES),
    *(f"{title}_{tag}" for title in FAST for tag in FOLDED),
    *CONSTANTS,
)
"""Tensors of given constants; they are written in front of a product."""

FACTOR_ORDER = (
    *TABLES, "probability", "pick", "spot", "chosen", "target", "mask", "handed",
    "input", "other", "padded_input", "spread_input", "bordered_input", "grad_output", "shared_grad",
    "padded_grad", "spread", "bordered", "weight", "flipped", "transposed", "bias",
)  # fmt: skip
"""The order of the factors of an entry's products; other tensors follow, by name."""


FUNCTIONS: dict[str, tuple[str, str]] = {
    "exp": (r"\exp", "exp"),
    "log": (r"\log", "log"),
    "relu": (r"\operatorname{ReLU}", "ReLU"),
    "leaky_relu": (r"\operatorname{LeakyReLU}", "LeakyReLU"),
    "sigmoid": (r"\sigma", "\N{GREEK SMALL LETTER SIGMA}"),
    "tanh": (r"\tanh", "tanh"),
    "softplus": (r"\operatorname{softplus}", "softplus"),
    "gelu": (r"\operatorname{GELU}", "GELU"),
    "gelu_tanh": (r"\operatorname{GELU}_{\tanh}", "GELU_tanh"),
    "silu": (r"\operatorname{SiLU}", "SiLU"),
    "elu": (r"\operatorname{ELU}", "ELU"),
    "hardtanh": (r"\operatorname{hardtanh}", "hardtanh"),
    "f": ("f", "f"),
    "log_sigmoid": (r"\log\sigma", "log\N{GREEK SMALL LETTER SIGMA}"),
    "log_clamped": (r"\log_{\ge -100}", "log_clamped"),
    "log_rest_clamped": (r"\log^{c}_{\ge -100}", "log_rest_clamped"),
    "bce_weight": (r"\omega", "\N{GREEK SMALL LETTER OMEGA}"),
    "erf": (r"\operatorname{erf}", "erf"),
}
"""How functions are called in LaTeX and in Unicode; derivatives get a prime, plain text writes names out."""

PRIME = "_prime"

KNOWN = frozenset({*FUNCTIONS, "recip", "rsqrt", "power", "root"})
"""Functions that entries may be under, besides the derivatives of these."""


def function_parts(function: str) -> tuple[tuple[str, str], int]:
    """The two names of a function, and how many primes follow."""
    bare = function.removesuffix(PRIME)
    known = FUNCTIONS.get(bare) or (rf"\operatorname{{{bare}}}".replace("_", r"\_"), bare)
    return known, int(bare != function)


GREEK = {
    "alpha": "α",
    "epsilon": "ε",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "pi": "π",
    "rho": "ρ",
    "tau": "τ",
}
"""Letters that are written out in the tables above."""


def symbol(tensor: str) -> Symbol:
    """The symbol of a tensor; one without a letter of its own is written out."""
    return TENSORS.get(tensor) or _in_graph(tensor)


def _in_graph(tensor: str) -> Symbol:
    """The symbol of a graph's tensor: "a.weight" is W above which a stands, "grad_x" a d in front of x.

    >>> symbol("a.weight").letter, symbol("a.weight").axis, symbol("grad_x").letter
    ('W', 'a', 'x')
    """
    bare = tensor.removeprefix("grad_")
    node, _, own = bare.rpartition(".")
    if bare != tensor and node == "output":
        return replace(TENSORS["grad_output"], axis=own)
    known = TENSORS.get(own) if node else None
    found = (
        Symbol(bare, "", "")
        if known is None
        else replace(known, axis=", ".join(filter(None, (node, known.axis))))
    )
    return (
        replace(found, accent={"": "d", "hat": "dhat"}.get(found.accent, found.accent))
        if bare != tensor
        else found
    )


def split(name: str) -> tuple[str, str, str]:
    """A name as (base, subscript, primes).

    >>> split("H_out"), split("a_h'"), split("groups")
    (('H', 'out', ''), ('a', 'h', "'"), ('groups', '', ''))
    """
    bare = name.rstrip("'")
    base, _, below = bare.partition("_")
    return base, below, name[len(bare) :]
