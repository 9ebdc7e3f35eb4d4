"""Owns the reading of MathML: the signs that a browser draws, as the tokens that `latex_parser` reads."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

from latex_parser_forms import tokens
from latex_parser_terms import Unreadable

from derive.notation.symbols import FUNCTIONS

SIGNS = {"≤": r"\le", "−": "-", "∂": r"\partial"}
DRAWN = {symbol: tokens(written) for written, symbol in FUNCTIONS.values()}
"""The names of functions as MathML writes them."""

GREEK_LETTERS = dict(
    zip("αεκλμπρτ", ("alpha", "epsilon", "kappa", "lambda", "mu", "pi", "rho", "tau"), strict=True)
)
HATS = {"~": r"\tilde", "^": r"\hat"}
Element = ElementTree.Element


def signs(source: str) -> list[str]:
    """The tokens of one formula."""
    return _tokens(ElementTree.fromstring(f"<math>{source}</math>"))


def _tokens(node: Element) -> list[str]:
    if node.tag not in READERS:
        raise Unreadable(f"<{node.tag}>")
    return READERS[node.tag](node)


def _row(node: Element) -> list[str]:
    inside = [token for child in node for token in _tokens(child)]
    return [r"\overline", "{", *inside, "}"] if "border-top" in node.get("style", "") else inside


def _word(node: Element) -> list[str]:
    """A letter, a Greek letter, the name of a function, or a word."""
    text = node.text or ""
    if node.get("mathvariant") == "normal":
        return [rf"\mathrm{{{text}}}"]
    if text in GREEK_LETTERS:
        return [f"\\{GREEK_LETTERS[text]}"]
    if text in DRAWN:
        return DRAWN[text]
    if text in SIGNS:
        return [SIGNS[text]]
    return [text] if len(text) == 1 or text.isdigit() else [rf"\mathrm{{{text}}}"]


def _sign(node: Element) -> list[str]:
    text = node.text or ""
    return ["'"] * len(text) if set(text) == {"′"} else [SIGNS.get(text, text)]


def _scripted(node: Element) -> list[str]:
    """x_i, x^a, and x with both: what stands above a letter comes first, as in LaTeX."""
    base, *scripts = map(_tokens, node)
    above = scripts.pop() if node.tag != "msub" else []
    if above and set(above) == {"'"}:
        return [*base, *above]
    if node.tag == "msup" and above[0] != "(":
        return ["{", *base, "}", "^", "{", *above, "}"]
    upper = ["^", "{", *above, "}"] if above else []
    lower = ["_", "{", *scripts[0], "}"] if scripts else []
    return [*base, *upper, *lower]


def _fraction(node: Element) -> list[str]:
    above, below = map(_tokens, node)
    return [r"\frac", "{", *above, "}", "{", *below, "}"]


def _limits(node: Element) -> list[str]:
    _, below, above = map(_tokens, node)
    return [r"\sum", "_", "{", *below, "}", "^", "{", *above, "}"]


def _accent(node: Element) -> list[str]:
    return [HATS[node[1].text or ""], "{", *_tokens(node[0]), "}"]


READERS: dict[str, Callable[[Element], list[str]]] = {
    "math": _row,
    "mrow": _row,
    "mi": _word,
    "mn": lambda node: [node.text or ""],
    "mo": _sign,
    "mspace": lambda node: [],
    "mfrac": _fraction,
    "msub": _scripted,
    "msup": _scripted,
    "msubsup": _scripted,
    "munderover": _limits,
    "mover": _accent,
    "msqrt": lambda node: [r"\sqrt", "{", *_row(node), "}"],
}
