"""Owns LaTeX: nodes as amsmath source, with an estimate of how wide they will be."""

from __future__ import annotations

from derive.notation.functions import based
from derive.notation.symbols import GREEK, function_parts, split, symbol
from derive.notation.tree import (
    Array,
    Bracket,
    Called,
    Cases,
    Code,
    Compared,
    Derivative,
    Elided,
    Entry,
    Function,
    Group,
    Inline,
    Name,
    Node,
    Number,
    Over,
    Piece,
    Plus,
    Power,
    Product,
    Root,
    Sign,
    Span,
    Strong,
    Total,
    Values,
)

DEFINED = r"\mathrel{:=}"
SIGNS = {"<=": r" \le ", "<": " < ", "==": " = ", ">": " > ", ">=": r" \ge "}
ACCENTS = {
    "": "{}",
    "tilde": r"\tilde{{{}}}",
    "hat": r"\hat{{{}}}",
    "bar": r"\overline{{{}}}",
    "d": r"\mathrm{{d}}{}",
    "dhat": r"\mathrm{{d}}\hat{{{}}}",
}

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$", "|": "$|$",
    "→": r"$\to$", "…": r"\ldots{}", "—": "---",
    "≤": r"$\le$", "≥": r"$\ge$", "∂": r"$\partial$", "Σ": r"$\Sigma$", "·": r"$\cdot$",
}  # fmt: skip


def escaped(text: str) -> str:
    """Any text as LaTeX that prints it; a character that plain LaTeX lacks is named by its code point."""
    return "".join(SPECIAL.get(c) or (c if c.isascii() else f"U+{ord(c):04X}") for c in text)


def name(text: str) -> str:
    """H_out -> H_{\\mathrm{out}}, a_h' -> a_{h}', groups -> \\mathrm{groups}."""
    base, below, primes = split(text)
    return _word(base) + (f"_{{{_word(below)}}}" if below else "") + primes


def _word(text: str) -> str:
    if text in GREEK:
        return f"\\{text} "
    return text if len(text) == 1 else rf"\mathrm{{{escaped(text)}}}"


def letter(tensor: str) -> str:
    sign = symbol(tensor)
    return ACCENTS[sign.accent].format(_word(sign.letter)) + (
        f"^{{({_word(sign.axis)})}}" if sign.axis else ""
    )


def written(node: Node) -> str:
    """One node as LaTeX for math mode."""
    match node:
        case Number(text):
            return r"\tfrac{{{}}}{{{}}}".format(*text.split("/")) if "/" in text else text
        case Name(text):
            return name(text)
        case Array(tensor):
            return letter(tensor)
        case Entry(array, indices):
            return letter(array) + (f"_{{{','.join(map(written, indices))}}}" if indices else "")
        case Derivative(of, wrt):
            return rf"\frac{{\partial {written(of)}}}{{\partial {written(wrt)}}}"
        case Total(limits):
            return r"\,".join(rf"\sum_{{{written(i)}=0}}^{{{written(limit.last)}}}" for i, limit in limits)
        case Bracket(parts, signs):
            joined = "".join(SIGNS[s] + written(p) for s, p in zip(signs, parts[1:], strict=True))
            return f"[{written(parts[0])}{joined}]"
        case Product(factors):
            return r"\,".join(map(written, factors))
        case Plus(terms):
            text = "".join((" - " if minus else " + ") + written(term) for minus, term in terms)
            return f"-{text[3:]}" if terms[0][0] else text[3:]
        case Group(body):
            return _enclosed(body)
        case Elided():
            return rf"\ldots\ (\text{{{node.words}}})".replace(",", "{,}")
        case Values(items):
            return "(" + r",\ ".join(map(written, items)) + ")"
        case Function(function, argument):
            (called, _), primes = function_parts(function)
            return called + "'" * primes + _enclosed(argument)
        case Over(top, bottom):
            return rf"\frac{{{written(top)}}}{{{written(bottom)}}}"
        case Power(base, exponent):
            return f"{{{_base(base)}}}^{{{_small(exponent)}}}"
        case Root(body):
            return rf"\sqrt{{{written(body)}}}"
        case Compared(left, sign, right):
            return f"{written(left)}{SIGNS[sign]}{written(right)}"
        case Cases(rows):
            lines = r" \\ ".join(f"{written(v)} & {_where(c)}" for v, c in rows)
            return rf"\begin{{cases}} {lines} \end{{cases}}"
    raise TypeError(f"{type(node).__name__} has no LaTeX: add it in derive/notation/latex.py")


def _base(node: Node) -> str:
    """What a power is of; a letter with a d in front is taken together."""
    spread = isinstance(node, Entry) and symbol(node.array).accent.startswith("d")
    return f"({written(node)})" if spread else written(based(node))


def _enclosed(body: Node) -> str:
    """In parentheses, tall ones around a fraction."""
    inside = written(body)
    return rf"\left({inside}\right)" if r"\frac" in inside or r"\sqrt" in inside else f"({inside})"


def _small(node: Node) -> str:
    """An exponent; fractions are written with a stroke."""
    return f"{written(node.top)}/{written(node.bottom)}" if isinstance(node, Over) else _stroked(node)


def _stroked(node: Node) -> str:
    if isinstance(node, Plus):
        text = "".join((" - " if minus else " + ") + _small(term) for minus, term in node.terms)
        return f"-{text[3:]}" if node.terms[0][0] else text[3:]
    return written(node)


def _where(condition: Compared | None) -> str:
    return rf"\text{{where }}{written(condition)}" if condition else r"\text{elsewhere}"


def joined(line: tuple[Piece, ...]) -> str:
    """The pieces of one line."""
    text = ""
    for position, piece in enumerate(line):
        space = f" {piece.sign} " if piece.sign else r"\," if position else ""
        text += space + written(piece.node)
    return text.strip()


def inline(parts: Inline) -> str:
    """Running text; formulas with only a blank between them share one $...$."""
    out, formula = "", ""
    for position, part in enumerate(parts):
        following = parts[position + 1] if position + 1 < len(parts) else ""
        if _mathematical(part):
            formula += _operator(part.text) if isinstance(part, Sign) else written(part)  # type: ignore[arg-type]
        elif formula and part == " " and _mathematical(following):
            formula += " "
        else:
            out += (f"${formula}$" if formula else "") + _words(part)
            formula = ""
    return out + (f"${formula}$" if formula else "")


def _mathematical(part: Span) -> bool:
    return not isinstance(part, str | Code | Strong | Called)


def _words(part: Span) -> str:
    match part:
        case Code(text):
            return rf"\texttt{{{escaped(text)}}}"
        case Strong(text):
            return rf"\textbf{{{escaped(text)}}}"
        case Called(tensor):
            return rf"${letter(tensor)}$ (\texttt{{{escaped(tensor)}}})"
        case str():
            return escaped(part.replace("<=", "≤").replace(">=", "≥"))
    raise TypeError(f"{type(part).__name__} is not text: add it in derive/notation/latex.py")


def _operator(text: str) -> str:
    return {":=": DEFINED}.get(text, text)


SCRIPT = 0.72
"""The size of a subscript relative to its line, rounded up from 7/10."""


def width(node: Node, scale: float = 1.0) -> float:
    """An upper estimate of the printed width in points, in 10 pt display style.

    Letters are taken as wide as Computer Modern's widest common ones; the tests compile what is broken
    by this estimate and look for overfull boxes.
    """
    match node:
        case Number(digits):
            return scale * 5.3 * len(digits)
        case Name(text):
            base, tag, primes = split(text)
            return scale * (_letters(base) + SCRIPT * (_letters(tag) + 3 * len(primes)) + 0.6)
        case Array(tensor):
            sign = symbol(tensor)
            above = SCRIPT * (_letters(sign.axis) + 7.8) if sign.axis else 0.0
            return scale * (_letters(sign.letter) + 5.6 * sign.accent.startswith("d") + above)
        case Entry(array, indices):
            below = sum(width(i, scale * SCRIPT) for i in indices) + 3.5 * scale * SCRIPT * len(indices)
            return width(Array(array), scale) + below + 0.8 * scale
        case Derivative(of, wrt):
            return max(width(of, scale), width(wrt, scale)) + scale * 8.5
        case Total(limits):
            return sum(_limit_width(i, limit.last, scale) for i, limit in limits)
        case Bracket(parts, signs):
            return sum(width(p, scale) for p in parts) + scale * (5.8 + 13.4 * len(signs))
        case Product(factors):
            return sum(width(f, scale) + 1.8 * scale for f in factors) - 1.8 * scale
        case Plus(terms):
            joints = len(terms) - 1 + terms[0][0]
            return sum(width(t, scale) for _, t in terms) + (12.4 if scale == 1 else 8.6) * scale * joints
        case Group(body):
            return width(body, scale) + 8.0 * scale
        case Elided():
            return scale * (5.0 * len(node.words) + 26)
        case Values(items):
            return sum(width(i, scale) + 6.2 * scale for i in items) + 4.0 * scale
        case Function(function, argument):
            (_, called), dashes = function_parts(function)
            return scale * (_letters(called) + 3.0 * dashes + 12.0) + width(argument, scale)
        case Over(top, bottom):
            return max(width(top, scale), width(bottom, scale)) + 2.4 * scale
        case Power(base, exponent):
            return width(based(base), scale) + width(exponent, scale * SCRIPT) + 1.0 * scale
        case Root(body):
            return width(body, scale) + 9.0 * scale
        case Compared(left, _, right):
            return width(left, scale) + width(right, scale) + 13.4 * scale
        case Cases(rows):
            conditions = max(width(c, scale) + 34 * scale if c else 48 * scale for _, c in rows)
            return max(width(v, scale) for v, _ in rows) + conditions + 20 * scale
    raise TypeError(f"{type(node).__name__} has no width: add it in derive/notation/latex.py")


def piece_width(piece: Piece) -> float:
    return width(piece.node) + (12.4 if piece.sign else 1.8)


def text_width(parts: Inline) -> float:
    """An upper estimate for running text in footnote size."""
    return sum(4.6 * len(p) if isinstance(p, str) else 8.0 if isinstance(p, Sign) else 40.0 for p in parts)


def _limit_width(index: Name, last: Node, scale: float) -> float:
    below = width(index, scale * SCRIPT) + scale * SCRIPT * (7.8 + 5.3)
    return max(14.8 * scale, below, width(last, scale * SCRIPT)) + 4.6 * scale


def _letters(text: str) -> float:
    if text in GREEK:
        return 6.5
    wide = sum(9.8 if c.isupper() else 8.8 if c in "mw" else 5.6 for c in text)
    return float(wide)
